//! Credentials that a program prints: mode `External`.

use std::{
    env,
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use clbmigrate_clb::{ErrorKind, Options};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    cloud::{CLB, options},
    credentials::{GROUPS, cloud, home, sts_token},
    environment::FakeEnvironment,
};

/// A profile whose keys a shell prints.
fn external(script: &str) -> FakeEnvironment {
    home(&json!([{
        "name": "prod", "mode": "External", "process_command": format!("sh -c '{script}'"),
        "region_id": "cn-example",
    }]))
}

#[tokio::test]
async fn a_program_prints_keys_as_the_cli_expects_them() {
    let cloud = cloud(json!({"stsTokens": [sts_token("STS.p", true)]})).await;
    let environment = external(
        r#"echo "{\"mode\": \"StsToken\", \"access_key_id\": \"STS.p\", \"access_key_secret\": \"s\", \"sts_token\": \"t\"}""#,
    );
    let clb = cloud.connect(environment).await.expect("a client");
    clb.groups(CLB).await.expect("groups");
    assert_eq!(cloud.signers(), [(GROUPS.to_owned(), "STS.p".to_owned())]);
}

#[tokio::test]
async fn a_program_that_fails_is_told_by_its_status_and_not_by_what_it_prints() {
    let cases = [
        ("echo hunter2; echo no agent >&2; exit 3", "failed with exit status: 3"),
        ("echo hunter2", "the credential program sh printed no profile with keys: expected value"),
        ("exec /no/such/program", "failed with exit status: 127"),
    ];
    for (script, why) in cases {
        let error = external(script).connect_with(options("http://127.0.0.1:1")).await;
        let error = error.expect_err("no keys");
        assert_eq!(error.kind, ErrorKind::Credentials);
        assert!(error.message.contains("the credential program sh "), "{error}");
        assert!(error.message.ends_with(why), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_program_that_does_not_end_is_given_up_with_the_operation() {
    let operation_timeout = Duration::from_millis(500);
    let options = Options { operation_timeout, ..options("http://127.0.0.1:1") };
    let began = Instant::now();
    let error = external("exec sleep 60").connect_with(options).await.expect_err("no keys");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(error.message.starts_with("profile \"prod\""), "{error}");
}

#[tokio::test]
async fn a_program_that_is_forbidden_is_not_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("was-run");
    let script = format!("touch {}; exit 1", trace.display());
    let forbidding = external(&script).variable("ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS", "true");
    let error = forbidding.connect_with(options("http://127.0.0.1:1")).await;
    let error = error.expect_err("forbidden");
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(error.message.contains("ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS"), "{error}");
    assert!(!trace.exists());
    external(&script).connect_with(options("http://127.0.0.1:1")).await.expect_err("exit 1");
    assert!(trace.exists(), "without the variable it is run");
}

/// Marks the process that a test starts of its own executable.
const INNER: &str = "CLBMIGRATE_TEST_INNER";

/// The test starts itself once more, for only there standard input and error are its own.
#[tokio::test]
async fn a_program_reads_the_standard_input_and_complains_on_standard_error() {
    const NAME: &str =
        "programs::a_program_reads_the_standard_input_and_complains_on_standard_error";
    if env::var_os(INNER).is_some() {
        let script = r#"echo "code, please" >&2; read code; echo "{\"access_key_id\": \"$code\", \"access_key_secret\": \"s\"}""#;
        let cloud = cloud(json!({})).await;
        let clb = cloud.connect(external(script)).await.expect("a client");
        clb.groups(CLB).await.expect_err("a key that nobody knows");
        assert_eq!(cloud.signers()[0].1, "LTAIfrom-stdin");
        return;
    }
    let mut inner = Command::new(env::current_exe().expect("this executable"))
        .args(["--exact", NAME, "--nocapture"])
        .env(INNER, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the same executable");
    let mut input = inner.stdin.take().expect("an input");
    input.write_all(b"LTAIfrom-stdin\n").expect("a reader");
    drop(input);
    let output = inner.wait_with_output().expect("an end");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}{err}");
    assert!(err.contains("code, please"), "{out}{err}");
}
