//! Who may ask: connections with and without a client certificate.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use clbmigrate_webhook::{
    Webhook,
    tls::{ClientAuthority, SelfCheck, TrustAnchor},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rstest::rstest;
use rustls::{pki_types::PrivatePkcs8KeyDer, version};
use tempfile::TempDir;

use crate::{
    client::{Client, Identity, connect_as, probe, request},
    test_server::{NAME, TestServer, until, within},
};

const API_SERVER: &str = "kube-apiserver-admission";
const HOUR: Duration = Duration::from_secs(3600);

/// What signs client certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "clients");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("signed").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn identity(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Identity {
            chain: vec![certificate.der().clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }
}

/// A server for clients of an authority, whose file is in a folder.
struct Guarded {
    server: TestServer,
    authority: Authority,
    clients: Arc<ClientAuthority>,
    folder: TempDir,
}

impl Guarded {
    async fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new();
        fs::write(folder.path().join("ca.crt"), &authority.pem).expect("written");
        let clients = open(&folder, names).expect("a good file");
        let clients = Arc::new(clients);
        let server = TestServer::for_clients(Arc::clone(&clients)).await;
        Self { server, authority, clients, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    async fn connect(&self, identity: Option<&Identity>) -> Client {
        let (address, bundle) = (self.server.address, self.server.bundle());
        let connecting = connect_as(identity, address, bundle, &version::TLS13, &["http/1.1"]);
        Client(within("a connection", connecting).await.expect("a connection"))
    }

    /// Status and body of the answer to a review.
    async fn ask(&self, identity: Option<&Identity>) -> (u16, String) {
        let answer = self.connect(identity).await.post("/validate-services", "{}").await;
        (answer.status, answer.body)
    }
}

fn open(folder: &TempDir, names: &[&str]) -> Result<ClientAuthority, String> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    ClientAuthority::open(&folder.path().join("ca.crt"), names)
}

#[tokio::test]
async fn who_has_no_certificate_is_refused_before_the_body_and_the_connection_closed() {
    let guarded = Guarded::new(&[]).await;
    for webhook in Webhook::ALL {
        let mut client = guarded.connect(None).await;
        let whole = request("POST", webhook.path(), "{\"a\": 1}");
        client.send(&whole[..whole.len() - 8]).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (403, Some("close")));
        assert!(answer.body.contains("this connection has none"), "{answer:?}");
        assert_eq!(client.rest().await, b"");
        let line = format!(r#"refused_clients_total{{hook="{}"}}"#, webhook.name());
        assert!((guarded.server.metric(&line) - 1.0).abs() < f64::EPSILON);
    }
    assert_eq!(guarded.server.answered(), 0);
}

#[tokio::test]
async fn who_has_a_certificate_is_answered_over_tls_1_2_and_1_3() {
    let guarded = Guarded::new(&[]).await;
    let identity = guarded.authority.identity(API_SERVER, |_| ());
    for version in [&version::TLS12, &version::TLS13] {
        let (address, bundle) = (guarded.server.address, guarded.server.bundle());
        let connecting = connect_as(Some(&identity), address, bundle, version, &["http/1.1"]);
        let mut client = Client(within("a connection", connecting).await.expect("a connection"));
        for _ in 0..2 {
            assert_eq!(client.post("/validate-services", "{}").await.status, 200);
        }
    }
}

#[rstest]
#[case::common_name(&[API_SERVER], API_SERVER, &[], 200)]
#[case::one_of_two_names(&["other", API_SERVER], API_SERVER, &[], 200)]
#[case::dns_name(&["api.example"], "x", &["web.example", "api.example"], 200)]
#[case::any_name(&[], "x", &[], 200)]
#[case::no_name(&["other"], API_SERVER, &["api.example"], 403)]
#[case::part_of_a_name(&[API_SERVER], "kube-apiserver", &[], 403)]
#[case::letters_of_another_case(&[API_SERVER], "Kube-Apiserver-Admission", &[], 403)]
#[tokio::test]
async fn a_certificate_must_have_one_of_the_names(
    #[case] names: &[&str],
    #[case] common_name: &str,
    #[case] dns: &[&str],
    #[case] expected: u16,
) {
    let guarded = Guarded::new(names).await;
    let identity = guarded.authority.identity(common_name, |params| {
        for name in dns {
            let name = (*name).try_into().expect("ASCII");
            params.subject_alt_names.push(rcgen::SanType::DnsName(name));
        }
    });
    let (status, body) = guarded.ask(Some(&identity)).await;
    assert_eq!(status, expected, "{body}");
    if expected == 403 {
        assert!(body.contains(common_name), "{body}");
    }
}

#[rstest]
#[case::of_a_stranger(|_: &mut CertificateParams| (), true, "not trusted")]
#[case::expired(|params: &mut CertificateParams| params.not_after = (SystemTime::now() - HOUR).into(), false, "expired")]
#[case::for_servers(|params: &mut CertificateParams| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth], false, "not trusted")]
#[tokio::test]
async fn a_certificate_that_is_not_good_is_refused_with_the_reason(
    #[case] change: fn(&mut CertificateParams),
    #[case] is_strange: bool,
    #[case] reason: &str,
) {
    let guarded = Guarded::new(&[]).await;
    let stranger = Authority::new();
    let authority = if is_strange { &stranger } else { &guarded.authority };
    let identity = authority.identity(API_SERVER, change);
    let (status, body) = guarded.ask(Some(&identity)).await;
    assert_eq!(status, 403, "{body}");
    assert!(body.contains(reason), "{body}");
    assert_eq!(guarded.server.answered(), 0);
}

#[tokio::test]
async fn probes_and_the_call_to_itself_need_no_certificate() {
    let guarded = Guarded::new(&[]).await;
    let server = &guarded.server;
    assert_eq!(probe(server, "/readyz").await.status, 200);
    assert_eq!(probe(server, "/metrics").await.status, 200);
    let call = SelfCheck::new(server.address, Arc::clone(&server.resolver), Arc::default());
    let trust = TrustAnchor::Authority(server.bundle().clone(), NAME.to_owned());
    let caller = Arc::clone(&call);
    tokio::spawn(async move { caller.run(|| Some(trust.clone())).await });
    until("a successful call", || call.check().is_ok()).await;
}

#[tokio::test]
async fn a_new_file_counts_for_open_connections_and_a_bad_one_changes_nothing() {
    let guarded = Guarded::new(&[]).await;
    let put = |text: &str| {
        fs::write(guarded.file(), text).expect("written");
        guarded.clients.poll(SystemTime::now())
    };
    let old = guarded.authority.identity(API_SERVER, |_| ());
    let mut open = guarded.connect(Some(&old)).await;
    assert_eq!(open.post("/validate-services", "{}").await.status, 200);

    let next = Authority::new();
    let leaf = pem(&next.identity(API_SERVER, |_| ()));
    let cut = &next.pem[..next.pem.len() / 2];
    for bad in ["", "nonsense", cut, &leaf] {
        let why = put(bad).expect("a change").expect_err("a bad file was taken");
        assert!(why.contains("ca.crt: "), "{why}");
        assert_eq!(put(bad), None, "the same mistake is told once");
    }
    fs::remove_file(guarded.file()).expect("removed");
    assert!(guarded.clients.poll(SystemTime::now()).is_some_and(|polled| polled.is_err()));
    assert_eq!(open.post("/validate-services", "{}").await.status, 200);

    assert_eq!(put(&format!("{}{}", next.pem, guarded.authority.pem)), Some(Ok(())));
    let new = next.identity(API_SERVER, |_| ());
    assert_eq!(guarded.ask(Some(&new)).await.0, 200);
    assert_eq!(open.post("/validate-services", "{}").await.status, 200);

    assert_eq!(put(&next.pem), Some(Ok(())));
    assert_eq!(open.post("/validate-services", "{}").await.status, 403);
    assert_eq!(guarded.ask(Some(&new)).await.0, 200);
}

fn pem(identity: &Identity) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    let text = STANDARD.encode(&identity.chain[0]);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[rstest]
#[case::missing(None, "ca.crt: No such file")]
#[case::empty(Some(""), "ca.crt: ")]
#[case::no_pem(Some("nonsense"), "no certificate in it")]
fn the_first_file_must_be_good(#[case] text: Option<&str>, #[case] expected: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    if let Some(text) = text {
        fs::write(folder.path().join("ca.crt"), text).expect("written");
    }
    let why = open(&folder, &[]).expect_err("refused");
    assert!(why.contains(expected), "{why}");
}
