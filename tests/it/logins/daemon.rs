//! The Docker daemon pushes for itself, and has no login of a cloud: it is handed the one that the action has.

use super::{Outcome, SERVICES, aws, azure, google};
use crate::servers::Registry;
use crate::servers::docker::{Built, engine};

/// Images under the names of the services in a registry, in the engine only.
fn built(host: &str) -> Vec<Built> {
    SERVICES.map(|name| Built::new(&format!("{host}/shop/{name}"), &format!("{name} of {host}"))).into()
}

/// The variables of somebody whose images are in the engine.
fn from_the_engine() -> (&'static str, String) {
    ("DOCKER_HOST", engine().host())
}

#[track_caller]
fn assert_pushed(outcome: &Outcome, registry: &Registry) {
    assert_eq!(outcome.code, 0, "{}", outcome.log);
    for name in SERVICES {
        let repository = format!("shop/{name}");
        let released = registry.digest(&repository, "v1.2.3");
        assert!(released.is_some() && released != registry.digest(&repository, "latest"), "{}", outcome.log);
    }
    let uploads = registry.requests().iter().filter(|request| request.method == "POST" && request.path().contains("/uploads/")).count();
    assert!(uploads >= SERVICES.len(), "the engine has pushed");
}

#[test]
fn the_engine_pushes_to_ecr_with_the_password_of_the_role() {
    let (registry, door) = aws::ecr();
    let _images = built(&door.host());
    let services = aws::services();
    let outcome = aws::release_with(&door, &services, &super::variables(&[&services.runner(), &aws::role(), &[from_the_engine()]]));
    assert_pushed(&outcome, &registry);
    outcome.assert_masked(&[aws::PASSWORD]);
    assert_eq!(services.seen().len(), 3, "one login for all images: runner, role, password");
}

#[test]
fn the_engine_pushes_to_acr_with_the_refresh_token_of_the_exchange() {
    let acr = azure::Acr::start();
    let _images = built(&acr.host());
    let services = azure::services();
    let outcome = acr.release(&services, &super::variables(&[&services.runner(), &[from_the_engine()]]));
    assert_pushed(&outcome, &acr.registry);
    outcome.assert_masked(&[&acr.refresh_token]);
    assert_eq!(acr.exchange().len(), 4);
}

#[test]
fn the_engine_pushes_to_artifact_registry_with_the_access_token() {
    let registry = google::gar();
    let _images = built(&registry.host());
    let (services, file) = google::service_account();
    let outcome = google::release_with(&registry, &file, &[from_the_engine()]);
    assert_pushed(&outcome, &registry);
    outcome.assert_masked(&[google::TOKEN]);
    assert_eq!(services.seen().len(), 1, "one login for all images");
}
