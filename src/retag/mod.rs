//! The first verb: giving images their release tag.
