//! Whatever the user's environment holds, the tests see none of it.

use std::{env, fs, path::Path, process::Command};

use serde_json::json;

use crate::program::{finish, home, isolated, run};

/// Set in the environment of the inner run.
const IS_POISONED: &str = "CLBMIGRATE_TEST_IS_POISONED";
/// The test below.
const NAME: &str = "environment::a_poisoned_environment_changes_nothing";

/// Runs itself once more, in an environment of everything that could reach the program.
#[test]
fn a_poisoned_environment_changes_nothing() {
    if env::var_os(IS_POISONED).is_some() {
        return sees_nothing_of_it();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let aliyun = folder.path().join(".aliyun");
    fs::create_dir(&aliyun).expect("a folder");
    let profile = json!({
        "name": "default",
        "mode": "AK",
        "access_key_id": "poison",
        "access_key_secret": "poison",
        "region_id": "cn-poison",
    });
    let config = json!({"current": "default", "profiles": [profile]});
    fs::write(aliyun.join("config.json"), config.to_string()).expect("a file");
    let kubeconfig = folder.path().join("kubeconfig");
    let cluster = json!({"server": "https://127.0.0.1:1"});
    let context = json!({"cluster": "poison", "namespace": "poison"});
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "poison",
        "clusters": [{"name": "poison", "cluster": cluster}],
        "contexts": [{"name": "poison", "context": context}],
    });
    fs::write(&kubeconfig, config.to_string()).expect("a file");

    let output = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", NAME])
        .env(IS_POISONED, "1")
        .env("HOME", folder.path())
        .env("KUBECONFIG", &kubeconfig)
        .env("ALIBABA_CLOUD_ACCESS_KEY_ID", "poison")
        .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "poison")
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .env("NO_COLOR", "1")
        .env("CLICOLOR_FORCE", "1")
        .env("COLUMNS", "20")
        .output()
        .expect("it runs");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}");
    assert!(out.contains("1 passed"), "{out}");
}

/// Seen from within: the variables that a command gets, and what the program makes of them.
fn sees_nothing_of_it() {
    let variables = finish(&mut isolated(Path::new("env"))).out;
    let mut names: Vec<&str> =
        variables.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "PATH", "TERM"]);
    assert_eq!(fs::read_dir(home()).expect("a folder").count(), 0, "the home folder is empty");

    let ran = run("status");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("no kubeconfig"), "{}", ran.err);
    let ran = run("status -f deploy/examples/canary/");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.lines().any(|line| line.chars().count() > 60), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "{:?}", ran.out);
}
