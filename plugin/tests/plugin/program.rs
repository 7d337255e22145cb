//! What the tests share: the program, run in the workspace's root with a plain environment.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The two clusters of the examples, with their group's answer.
pub const TWO_CLUSTERS: &str = "-f a=deploy/examples/two-clusters/a \
    -f b=deploy/examples/two-clusters/b -f deploy/examples/two-clusters/clb";

/// What a run left.
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).expect("JSON on stdout")
    }
}

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

/// The program.
pub fn program() -> PathBuf {
    assert_cmd::cargo::cargo_bin!("kubectl-clbmigrate").to_owned()
}

/// The program with a plain environment: no terminal, no colours, UTF-8.
pub fn command() -> Command {
    let mut command = Command::new(program());
    for name in ["COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "LC_ALL", "LC_CTYPE"] {
        command.env_remove(name);
    }
    for name in ["KUBECONFIG", "KUBERNETES_SERVICE_HOST"] {
        command.env_remove(name);
    }
    // A home folder without kubeconfig.
    command.env("HOME", env!("CARGO_TARGET_TMPDIR"));
    command.env("LANG", "C.UTF-8").env("TERM", "xterm").current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs the program with arguments in one string, split at spaces.
pub fn run(arguments: &str) -> Ran {
    finish(command().args(arguments.split_whitespace()))
}

/// Starts the program with a pipe at each end.
pub fn spawn(arguments: &str) -> Child {
    command()
        .args(arguments.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Runs the program with something on standard input.
pub fn run_with_input(arguments: &str, input: &[u8]) -> Ran {
    let mut child = spawn(arguments);
    // A program that refuses its command line reads nothing.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    ran(&child.wait_with_output().expect("the program ends"))
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Ran {
    ran(&command.output().expect("the program runs"))
}

fn ran(output: &std::process::Output) -> Ran {
    Ran {
        code: output.status.code().expect("an exit code, no signal"),
        out: String::from_utf8(output.stdout.clone()).expect("UTF-8"),
        err: String::from_utf8(output.stderr.clone()).expect("UTF-8"),
    }
}

/// A folder of files, gone at the end of the test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with these files.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            std::fs::write(folder.0.path().join(name), text).expect("a file");
        }
        folder
    }

    /// The path of a file in it; empty for the folder.
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("UTF-8").to_owned()
    }
}

/// A migrated Service with these parts.
pub fn service(namespace: &str, name: &str, labels: &str, weight: &str) -> String {
    format!(
        r#"apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{{labels}}}
  annotations:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id: lb-bp1test
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port: rsp-bp1{name}:80
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: "{weight}"
spec:
  type: LoadBalancer
  selector: {{app: {name}}}
  ports:
  - {{port: 80, targetPort: 8080, nodePort: 30080}}
"#
    )
}
