//! What the tests of the edits read their tables with.

use super::ImagePin;
use crate::image::{Digest, Reference};

/// `name repository tag [digest]`, by blanks. The service is the repository's last part.
pub(crate) fn pin(text: &str) -> ImagePin {
    let words: Vec<&str> = text.split(' ').collect();
    let repository = words[1].parse::<Reference>().unwrap().repository();
    ImagePin {
        service: repository.path().rsplit('/').next().unwrap().to_owned(),
        name: words[0].to_owned(),
        repository,
        tag: words[2].parse().unwrap(),
        digest: words.get(3).map(|digest| digest.parse::<Digest>().unwrap()),
    }
}
