//! What was recorded of CCM's own libraries, beside what they say now: Go programs ask them again. It needs Go.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::Trial;

use crate::{trial, workspace_lines};

const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testbed/go");

/// A program, and the files that come out of it as they go in.
struct GoProgram {
    title: &'static str,
    name: &'static str,
    files: &'static [&'static str],
}

const ALL: &[GoProgram] = &[
    GoProgram {
        title: "the recorded hashes are those of CCM's libraries",
        name: "service-hash",
        files: &[
            "tests/ccm-double/tests/data/hashes.jsonl",
            "shared/core/tests/data/hashes.jsonl.gz",
        ],
    },
    GoProgram {
        title: "the recorded events are counted, joined and dropped as client-go does",
        name: "event-correlator",
        files: &["tests/ccm-double/tests/data/events.jsonl"],
    },
];

/// Tests that count as ignored where there is no Go, unless `CI=true`.
pub fn trials() -> Vec<Trial> {
    let has_go = Command::new("go").arg("version").output().is_ok();
    let must_run = env::var_os("CI").is_some_and(|value| value == "true");
    let trial = |program: &'static GoProgram| {
        let trial = trial(program.title, || compare_all(program));
        if has_go || must_run {
            trial
        } else {
            trial.with_kind("needs Go 1.26").with_ignored_flag(true)
        }
    };
    ALL.iter().map(trial).collect()
}

fn compare_all(GoProgram { name, files, .. }: &GoProgram) -> Result<()> {
    let program = build(name)?;
    for file in *files {
        compare(&program, file).with_context(|| (*file).to_owned())?;
    }
    Ok(())
}

/// Where the modules are not at hand this fetches them.
fn build(name: &str) -> Result<PathBuf> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let built = Command::new("go")
        .args(["build", "-mod=readonly", "-buildvcs=false", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(Path::new(PROGRAMS).join(name))
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
        .with_context(|| program.display().to_string())?;
    let mut input = child.stdin.take().context("no standard input")?;
    let text = recorded.join("\n");
    let writer = thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().expect("the writer ends")?;
    ensure!(output.status.success(), "{}: {}", program.display(), output.status);
    let output = String::from_utf8(output.stdout)?;
    let computed: Vec<&str> = output.lines().collect();
    ensure!(computed.len() == recorded.len(), "{} of {} lines", computed.len(), recorded.len());
    for (computed, recorded) in computed.iter().zip(&recorded) {
        ensure!(computed == recorded, "recorded {recorded}\n computed {computed}");
    }
    Ok(())
}
