//! Whole rounds computed by the real CCM, compared with this crate's round.
//!
//! `ROUNDS=FILE` names another file of the same format, .jsonl or .jsonl.gz; a relative path means
//! the workspace root. `CCM_VERSION=v2.11.2` compares with another release. `ROUNDS_VERSION=FILE`
//! then holds what that release does differently from 2.14.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod case;
mod compare;
mod run;

use std::{
    collections::HashMap,
    env,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Context;
use case::{Case, Expected, VersionCase};
use clbmigrate_core::version::{CcmVersion, NamedCcmVersion};
use flate2::read::MultiGzDecoder;

fn main() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = root.join("shared/core/tests/data");
    let named = |variable: &str| env::var_os(variable).map(|file| root.join(file));
    let version = match env::var("CCM_VERSION") {
        Ok(text) => text.parse::<NamedCcmVersion>().context("CCM_VERSION")?.version,
        Err(_) => CcmVersion::NEWEST,
    };
    let rounds = named("ROUNDS").unwrap_or_else(|| data.join("rounds.jsonl.gz"));
    let versions = named("ROUNDS_VERSION");
    let expected = versions.as_deref().map(read_expected).transpose()?.unwrap_or_default();
    compare_all(&rounds, &expected, version)
}

/// Compares every round of a file, and prints the differences and how many are equal.
fn compare_all(
    path: &Path,
    expected: &HashMap<String, Expected>,
    version: CcmVersion,
) -> anyhow::Result<ExitCode> {
    let (mut compared, mut equal, mut skipped) = (0, 0, 0);
    let mut out = io::stdout().lock();
    for (index, line) in lines(path)?.enumerate() {
        let line = line.with_context(|| format!("read {}", path.display()))?;
        if line.trim().is_empty() {
            continue;
        }
        let case = match serde_json::from_str::<Case>(&line) {
            Ok(case) => case,
            Err(error) => {
                compared += 1;
                writeln!(out, "line {}: unreadable: {error}", index + 1)?;
                continue;
            }
        };
        if case.is_skipped() {
            skipped += 1;
            continue;
        }
        compared += 1;
        let wanted = expected.get(&case.name).unwrap_or(&case.expected);
        match run::difference(&case, wanted, version) {
            None => equal += 1,
            Some(found) => writeln!(out, "{}: {found}", case.name)?,
        }
    }
    writeln!(out, "rounds: {compared}, equal: {equal}, skipped: {skipped}")?;
    Ok(if compared > 0 && compared == equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a release does differently from 2.14, by the round's name.
fn read_expected(path: &Path) -> anyhow::Result<HashMap<String, Expected>> {
    let cases = lines(path)?.map(|line| {
        let line = line.with_context(|| format!("read {}", path.display()))?;
        let case: VersionCase =
            serde_json::from_str(&line).with_context(|| format!("read {}", path.display()))?;
        Ok((case.name, case.expected))
    });
    cases.collect()
}

fn lines(path: &Path) -> anyhow::Result<io::Lines<BufReader<Box<dyn Read>>>> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let reader: Box<dyn Read> = match path.extension() {
        Some(extension) if extension == "gz" => Box::new(MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    Ok(BufReader::new(reader).lines())
}
