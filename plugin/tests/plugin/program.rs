//! The program, run in the workspace's root with an environment of its own.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The two clusters of the examples, with their group's answer.
pub const TWO_CLUSTERS: &str = "-f a=deploy/examples/two-clusters/a \
    -f b=deploy/examples/two-clusters/b -f deploy/examples/two-clusters/clb";

/// What a run left.
pub struct Output {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Output {
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

/// The program with an environment of its own: no terminal, no colours, UTF-8.
pub fn command() -> Command {
    let mut command = isolated(&program());
    command.current_dir(root());
    command
}

/// A command to which nothing of the user's environment gets but `PATH`: no keys of a cloud, no
/// kubeconfig, no proxy, and a home folder without any file.
pub fn isolated(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home()).env("LANG", "C.UTF-8").env("TERM", "xterm");
    command.env("PATH", std::env::var_os("PATH").expect("PATH")).stdin(Stdio::null());
    command
}

/// The home folder of [`isolated`] commands, which stays empty.
pub fn home() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("home");
    std::fs::create_dir_all(&home).expect("a folder");
    home
}

/// Runs the program with arguments in one string, split at spaces.
pub fn run(arguments: &str) -> Output {
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
pub fn run_with_input(arguments: &str, input: &[u8]) -> Output {
    let mut child = spawn(arguments);
    // A program that refuses its command line reads nothing.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    ran(&child.wait_with_output().expect("the program ends"))
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Output {
    ran(&command.output().expect("the program runs"))
}

fn ran(output: &std::process::Output) -> Output {
    Output {
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
