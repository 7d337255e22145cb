//! The recorded hashes beside those of CCM's own libraries, which a Go program computes anew. It needs Go.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::Trial;

use crate::{trial, workspace_lines};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testbed/go/service-hash");

/// One test, which counts as ignored where there is no Go, unless `CI=true`.
pub fn trials() -> Vec<Trial> {
    let has_go = Command::new("go").arg("version").output().is_ok();
    let must_run = env::var_os("CI").is_some_and(|value| value == "true");
    let trial = trial("the recorded hashes are those of CCM's libraries", compare_both);
    let trial = if has_go || must_run {
        trial
    } else {
        trial.with_kind("needs Go 1.26").with_ignored_flag(true)
    };
    vec![trial]
}

fn compare_both() -> Result<()> {
    let program = build()?;
    for file in
        ["tests/ccm-double/tests/data/hashes.jsonl", "shared/core/tests/data/hashes.jsonl.gz"]
    {
        compare(&program, file).with_context(|| file.to_owned())?;
    }
    Ok(())
}

/// Where the modules are not at hand this fetches them.
fn build() -> Result<PathBuf> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("service-hash");
    let built = Command::new("go")
        .args(["build", "-mod=readonly", "-buildvcs=false", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(PROGRAM)
        .output()
        .context("go build")?;
    ensure!(built.status.success(), "go build: {}", String::from_utf8_lossy(&built.stderr));
    Ok(program)
}

/// Every line has to come out as it went in.
fn compare(program: &Path, file: &str) -> Result<()> {
    let recorded = workspace_lines(file)?;
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("service-hash")?;
    let mut input = child.stdin.take().context("no standard input")?;
    let text = recorded.join("\n");
    let writer = thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().expect("the writer ends")?;
    ensure!(output.status.success(), "service-hash: {}", output.status);
    let output = String::from_utf8(output.stdout)?;
    let computed: Vec<&str> = output.lines().collect();
    ensure!(computed.len() == recorded.len(), "{} of {} lines", computed.len(), recorded.len());
    for (computed, recorded) in computed.iter().zip(&recorded) {
        ensure!(computed == recorded, "recorded {recorded}\n computed {computed}");
    }
    Ok(())
}
