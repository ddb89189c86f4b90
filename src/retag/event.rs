//! What is told while a plan is carried out.

use std::fmt;

use super::copy;
use crate::image::{Digest, Tag};
use crate::store::docker;

/// What happened to one tag or one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Tagged {
        image: String,
        before: Option<Digest>,
        after: Digest,
    },
    /// The Docker daemon is at work.
    Pushing {
        image: String,
        step: docker::Progress,
    },
    /// A large blob is on its way.
    Streaming {
        blob: Digest,
        sent: u64,
        size: u64,
    },
    /// An image's content, and what refers to it, is at the target.
    Copied {
        from: String,
        to: String,
        counts: Copied,
    },
    /// A newer release has come since the plan was made.
    LeftAlone {
        image: String,
        newer: Tag,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tagged { image, before: Some(before), after } => write!(f, "{image} moved from {} to {}", before.short(), after.short()),
            Self::Tagged { image, before: None, after } => write!(f, "{image} is {}", after.short()),
            Self::Pushing { image, step } => write!(f, "{image}: {step}"),
            Self::Streaming { blob, sent, size } => {
                write!(f, "{}: {} of {} ({} %)", blob.short(), copy::bytes(*sent), copy::bytes(*size), sent * 100 / size.max(&1))
            }
            Self::Copied { from, to, counts } => write!(f, "{from} is copied to {to}: {counts}"),
            Self::LeftAlone { image, newer } => write!(f, "{image} left alone: {newer} is newer, and has come since"),
        }
    }
}

/// What copying one image came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    pub manifests: u64,
    /// Blobs by the way they took.
    pub mounted: u64,
    pub streamed: u64,
    pub already_there: u64,
    /// Bytes of the blobs that were streamed.
    pub bytes: u64,
    /// Signatures, attestations and SBOMs among it.
    pub attached: u64,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = vec![format!("{} manifests", self.manifests)];
        let mut part = |count: u64, text: String| {
            if count > 0 {
                parts.push(text);
            }
        };
        part(self.mounted, format!("{} blobs mounted", self.mounted));
        part(self.streamed, format!("{} blobs streamed ({})", self.streamed, copy::bytes(self.bytes)));
        part(self.already_there, format!("{} blobs already there", self.already_there));
        part(self.attached, format!("{} that refer to it", self.attached));
        f.write_str(&parts.join(", "))
    }
}
