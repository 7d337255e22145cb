//! Certificates for servers under load, in a folder as Kubernetes lays out a TLS Secret.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The authority, which clients must trust.
const AUTHORITY: &str = "ca.crt";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
/// What API servers offer webhooks: over HTTP/2 one connection would take all requests.
const HTTP_1: &[u8] = b"http/1.1";

/// Writes the certificate of a new authority, `ca.crt`, and the certificate and key of a server,
/// `tls.crt` and `tls.key`, valid for these names and addresses. Creates the folder.
pub fn make(folder: &Path, names: &[&str]) -> Result<()> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "load-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let names = names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "load");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;

    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let files = [
        (AUTHORITY, authority.pem()),
        (CERTIFICATE, certificate.pem()),
        (KEY, key.serialize_pem()),
    ];
    for (name, text) in files {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("{}", file.display()))?;
    }
    Ok(())
}

/// The TLS configuration of a server with `tls.crt` and `tls.key` of the folder, for HTTP/1.1.
pub fn server_config(folder: &Path) -> Result<Arc<ServerConfig>> {
    let chain = certificates(&folder.join(CERTIFICATE))?;
    let file = folder.join(KEY);
    let key = PrivateKeyDer::from_pem_file(&file)
        .with_context(|| format!("no private key in {}", file.display()))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| format!("the certificate and key in {}", folder.display()))?;
    config.alpn_protocols = vec![HTTP_1.to_vec()];
    Ok(Arc::new(config))
}

/// The TLS configuration of a client that trusts `ca.crt` of the folder, for HTTP/1.1.
pub fn client_config(folder: &Path) -> Result<Arc<ClientConfig>> {
    let file = folder.join(AUTHORITY);
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&file)? {
        roots.add(certificate).with_context(|| format!("{}", file.display()))?;
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1.to_vec()];
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("{}", file.display()))?;
    ensure!(!found.is_empty(), "no certificate in {}", file.display());
    Ok(found)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
