//! Signatures go along with an image: made and checked by cosign itself.
