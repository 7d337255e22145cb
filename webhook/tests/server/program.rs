//! The process by itself: what it says when it cannot start, and how it ends.

use std::{fs, net::TcpListener, path::Path, process::Command};

use anyhow::{Result, ensure};
use clbmigrate_testbed::{NO_HOME, clean_environment, try_wait_for};
use rcgen::{CertificateParams, KeyPair};
use rstest::rstest;
use tempfile::TempDir;

use crate::process::{DEADLINE, WebhookProcess, run_to_exit};

pub const NAME: &str = "web.test";

/// Files for a process that finds no API server.
pub struct Files {
    folder: TempDir,
    pub certificate: String,
}

impl Files {
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut files = Self { folder, certificate: String::new() };
        files.renew()?;
        files.configure("")?;
        let kubeconfig = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "users": [{"name": "a", "user": {}}]}"#;
        fs::write(files.path("kubeconfig"), kubeconfig)?;
        Ok(files)
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn renew(&mut self) -> Result<()> {
        let key = KeyPair::generate()?;
        self.certificate = CertificateParams::new(vec![NAME.to_owned()])?.self_signed(&key)?.pem();
        fs::write(self.path("tls.crt"), &self.certificate)?;
        fs::write(self.path("tls.key"), key.serialize_pem())?;
        Ok(())
    }

    fn configure(&self, text: &str) -> Result<()> {
        Ok(fs::write(self.path("config.yaml"), text)?)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = webhook_command();
        command.args(["--config", &self.path("config.yaml")]);
        command.args(["--kubeconfig", &self.path("kubeconfig")]);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(["--reload-interval", "20ms"]);
        command.args(["--tls-cert-dir", &self.path("")]).args(arguments);
        command
    }
}

/// The program without arguments. Nothing of the user's environment reaches it.
fn webhook_command() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_clbmigrate-webhook")))
}

fn clean(mut command: Command) -> Command {
    clean_environment(&mut command, Path::new(NO_HOME));
    command
}

fn get(files: &Files, process: &WebhookProcess, path: &str) -> Result<(u16, String)> {
    process.get(path, &files.certificate, NAME)
}

#[test]
fn the_flags_that_others_rely_on_are_there() -> Result<()> {
    let output = webhook_command().arg("--help").output()?;
    ensure!(output.status.success());
    let help = String::from_utf8(output.stdout)?;
    for flag in
        ["--config <FILE>", "--kubeconfig <FILE>", "--listen <ADDR>", "--tls-cert-dir <DIR>"]
    {
        ensure!(help.contains(flag), "no {flag} in\n{help}");
    }
    Ok(())
}

#[rstest]
#[case::level(&["--log-level", "loud"], "write error, warn, info, debug or trace")]
#[case::format(&["--log-format", "xml"], "json, text")]
#[case::delay(&["--shutdown-delay", "10"], "write it as 500ms, 10s or 1m")]
#[case::address(&["--listen", "8443"], "invalid socket address")]
#[case::name_without_authority(&["--client-name", "x"], "--client-ca-file <FILE>")]
#[case::names_for_files(&["--tls-name", "x"], "cannot be used with")]
fn a_wrong_flag_is_a_usage_error(#[case] arguments: &[&str], #[case] expected: &str) -> Result<()> {
    let (code, stderr) = run_to_exit(Files::new()?.command(arguments))?;
    ensure!(code == 2 && stderr.contains(expected), "{code}: {stderr}");
    Ok(())
}

#[test]
fn the_self_test_has_flags_of_its_own_and_says_why_it_cannot_ask() -> Result<()> {
    let files = Files::new()?;
    let kubeconfig = files.path("kubeconfig");
    for (arguments, code, expected) in [
        (&["self-test", "--mode", "deny"][..], 2, "[possible values: enforce, warn, audit]"),
        (&["--config", "x", "self-test"], 2, "cannot be used with"),
        (&["self-test", "--timeout", "5"], 2, "write it as 500ms, 10s or 1m"),
        (&["self-test"], 1, "name a kubeconfig with --kubeconfig"),
        (&["self-test", "--kubeconfig", &kubeconfig], 1, "the API server does not answer"),
    ] {
        let mut command = webhook_command();
        command.args(arguments);
        let (found, stderr) = run_to_exit(command)?;
        ensure!(found == code && stderr.contains(expected), "{arguments:?}: {found}: {stderr}");
    }
    Ok(())
}

#[test]
fn a_wrong_configuration_keeps_it_from_starting_and_is_told_with_its_place() -> Result<()> {
    let files = Files::new()?;
    files.configure("inject: {}\npreStopSeconds: 0\n")?;
    let (code, stderr) = run_to_exit(files.command(&[]))?;
    let place = format!("{}:2: preStopSeconds is 0; write 1 to 3600", files.path("config.yaml"));
    ensure!(code == 1 && stderr.contains(&place), "{code}: {stderr}");
    Ok(())
}

#[test]
fn what_is_missing_is_named() -> Result<()> {
    let files = Files::new()?;
    let nowhere = files.path("nowhere");
    for (flag, expected) in [
        ("--config", "nowhere: No such file"),
        ("--kubeconfig", "--kubeconfig: "),
        ("--tls-cert-dir", "nowhere is no folder"),
    ] {
        let mut command = webhook_command();
        for (other, file) in
            [("--config", "config.yaml"), ("--kubeconfig", "kubeconfig"), ("--tls-cert-dir", "")]
        {
            let file = if other == flag { nowhere.clone() } else { files.path(file) };
            command.args([other, &file]);
        }
        let (code, stderr) = run_to_exit(command)?;
        ensure!(code == 1 && stderr.contains(expected), "{flag}: {code}: {stderr}");
    }
    let (code, stderr) = run_to_exit(webhook_command())?;
    ensure!(
        code == 1 && stderr.contains("name a kubeconfig with --kubeconfig"),
        "{code}: {stderr}"
    );
    Ok(())
}

#[test]
fn an_address_that_is_taken_is_told() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let files = Files::new()?;
    let (code, stderr) = run_to_exit(files.command(&["--listen", &address]))?;
    ensure!(
        code == 1 && stderr.contains(&format!("cannot listen on {address}")),
        "{code}: {stderr}"
    );
    let (code, stderr) = run_to_exit(files.command(&["--probe-listen", &address]))?;
    ensure!(code == 1 && stderr.contains("choose another --probe-listen"), "{code}: {stderr}");
    Ok(())
}

#[test]
fn without_an_api_server_it_is_alive_but_not_ready_and_says_why() -> Result<()> {
    let files = Files::new()?;
    let process = WebhookProcess::start(files.command(&[]))?;
    ensure!(process.probe("/healthz")?.0 == 200);
    // The other two conditions hold soon, these never.
    let missing = try_wait_for("readiness without caches", DEADLINE, || {
        let (status, body) = process.probe("/readyz")?;
        ensure!(status == 503, "{body}");
        Ok((body.lines().count() == 3).then_some(body))
    })?;
    ensure!(missing.starts_with("not ready\ncaches: "), "{missing}");
    ensure!(missing.contains("\npublication: clbmigrate-validate-services: "), "{missing}");
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn reviews_have_one_thread_and_everything_else_another() -> Result<()> {
    let files = Files::new()?;
    let process = WebhookProcess::start(files.command(&[]))?;
    // Everything has begun: the certificate was taken and the self call answered.
    try_wait_for("certificate and self call", DEADLINE, || {
        let (_, body) = process.probe("/readyz")?;
        let awaited = ["certificate: ", "self call: "].iter().any(|name| body.contains(name));
        Ok((!awaited).then_some(()))
    })?;
    let mut names = Vec::new();
    for thread in fs::read_dir(format!("/proc/{}/task", process.id()))? {
        names.push(fs::read_to_string(thread?.path().join("comm"))?.trim().to_owned());
    }
    names.sort();
    ensure!(names == ["background", "clbmigrate-webh"], "{names:?}");
    Ok(())
}

#[test]
fn a_changed_configuration_and_a_renewed_certificate_are_taken_while_it_runs() -> Result<()> {
    let mut files = Files::new()?;
    let process = WebhookProcess::start(files.command(&[]))?;
    let reloads =
        |result: &str| process.metric(&format!(r#"config_reloads_total{{result="{result}"}}"#));
    files.configure("preStopSeconds: 40")?;
    try_wait_for("a reload", DEADLINE, || Ok((reloads("taken")? > 0.0).then_some(())))?;
    files.configure("preStopSeconds: 4000")?;
    try_wait_for("a refusal", DEADLINE, || Ok((reloads("refused")? > 0.0).then_some(())))?;
    process.wait_for_log("write 1 to 3600")?;

    let old = files.certificate.clone();
    files.renew()?;
    try_wait_for("the new certificate", DEADLINE, || Ok(get(&files, &process, "/healthz").ok()))?;
    ensure!(process.get("/healthz", &old, NAME).is_err(), "the old one is still shown");
    Ok(())
}

#[test]
fn it_serves_on_after_sigterm_and_ends_in_order() -> Result<()> {
    let files = Files::new()?;
    let mut process = WebhookProcess::start(files.command(&["--shutdown-delay", "1s"]))?;
    process.signal("TERM")?;
    process.wait_for_log("ending")?;
    ensure!(get(&files, &process, "/healthz")?.0 == 200, "the endpoint may still be known");
    let status = process.wait_for_exit()?;
    ensure!(status.code() == Some(0), "{status}: {}", process.log());
    Ok(())
}

#[test]
fn a_second_signal_ends_it_at_once() -> Result<()> {
    let files = Files::new()?;
    let mut process = WebhookProcess::start(files.command(&["--shutdown-delay", "1h"]))?;
    process.signal("TERM")?;
    process.wait_for_log("ending")?;
    ensure!(process.is_running()?);
    process.signal("INT")?;
    let status = process.wait_for_exit()?;
    ensure!(status.code() == Some(1), "{status}");
    process.wait_for_log("ended at once by a second signal, SIGINT")
}

#[test]
fn without_file_descriptors_idle_connections_make_room_for_new_ones() -> Result<()> {
    let files = Files::new()?;
    let arguments = files.command(&[]);
    let mut limited = clean(Command::new("sh"));
    limited.args(["-c", "ulimit -n 40 && exec \"$@\"", "sh"]);
    limited.arg(arguments.get_program()).args(arguments.get_args());
    let process = WebhookProcess::start(limited)?;
    let mut connections = Vec::new();
    let accepted = try_wait_for("the last descriptor to be taken", DEADLINE, || {
        connections.push(std::net::TcpStream::connect(process.address)?);
        Ok(process.log().contains("no connection can be accepted now").then_some(connections.len()))
    })?;
    ensure!(accepted > 10, "{accepted}");
    // The connections are open still; the one that has been idle for longest makes room.
    try_wait_for("an answer", DEADLINE, || Ok(get(&files, &process, "/healthz").ok()))?;
    drop(connections);
    Ok(())
}

#[test]
fn log_lines_are_json_or_text() -> Result<()> {
    let files = Files::new()?;
    let process = WebhookProcess::start(files.command(&[]))?;
    for line in process.log().lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        ensure!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    let mut command = files.command(&["--log-format", "text", "--shutdown-delay", "0s"]);
    command.env("NO_COLOR", "1");
    let mut process = WebhookProcess::start(command)?;
    ensure!(process.log().contains(" INFO "), "{}", process.log());
    process.signal("TERM")?;
    process.wait_for_exit().map(drop)
}
