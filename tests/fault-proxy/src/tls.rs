//! Certificates: the proxy's own, and those it trusts and shows upstream.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
};

/// The TLS side towards clients.
pub(crate) struct ServerTls {
    /// The authority that clients must trust.
    pub(crate) ca_pem: String,
    pub(crate) config: Arc<ServerConfig>,
}

/// Makes an authority and with it a certificate for this address and this machine's own.
pub(crate) fn server_tls(address: Ipv4Addr) -> anyhow::Result<ServerTls> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "proxy-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let mut names = BTreeSet::from(["127.0.0.1", "::1", "localhost"].map(str::to_owned));
    names.insert(address.to_string());
    let mut params = CertificateParams::new(names.into_iter().collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, "proxy");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;

    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(ServerTls { ca_pem: authority.pem(), config: Arc::new(config) })
}

/// How the proxy connects upstream: whom it trusts, and as whom it comes.
pub(crate) fn client_config(
    ca_pem: &str,
    identity: Option<(&str, &str)>,
) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_pem).context("ca_pem")? {
        roots.add(certificate).context("ca_pem")?;
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate_pem, key_pem)) => {
            let chain = certificates(certificate_pem).context("client_cert_pem")?;
            let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
                .context("client_key_pem: no private key in PEM")?;
            builder
                .with_client_auth_cert(chain, key)
                .context("client_cert_pem with client_key_pem cannot be used")?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(pem: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    anyhow::ensure!(!found.is_empty(), "no certificate in PEM");
    Ok(found)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
