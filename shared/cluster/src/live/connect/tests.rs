use std::{fs, path::Path};

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "s3cr3t-value";

/// A kubeconfig of one context, in a folder of its own.
struct Config {
    folder: tempfile::TempDir,
}

impl Config {
    fn new(cluster: &Value, user: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = json!({
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
        });
        fs::write(folder.path().join("config"), text.to_string()).expect("a file");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let kubeconfig = Some(self.path("config"));
        ConnectionOptions { kubeconfig, ..ConnectionOptions::default() }.connect().await
    }

    /// The error of the connection, or of the first request.
    async fn refusal(&self) -> Error {
        match self.connect().await {
            Err(error) => error,
            Ok(connection) => connection.get("/version").await.err().expect("nobody is there"),
        }
    }
}

/// A server where nobody is, behind a proxy of the kubeconfig's: none of the environment is asked.
fn nobody() -> Value {
    json!({"server": "https://127.0.0.1:9", "proxy-url": "http://127.0.0.1:9"})
}

#[rstest]
#[case::a_map_for_a_token(nobody(), json!({"token": {"a": SECRET}}))]
#[case::a_token_in_a_list(nobody(), json!({"as-groups": SECRET}))]
#[case::a_token_of_two_lines(nobody(), json!({"token": format!("{SECRET}\nx")}))]
#[case::a_key_that_is_not_base64(nobody(), json!({"client-key-data": format!("{SECRET}%")}))]
#[case::a_server_with_password(json!({"server": format!("https://ann:{SECRET}@127.0.0.1:9")}), json!({}))]
#[case::a_broken_server_with_password(json!({"server": format!("https://ann:{SECRET}@127.0.0.1:x")}), json!({}))]
#[case::a_proxy_with_password(
    json!({"server": "https://127.0.0.1:9", "proxy-url": format!("socks4://ann:{SECRET}@127.0.0.1:8")}),
    json!({})
)]
#[tokio::test]
async fn no_secret_of_a_kubeconfig_is_told(#[case] cluster: Value, #[case] user: Value) {
    let error = Config::new(&cluster, &user).refusal().await;
    let said = format!("{error:?} {error}");
    assert!(!said.contains(SECRET), "{said}");
    assert!(!error.message.contains('\n'), "{said}");
}

#[tokio::test]
async fn no_secret_of_a_broken_file_is_told() {
    let config = Config::new(&nobody(), &json!({}));
    config
        .write("config", &format!("users:\n- name: u\n  user:\n    token: {SECRET}\n    bad: [\n"));
    let error = config.refusal().await;
    assert!(error.message.contains("no YAML"), "{error}");
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
}

/// A user with a plugin that is a script.
fn plugin(script: &str) -> Value {
    json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
        "command": "sh", "args": ["-c", script],
    }})
}

/// A script that prints a token, with more fields of the status.
fn prints(more: &str) -> String {
    let version = "client.authentication.k8s.io/v1";
    format!(
        r#"printf %s '{{"kind": "ExecCredential", "apiVersion": "{version}", "status": {{"token": "t"{more}}}}}'"#
    )
}

/// How often a plugin runs: for a connection, for requests at the same time, and after.
async fn runs(more: &str, refused: bool) -> usize {
    let config = Config::new(&nobody(), &json!({}));
    let runs = config.path("runs");
    let script = format!("echo run >> {}; {}", runs.display(), prints(more));
    let config = Config::new(&nobody(), &plugin(&script));
    let connection = config.connect().await.expect("a connection");
    assert!(!runs.exists(), "it ran before it was needed");
    for number in 1..=2 {
        let both = futures::join!(connection.sign_in(), connection.sign_in());
        both.0.and(both.1).expect("credentials");
        if refused {
            connection.credentials.refuse(number);
        }
    }
    fs::read_to_string(&runs).expect("a file").lines().count()
}

#[rstest]
#[case::it_does_not_say_when_it_expires("", false, 1)]
#[case::it_lasts(r#", "expirationTimestamp": "2120-01-01T00:00:00Z""#, false, 1)]
#[case::it_has_expired_by_its_own_words(
    r#", "expirationTimestamp": "2020-01-01T00:00:00Z""#,
    false,
    1
)]
#[case::the_server_refuses_it("", true, 2)]
#[tokio::test]
async fn a_credential_plugin_runs_as_often_as_needed(
    #[case] more: &str,
    #[case] refused: bool,
    #[case] expected: usize,
) {
    assert_eq!(runs(more, refused).await, expected);
}

#[tokio::test]
async fn a_credential_plugin_that_lasts_no_longer_runs_again() {
    let config = Config::new(&nobody(), &json!({}));
    let runs = config.path("runs");
    let script = format!(
        "echo run >> {}; {}",
        runs.display(),
        prints(r#", "expirationTimestamp": "2020-01-01T00:00:00Z""#)
    );
    let connection =
        Config::new(&nobody(), &plugin(&script)).connect().await.expect("a connection");
    connection.sign_in().await.expect("credentials");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    connection.sign_in().await.expect("credentials");
    assert_eq!(fs::read_to_string(&runs).expect("a file").lines().count(), 2);
}

#[rstest]
#[case::it_fails("echo it is late >&2; exit 7", "failed with exit code 7: it is late")]
#[case::it_says_nothing_and_fails("exit 7", "failed with exit code 7")]
#[case::it_prints_nothing("true", "did not print credentials")]
#[case::it_prints_a_secret_of_no_kind("echo s3cr3t-value", "did not print credentials")]
#[tokio::test]
async fn a_credential_plugin_that_fails_is_named_with_its_user(
    #[case] script: &str,
    #[case] why: &str,
) {
    let error = Config::new(&nobody(), &plugin(script)).refusal().await;
    assert_eq!(error.kind, ErrorKind::Credentials);
    let named = "the credential plugin sh of user \"u\"";
    assert!(error.message.contains(named) && error.message.contains(why), "{error}");
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
}

#[tokio::test]
async fn how_to_install_a_credential_plugin_is_told() {
    let exec = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1beta1", "command": "no-such-login",
        "installHint": "get it:\n\n  \u{1b}[1mhttps://example.com\n",
    }});
    let error = Config::new(&nobody(), &exec).refusal().await;
    assert!(error.message.contains("no-such-login of user \"u\" cannot be started"), "{error}");
    assert_eq!(error.hints, ["get it:", "  [1mhttps://example.com"]);
}

#[rstest]
#[case::gcp("gcp", "gke-gcloud-auth-plugin")]
#[case::azure("azure", "kubelogin")]
#[case::unknown("house", "users[].user.exec")]
#[case::oidc_without_a_token("oidc", "kubectl get namespaces")]
#[tokio::test]
async fn what_takes_the_place_of_an_auth_provider_is_told(
    #[case] name: &str,
    #[case] instead: &str,
) {
    let user = json!({"auth-provider": {"name": name, "config": {"refresh-token": SECRET}}});
    let error = Config::new(&nobody(), &user).refusal().await;
    assert!(error.message.contains(&format!("auth-provider {name:?}")), "{error}");
    assert!(error.hints.join(" ").contains(instead), "{:?}", error.hints);
}

/// A certificate with its key, and the key of another.
fn identity() -> (String, String, String) {
    let one = rcgen::generate_simple_self_signed(["one".to_owned()]).expect("a certificate");
    let other = rcgen::KeyPair::generate().expect("a key");
    (one.cert.pem(), one.signing_key.serialize_pem(), other.serialize_pem())
}

#[rstest]
#[case::no_pem("hello", "key", "ann.crt, is no PEM text")]
#[case::empty("", "key", "ann.crt, is empty")]
#[case::a_key("key", "key", "ann.crt, holds no certificate, but PRIVATE KEY")]
#[case::one_line(
    "flat",
    "key",
    "ann.crt, holds a certificate that is cut off or has lost its line breaks"
)]
#[case::no_key("certificate", "hello", "ann.key, holds no private key")]
#[case::the_key_of_another(
    "certificate",
    "other",
    "ann.key, does not belong to the client certificate"
)]
#[tokio::test]
async fn a_client_certificate_that_cannot_be_used_is_named(
    #[case] certificate: &str,
    #[case] key: &str,
    #[case] why: &str,
) {
    let (one, its_key, other) = identity();
    let text = |name: &str| match name {
        "certificate" => one.clone(),
        "flat" => one.replace('\n', " "),
        "key" => its_key.clone(),
        "other" => other.clone(),
        other => other.to_owned(),
    };
    let user = json!({"client-certificate": "ann.crt", "client-key": "ann.key"});
    let config = Config::new(&nobody(), &user);
    config.write("ann.crt", &text(certificate));
    config.write("ann.key", &text(key));
    let error = config.connect().await.err().expect("a refusal");
    assert!(error.message.contains("of user \"u\"") && error.message.contains(why), "{error}");
    let is_quoted = its_key.lines().any(|line| line.len() > 30 && error.message.contains(line));
    assert!(!is_quoted, "{error}");
}

#[tokio::test]
async fn an_authority_without_a_certificate_is_named_with_its_cluster() {
    let cluster = json!({"server": "https://127.0.0.1:9", "certificate-authority": "ca.crt"});
    let config = Config::new(&cluster, &json!({}));
    config.write("ca.crt", &identity().1);
    let error = config.connect().await.err().expect("a refusal");
    let said = "the certificate authority of cluster \"c\"";
    assert!(error.message.contains(said) && error.message.contains("PRIVATE KEY"), "{error}");
}

#[tokio::test]
async fn a_token_file_may_end_in_line_breaks() {
    for (text, is_fine) in [("abc\r\n\n", true), (" abc ", true), ("\n", false), ("a\nb", false)] {
        let config = Config::new(&nobody(), &json!({"tokenFile": "token"}));
        config.write("token", text);
        let connected = config.connect().await;
        assert_eq!(connected.is_ok(), is_fine, "{text:?}");
        if let Ok(connection) = connected {
            let current = connection.credentials.current().await.expect("credentials");
            assert_eq!(current.header.expect("a header"), "Bearer abc");
        }
    }
}

#[tokio::test]
async fn no_credentials_go_to_a_server_without_tls() {
    let user = json!({"token": "abc", "as": "ann"});
    let config = Config::new(&json!({"server": "http://127.0.0.1:9"}), &user);
    let connection = config.connect().await.expect("a connection");
    let current = connection.credentials.current().await.expect("credentials");
    assert!(current.header.is_none());
    assert_eq!(connection.user.as_deref(), Some("ann"));
}

#[test]
fn the_path_of_a_missing_kubeconfig_is_told() {
    let kubeconfig = Some(Path::new("/no/such/config").to_owned());
    let options = ConnectionOptions { kubeconfig, ..ConnectionOptions::default() };
    let error = options.contexts().expect_err("an error");
    assert!(error.message.contains("/no/such/config"), "{error}");
}
