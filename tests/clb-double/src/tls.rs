//! A certificate of the double's own making.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;

/// What HTTPS clients meet.
pub(crate) struct Tls {
    /// The authority that they must trust.
    pub(crate) ca_pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

/// Makes an authority and with it a certificate for this machine and the address.
pub(crate) fn make(address: IpAddr) -> Result<Tls> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "clb-double-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let mut names = ["127.0.0.1", "::1", "localhost"].map(str::to_owned).to_vec();
    names.push(address.to_string());
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "clb-double");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;

    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { ca_pem: authority.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
}
