//! Certificates from files: what is taken, and what never replaces a good one.
use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use clbmigrate_webhook::{
    Webhook,
    metrics::Metrics,
    tls::{
        CaBundle, CertDir, CertDirWatcher, CertResolver, CertificateAuthority, Lifetimes,
        Publication, PublishedEntry, ServingCertificate, ServingCertificateError, SignerPem,
    },
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rstest::rstest;
use tokio::{sync::watch, time::Instant};

/// How long a replica may see files before another one does.
const LAG: Duration = Duration::from_secs(300);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A certificate for `web.test` and what it was signed with, PEM.
struct Signed {
    leaf: String,
    chain: String,
    key: String,
    root: String,
}

/// Signed by an authority between the root and the server, as real ones are.
fn signed() -> Signed {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params, KeyPair::generate().expect("a key"))
    };
    let (root_params, root_key) = authority("root");
    let root = root_params.self_signed(&root_key).expect("a root").pem();
    let root_issuer = Issuer::new(root_params, root_key);
    let (middle_params, middle_key) = authority("middle");
    let middle = middle_params.signed_by(&middle_key, &root_issuer).expect("signed").pem();
    let middle_issuer = Issuer::new(middle_params, middle_key);
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["web.test".to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&key, &middle_issuer).expect("signed").pem();
    Signed { chain: format!("{leaf}{middle}"), leaf, key: key.serialize_pem(), root }
}

fn parse(certificates: &str, key: &str) -> Result<ServingCertificate, ServingCertificateError> {
    ServingCertificate::parse(certificates.as_bytes(), key.as_bytes(), SystemTime::now())
}

/// Fills a folder as kubelet does: files are links into `..data`, a link that moves.
fn mount(folder: &Path, number: u32, files: &[(&str, &str)]) {
    let version = folder.join(format!("..{number}"));
    fs::create_dir(&version).expect("a folder");
    for (name, text) in files {
        fs::write(version.join(name), text).expect("a file");
        let link = folder.join(name);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(name), link).expect("a link");
        }
    }
    let (link, data) = (folder.join("..data_tmp"), folder.join("..data"));
    let old = fs::read_link(&data);
    symlink(&version, &link).expect("a link");
    fs::rename(link, data).expect("renamed");
    if let Ok(old) = old {
        fs::remove_dir_all(old).expect("removed");
    }
}

#[test]
fn a_chain_is_taken_whole() {
    let signed = signed();
    let pair = parse(&signed.chain, &signed.key).expect("a good pair");
    assert_eq!(pair.key().cert.len(), 2);
    assert_eq!(pair.server_name().as_deref(), Some("web.test"));
}

#[rstest]
#[case::wildcard(vec!["*.test.svc".to_owned()], "any.test.svc")]
#[case::address(vec!["127.0.0.1".to_owned()], "127.0.0.1")]
#[case::address_of_ip_6(vec!["::1".to_owned(), "web.test".to_owned()], "::1")]
fn a_pair_knows_whom_it_is_for(#[case] names: Vec<String>, #[case] expected: &str) {
    let now = SystemTime::now();
    let authority =
        CertificateAuthority::create(1, Lifetimes::default(), now).expect("an authority");
    let pair = authority.sign(&names, now).expect("a certificate");
    assert_eq!(pair.server_name().as_deref(), Some(expected));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let (signed, other) = (signed(), signed());
    let refused = |certificates: &str, key: &str| parse(certificates, key).expect_err("refused");
    assert!(matches!(refused(&signed.leaf, &other.key), ServingCertificateError::Mismatch(_)));
    let (leaf, middle) = signed.chain.split_at(signed.leaf.len());
    let turned = format!("{middle}{leaf}");
    assert!(matches!(refused(&turned, &signed.key), ServingCertificateError::Mismatch(_)));
    assert!(matches!(refused("", &signed.key), ServingCertificateError::Certificate(_)));
    assert!(matches!(refused(&signed.key, &signed.key), ServingCertificateError::Certificate(_)));
    assert!(matches!(refused(&signed.leaf, ""), ServingCertificateError::Key(_)));
    assert!(matches!(refused(&signed.leaf, &signed.leaf), ServingCertificateError::Key(_)));
    let cut = &signed.leaf[..signed.leaf.len() / 2];
    assert!(matches!(refused(cut, &signed.key), ServingCertificateError::Certificate(_)));
    let spoilt = signed.leaf.replacen("MII", "MIA", 1);
    assert!(matches!(refused(&spoilt, &signed.key), ServingCertificateError::Certificate(_)));
}

#[test]
fn a_certificate_is_old_after_two_thirds_of_its_life_and_before_it_begins() {
    let now = SystemTime::now();
    let authority =
        CertificateAuthority::create(1, Lifetimes::default(), now).expect("an authority");
    let pair = authority.sign(&["web.test".to_owned()], now).expect("a certificate");
    assert!(!pair.needs_renewal(now));
    assert!(!pair.needs_renewal(now - Duration::from_secs(3600)), "clocks differ by an hour");
    assert!(!pair.needs_renewal(now + 4 * DAY));
    assert!(pair.needs_renewal(now + 5 * DAY), "a week's two thirds");
    assert!(pair.needs_renewal(now - Duration::from_secs(3 * 3600)), "the clock was set back");
    assert!(pair.not_after() > now + 6 * DAY);
}

#[test]
fn an_expired_certificate_is_refused() {
    let now = SystemTime::now();
    let authority =
        CertificateAuthority::create(1, Lifetimes::default(), now).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["web.test".to_owned()]).expect("a name");
    params.not_before = (now - 2 * DAY).into();
    params.not_after = (now - DAY).into();
    let leaf = params.self_signed(&key).expect("signed").pem();
    assert!(matches!(parse(&leaf, &key.serialize_pem()), Err(ServingCertificateError::Expired)));
    assert!(CertificateAuthority::create(1, Lifetimes::default(), now - 20 * 365 * DAY).is_ok());
    let signer = SignerPem { certificate: authority.certificate(), key: authority.key() };
    let opened = CertificateAuthority::open(
        signer,
        None,
        authority.bundle().clone(),
        Lifetimes::default(),
        now + 20 * 365 * DAY,
    );
    assert!(opened.is_err());
}

/// A folder, and what follows it.
struct Follower {
    folder: tempfile::TempDir,
    watcher: CertDirWatcher,
    resolver: Arc<CertResolver>,
    bundle: watch::Receiver<Option<CaBundle>>,
    publication: Arc<Publication>,
    /// When the folder is looked at.
    instant: Instant,
}

impl Follower {
    /// There is no webhook configuration.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let resolver = CertResolver::new(Arc::new(Metrics::default()));
        let (bundles, bundle) = watch::channel(None);
        let publication = Publication::new();
        for webhook in Webhook::ALL {
            publication.set(webhook, Vec::new());
        }
        let watcher = CertDirWatcher::new(
            CertDir::new(folder.path()),
            Arc::clone(&resolver),
            bundles,
            Arc::clone(&publication),
        );
        Self { folder, watcher, resolver, bundle, publication, instant: Instant::now() }
    }

    /// A webhook configuration carries these authorities.
    fn publish(&self, pem: &str) {
        let bundle = CaBundle::new(pem, 1).expect("PEM").certificates();
        let entry = PublishedEntry { server_name: "web.test".to_owned(), bundle };
        self.publication.set(Webhook::ValidateServices, vec![entry]);
    }

    /// Looks at the folder so much later.
    fn look_after(&mut self, time: Duration) {
        self.instant += time;
        self.watcher.poll(SystemTime::now(), self.instant);
    }

    /// What is to be published.
    fn published(&self) -> Vec<String> {
        let bundle = self.bundle.borrow();
        let certificates = bundle.as_ref().map(CaBundle::certificates).unwrap_or_default();
        certificates.iter().map(|it| format!("{it:?}")).collect()
    }

    fn mount(&mut self, number: u32, files: &[(&str, &str)]) {
        mount(self.folder.path(), number, files);
        self.look_after(Duration::ZERO);
    }

    /// The certificate that is shown, as in the PEM text it came from.
    fn shows(&self, pem: &str) -> bool {
        use rustls::pki_types::{CertificateDer, pem::PemObject as _};

        let expected = CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
        self.resolver.current().and_then(|pair| pair.leaf().cloned()) == Some(expected)
    }
}

#[test]
fn a_volume_that_kubelet_exchanges_is_followed() {
    let (first, second) = (signed(), signed());
    let mut follower = Follower::new();
    follower
        .mount(1, &[("tls.crt", &first.chain), ("tls.key", &first.key), ("ca.crt", &first.root)]);
    assert!(follower.shows(&first.leaf));
    assert_eq!(follower.bundle.borrow().as_ref().map(|it| it.pem().to_owned()), Some(first.root));

    follower.mount(
        2,
        &[("tls.crt", &second.chain), ("tls.key", &second.key), ("ca.crt", &second.root)],
    );
    assert!(follower.shows(&second.leaf), "nobody needs to be told");
    follower.look_after(LAG);
    assert_eq!(follower.bundle.borrow().as_ref().map(|it| it.pem().to_owned()), Some(second.root));
}

#[test]
fn a_certificate_of_another_authority_is_served_when_api_servers_trust_it() {
    let (first, second) = (signed(), signed());
    let mut follower = Follower::new();
    let mount = |follower: &mut Follower, number: u32, of: &Signed| {
        let files = [("tls.crt", &*of.chain), ("tls.key", &*of.key), ("ca.crt", &*of.root)];
        follower.mount(number, &files);
    };
    let of = |signed: &Signed| {
        let bundle = CaBundle::new(&signed.root, 1).expect("PEM");
        bundle.certificates().iter().map(|it| format!("{it:?}")).collect::<Vec<_>>()
    };
    follower.publish(&first.root);
    mount(&mut follower, 1, &first);
    assert!(follower.shows(&first.leaf));

    mount(&mut follower, 2, &second);
    assert!(follower.shows(&first.leaf), "the new one is trusted by nobody yet");
    assert_eq!(follower.published(), [of(&second), of(&first)].concat());
    follower.publish(&format!("{}{}", second.root, first.root));
    follower.look_after(Duration::from_secs(1));
    assert!(follower.shows(&second.leaf));
    assert_eq!(follower.published().len(), 2, "another replica may still show the old one");
    follower.look_after(LAG);
    assert_eq!(follower.published(), of(&second));
}

#[test]
fn a_certificate_that_is_not_published_for_long_is_served_all_the_same() {
    let (first, second) = (signed(), signed());
    let mut follower = Follower::new();
    follower.publish(&first.root);
    follower.mount(1, &[("tls.crt", &first.chain), ("tls.key", &first.key)]);
    follower.mount(2, &[("tls.crt", &second.chain), ("tls.key", &second.key)]);
    follower.look_after(LAG / 2);
    assert!(follower.shows(&first.leaf));
    follower.look_after(LAG / 2);
    assert!(follower.shows(&second.leaf));
}

#[test]
fn a_bad_pair_never_replaces_a_good_one_and_the_next_good_one_does() {
    let (first, second) = (signed(), signed());
    let mut follower = Follower::new();
    follower.mount(1, &[("tls.crt", &first.chain), ("tls.key", &first.key)]);
    let bad = [
        [("tls.crt", second.chain.as_str()), ("tls.key", first.key.as_str())],
        [("tls.crt", "nonsense"), ("tls.key", &second.key)],
        [("tls.crt", ""), ("tls.key", "")],
    ];
    for (number, files) in (2..).zip(&bad) {
        follower.mount(number, files);
        assert!(follower.shows(&first.leaf), "{files:?}");
    }
    let none = [("tls.crt", second.chain.as_str())];
    follower.mount(10, &none);
    assert!(follower.shows(&first.leaf), "without a key");
    let bundle =
        [("tls.crt", second.chain.as_str()), ("tls.key", &second.key), ("ca.crt", "no PEM")];
    follower.mount(11, &bundle);
    assert!(follower.shows(&first.leaf), "with a bundle that API servers would refuse");
    follower.mount(12, &[("tls.crt", &second.chain), ("tls.key", &second.key), ("ca.crt", "")]);
    assert!(follower.shows(&second.leaf));
    assert_eq!(*follower.bundle.borrow(), None, "cert-manager publishes it");
}

#[test]
fn a_folder_is_told_about_once_for_each_change() {
    let signed = signed();
    let folder = tempfile::tempdir().expect("a folder");
    let mut dir = CertDir::new(folder.path());
    let now = SystemTime::now();
    let missing = dir.poll(now).expect("the first look").expect_err("an empty folder");
    assert!(missing.ends_with("tls.crt: No such file or directory (os error 2)"), "{missing}");
    assert!(dir.poll(now).is_none());
    mount(folder.path(), 1, &[("tls.crt", &signed.chain), ("tls.key", &signed.key)]);
    assert!(dir.poll(now).expect("a change").is_ok());
    assert!(dir.poll(now).is_none());
}

#[test]
fn a_bundle_of_a_newer_certificate_counts_as_newer() {
    let now = SystemTime::now();
    let old =
        CertificateAuthority::create(1, Lifetimes::default(), now - DAY).expect("an authority");
    let new = CertificateAuthority::create(1, Lifetimes::default(), now).expect("an authority");
    let [of_old, of_new] =
        [&old, &new].map(|it| CaBundle::from_file(it.certificate()).expect("PEM"));
    assert!(of_old.generation() < of_new.generation());
    let both = format!("{}{}", new.certificate(), old.certificate());
    let both = CaBundle::from_file(&both).expect("PEM");
    assert_eq!(both.generation(), of_new.generation());
    assert_eq!(both.certificates().len(), 2);
}
