//! Git's protocol over SSH (gitprotocol-pack(5), "SSH Transport"), by a client of our own cryptography's: libgit2's would bring OpenSSL.
//!
//! A server's host key is always checked; there is no first time on which an unknown one is taken.

mod address;
mod channel;
mod known_hosts;

pub use address::SshAddress;
pub(super) use channel::Channel;
pub use known_hosts::KnownHosts;

use super::Key;

/// What logging in to servers takes.
#[derive(Debug, Clone, Default)]
pub struct Login {
    pub key: Option<Key>,
    pub known_hosts: KnownHosts,
}
