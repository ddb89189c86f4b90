use std::fmt::{self, Write as _};
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha512};

use super::NameError;

/// A content digest, `algorithm:hex` (OCI image-spec, descriptor.md §Digests; sha256 and sha512 are the registered algorithms).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The sha256 digest of some bytes.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex(&Sha256::digest(bytes))))
    }

    /// Whether the bytes are what this digest names.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        match self.algorithm() {
            "sha512" => self.hex() == hex(&Sha512::digest(bytes)),
            _ => self.hex() == hex(&Sha256::digest(bytes)),
        }
    }

    /// `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The encoded part, lower-case hexadecimal.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// Algorithm and the first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..self.algorithm().len() + 1 + 12]
    }

    /// The whole digest as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The digest of content that comes piece by piece, by the algorithm of the digest it should have.
#[derive(Debug, Clone)]
pub struct Hasher(Algorithm);

#[derive(Debug, Clone)]
enum Algorithm {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// For content that should have this digest.
    pub fn like(digest: &Digest) -> Self {
        match digest.algorithm() {
            "sha512" => Self(Algorithm::Sha512(Box::default())),
            _ => Self(Algorithm::Sha256(Sha256::new())),
        }
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Algorithm::Sha256(hasher) => hasher.update(bytes),
            Algorithm::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        match self.0 {
            Algorithm::Sha256(hasher) => Digest(format!("sha256:{}", hex(&hasher.finalize()))),
            Algorithm::Sha512(hasher) => Digest(format!("sha512:{}", hex(&hasher.finalize()))),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fail = |reason| NameError::Digest { text: text.to_owned(), reason };
        let (algorithm, hex) = text.split_once(':').ok_or_else(|| fail("it has no colon between algorithm and value"))?;
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(fail("the algorithm is neither sha256 nor sha512")),
        };
        if hex.len() != length {
            return Err(fail("the value has the wrong length"));
        }
        if !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(fail("the value is not lower-case hexadecimal"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_the_digest_of_the_whole() {
        for digest in [Digest::sha256(b"pieces"), format!("sha512:{}", hex(&Sha512::digest(b"pieces"))).parse().unwrap()] {
            let mut hasher = Hasher::like(&digest);
            hasher.update(b"pie");
            hasher.update(b"ces");
            assert_eq!(hasher.finish(), digest);
        }
    }

    #[test]
    fn digests_are_checked_once_at_the_edge() {
        let empty = Digest::sha256(b"");
        assert_eq!(empty.as_str(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(empty.short(), "sha256:e3b0c44298fc");
        assert!(empty.matches(b"") && !empty.matches(b"x"));
        assert_eq!(empty.as_str().parse(), Ok(empty.clone()));
        for bad in ["", "sha256", "md5:00", "sha256:00", &empty.as_str().to_uppercase(), &empty.as_str().replace("e3", "E3")] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
