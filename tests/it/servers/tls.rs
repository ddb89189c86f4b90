//! Certificates of a cluster: one authority, a server certificate, client certificates.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A certificate and its key, both PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// A certificate authority that lives as long as the test run.
pub struct Authority {
    pub certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let key = new_key();
        let mut params = named(name, None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("couldn't sign a root certificate").pem();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a server on the loopback interface, known by `names` too.
    pub fn server(&self, names: &[&str], addresses: &[IpAddr]) -> Identity {
        let mut params = named("server", None);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        params.subject_alt_names = addresses.iter().chain(&loopback).map(|ip| SanType::IpAddress(*ip)).collect();
        for name in names.iter().chain(&["localhost"]) {
            let name = (*name).try_into().expect("a DNS name is ASCII");
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        self.sign(params)
    }

    /// A certificate for a server that is known by these names only, whatever its address is.
    pub fn server_by_name(&self, names: &[&str]) -> Identity {
        let mut params = named("server", None);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = names.iter().map(|name| SanType::DnsName((*name).try_into().expect("a DNS name is ASCII"))).collect();
        self.sign(params)
    }

    /// A client certificate: the user's name and group, as Kubernetes reads them from `CN` and `O`.
    pub fn client(&self, user: &str, group: &str) -> Identity {
        let mut params = named(user, Some(group));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = new_key();
        let certificate = params.signed_by(&key, &self.issuer).expect("couldn't sign a certificate");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// How a client that trusts this authority connects, with a certificate of its own or without.
    pub fn client_config(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.certificate)).expect("our own root is valid");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions")
            .with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => config
                .with_client_auth_cert(vec![certificate(&identity.certificate)], key(identity))
                .expect("our own certificate fits its key"),
        };
        Arc::new(config)
    }
}

/// How a server with this identity accepts connections.
pub fn server_config(identity: &Identity) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate(&identity.certificate)], key(identity))
        .expect("our own certificate fits its key");
    Arc::new(config)
}

fn key(identity: &Identity) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("our own key is PEM")
}

/// A fresh key on P-256, which every peer here accepts.
pub fn new_key() -> KeyPair {
    KeyPair::generate().expect("couldn't generate a key")
}

fn named(name: &str, group: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(group) = group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("our own certificate is PEM")
}
