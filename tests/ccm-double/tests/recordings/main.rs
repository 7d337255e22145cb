//! What the real CCM 2.14 was recorded to do, beside what the two doubles do: cases of its local model and whole
//! rounds call by call. What was recorded of its libraries, beside what these say now.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod cases;
#[path = "../support/cloud.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod cloud;
#[path = "../support/fake_kubernetes.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod fake_kubernetes;
mod go_programs;
mod phases;
mod scenario;
mod traces;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use flate2::read::MultiGzDecoder;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut trials = vec![trial("the cases of the local model", cases::compare_all)];
    trials.extend(go_programs::trials());
    trials.extend(traces::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: &str, run: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || run().map_err(|error| Failed::from(format!("{error:#}"))))
}

/// The lines of a file, .jsonl or .jsonl.gz, at a path from the workspace's root; empty ones are left out.
fn workspace_lines(file: impl AsRef<OsStr>) -> Result<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file.as_ref());
    let open = File::open(&path).with_context(|| format!("open {}", path.display()))?;
    let reader: Box<dyn Read> = match path.extension() {
        Some(extension) if extension == "gz" => Box::new(MultiGzDecoder::new(open)),
        _ => Box::new(open),
    };
    let lines = BufReader::new(reader).lines().collect::<std::io::Result<Vec<_>>>();
    let mut lines = lines.with_context(|| format!("read {}", path.display()))?;
    lines.retain(|line| !line.trim().is_empty());
    Ok(lines)
}
