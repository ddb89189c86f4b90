//! Refusals of writes that mean more than their status says: tags that can't change, parts and repositories that aren't there. Pure.

use http::StatusCode;

use super::Error;
use crate::http::Refusal;
use crate::image::Repository;

/// The error of a manifest that wasn't taken.
pub(super) fn refused(what: String, repository: &Repository, refusal: Box<Refusal>) -> Error {
    let registry = repository.registry().to_owned();
    match () {
        () if is_locked(&refusal) => Error::Locked { what, registry, source: refusal },
        () if is_incomplete(&refusal) => Error::Incomplete { what, registry, source: refusal },
        () => unplaced(what, repository, refusal),
    }
}

/// The error of something that wasn't taken, when all that is known is where it was to go.
pub(super) fn unplaced(what: String, repository: &Repository, refusal: Box<Refusal>) -> Error {
    let registry = repository.registry().to_owned();
    match is_without_repository(&refusal) {
        true => Error::NoRepository { repository: repository.to_string(), registry, source: refusal },
        false => Error::of(what, registry, refusal),
    }
}

/// Whether a registry refused a write because it wants the repository to be made first: ECR and Artifact Registry by the code of the specification
/// (distribution-spec §Error codes), Harbor by naming the project.
fn is_without_repository(refusal: &Refusal) -> bool {
    let is_project = refusal.message.contains("project") && refusal.message.contains("not found");
    refusal.status == StatusCode::NOT_FOUND && (refusal.message.contains("NAME_UNKNOWN") || is_project)
}

/// Whether a registry refused to write a tag because it may not change, or may not be made.
///
/// Every registry says it in its own way: ECR 400 `TAG_INVALID` or `ImageTagAlreadyExistsException`, ACR 405
/// `REGISTRY_DISALLOWED_OPERATION`, Harbor 412 "configured as immutable", Artifact Registry 400 "tag immutability", Docker Hub and
/// GitLab 403, Quay 409.
fn is_locked(refusal: &Refusal) -> bool {
    let text = refusal.message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match refusal.status {
        StatusCode::PRECONDITION_FAILED | StatusCode::LOCKED => true,
        StatusCode::METHOD_NOT_ALLOWED => says(&["disallowed", "locked", "immutab"]),
        StatusCode::CONFLICT => says(&["immutab", "already exists", "locked", "overwrit"]),
        StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN => {
            says(&["immutab", "imagetagalreadyexists", "cannot be overwritten", "tag is locked", "protected tag", "protected container"])
        }
        _ => false,
    }
}

/// Whether a registry refused a manifest because something that it points to isn't there (distribution-spec §Error codes).
fn is_incomplete(refusal: &Refusal) -> bool {
    let codes = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"];
    matches!(refusal.status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) && codes.iter().any(|code| refusal.message.contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    fn refusal(status: u16, message: &str) -> Refusal {
        let status = StatusCode::from_u16(status).unwrap();
        Refusal { method: Method::PUT, url: "https://r.example/".into(), status, message: message.into(), wait: None }
    }

    #[test]
    fn every_registrys_way_to_say_that_a_tag_is_locked_is_understood() {
        let locked = [
            (
                400,
                "TAG_INVALID: The image tag 'latest' already exists in the 'web' repository and cannot be overwritten because the repository is immutable.",
            ),
            (400, "ImageTagAlreadyExistsException: tag invalid"),
            (400, "MANIFEST_INVALID: cannot update tag v1. The repository has enabled tag immutability"),
            (403, "DENIED: tag is immutable"),
            (405, "REGISTRY_DISALLOWED_OPERATION: The operation is disallowed on this registry, repository or image."),
            (405, "UNSUPPORTED: the image is locked"),
            (409, "TAG_IMMUTABLE: immutable tag"),
            (412, "PRECONDITION: Failed to process request due to 'latest' configured as immutable."),
        ];
        for (status, message) in locked {
            assert!(is_locked(&refusal(status, message)), "{status} {message}");
        }
        let others = [
            (400, "MANIFEST_INVALID: manifest invalid"),
            (400, "TAG_INVALID: manifest tag did not match URI"),
            (403, "DENIED: requested access to the resource is denied"),
            (405, "UNSUPPORTED: The operation is unsupported."),
            (500, "immutable"),
        ];
        for (status, message) in others {
            assert!(!is_locked(&refusal(status, message)), "{status} {message}");
        }
    }

    #[test]
    fn a_missing_part_is_told_from_a_missing_repository() {
        assert!(is_without_repository(&refusal(404, "NAME_UNKNOWN: repository name not known to registry")));
        assert!(is_without_repository(&refusal(404, "NOT_FOUND: project prod not found")));
        assert!(!is_without_repository(&refusal(404, "MANIFEST_UNKNOWN: manifest unknown")));
        assert!(!is_without_repository(&refusal(404, "BLOB_UPLOAD_UNKNOWN: blob upload unknown to registry")));
        assert!(is_incomplete(&refusal(400, "MANIFEST_BLOB_UNKNOWN: blob unknown to registry")));
        assert!(is_incomplete(&refusal(404, "MANIFEST_UNKNOWN: manifest unknown")));
        assert!(!is_incomplete(&refusal(404, "NAME_UNKNOWN: repository name not known to registry")));
        assert!(!is_incomplete(&refusal(400, "MANIFEST_INVALID: manifest invalid")));
    }
}
