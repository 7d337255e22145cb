//! Certificates that the client trusts.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{Error, ErrorKind, environment::Environment};

/// A TLS configuration that trusts the system's authorities and those of a PEM file.
pub(super) fn config(
    extra: Option<&Path>,
    environment: &dyn Environment,
) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(file) = extra {
        add_file(&mut roots, file, environment)?;
    }
    if roots.is_empty() {
        let message = "this machine has no certificates of authorities to trust";
        return Err(Error::new(ErrorKind::Config, message)
            .hint("install the package ca-certificates, or name a file in SSL_CERT_FILE"));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Config, format!("TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn add_file(
    roots: &mut RootCertStore,
    file: &Path,
    environment: &dyn Environment,
) -> Result<(), Error> {
    let wrong = |why: String| {
        let message = format!("certificates {}: {why}", environment.shown(file));
        Error::new(ErrorKind::Config, message)
            .hint("give a file in PEM, -----BEGIN CERTIFICATE-----")
    };
    let pem = environment.read(file).map_err(|error| wrong(error.to_string()))?;
    let mut has_certificate = false;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| wrong("not valid PEM".to_owned()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        has_certificate = true;
    }
    if has_certificate { Ok(()) } else { Err(wrong("no certificate in it".to_owned())) }
}
