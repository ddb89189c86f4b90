//! Adapter for git repositories, through libgit2.
