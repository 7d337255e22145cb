//! HTTPS.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use clbmigrate_clb_double::{ClbDouble, Options};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::{Client, SLB, SignatureMethod, send};
use crate::fixture::{read, state};

fn connector(roots: RootCertStore) -> TlsConnector {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn a_client_that_trusts_the_written_authority_is_served_over_https() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    let mut options = Options::new(read(&state()));
    options.listen = None;
    options.listen_tls = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    options.ca_file = Some(file.clone());
    let double = ClbDouble::start(options).await.expect("a double");
    assert_eq!(double.http(), None);
    let pem = fs::read_to_string(&file).expect("the file");
    assert_eq!(double.ca_pem(), Some(pem.as_str()));

    let address = double.https().expect("an address");
    let client = Client::new(address, SignatureMethod::HmacSha1);
    let request = || client.request(SLB, "DescribeVServerGroups", &[("LoadBalancerId", "lb-1")]);
    let name = || ServerName::try_from("127.0.0.1").expect("a name");
    let stream = async || TcpStream::connect(address).await.expect("a connection");

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("a root");
    let tls = connector(roots).connect(name(), stream().await).await.expect("trust");
    send(tls, request()).await.expect("an answer").done();

    let strange = connector(RootCertStore::empty()).connect(name(), stream().await).await;
    assert!(strange.is_err(), "whoever does not trust the authority is not served");
}
