//! Whom we believe to be the API server: the kubeconfig's authorities, and those that the user has added.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::Cluster;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::error::Error;
use crate::http;

/// The root certificates (DER) to check the server's certificate by; `None` leaves it to the system's.
///
/// Additional ones come beside what there would be without them: the kubeconfig's, else the system's.
pub(super) fn of(cluster: &Cluster, additional: &[CertificateDer<'static>]) -> Result<Option<Vec<Vec<u8>>>, Error> {
    let mut roots = match own(cluster)? {
        Some(own) => own,
        None if additional.is_empty() => return Ok(None),
        None => of_the_system(),
    };
    roots.extend(additional.iter().cloned());
    Ok(Some(der(roots)))
}

pub(super) fn der(roots: Vec<CertificateDer<'static>>) -> Vec<Vec<u8>> {
    roots.into_iter().map(|certificate| certificate.to_vec()).collect()
}

/// What the kubeconfig gives: what is inlined wins over a file, as in kubectl.
fn own(cluster: &Cluster) -> Result<Option<Vec<CertificateDer<'static>>>, Error> {
    let wrong = |field, reason: String| Error::Authority { field, reason };
    let (field, pem) = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) => {
            let compact: String = data.split_whitespace().collect();
            let field = "certificate-authority-data";
            (field, STANDARD.decode(compact).map_err(|_| wrong(field, "it isn't base64".to_owned()))?)
        }
        (None, Some(path)) => {
            let field = "certificate-authority";
            (field, std::fs::read(path).map_err(|cause| wrong(field, cause.to_string()))?)
        }
        (None, None) => return Ok(None),
    };
    http::certificates(&pem).map(Some).map_err(|reason| wrong(field, reason))
}

/// Those of the system that can be read: a store with a strange certificate in it is still a store.
fn of_the_system() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs().certs;
    found.into_iter().filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok()).collect()
}
