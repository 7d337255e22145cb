//! Whole rounds that the real CCM 2.14 was recorded to make, beside the rounds of the CCM double against the CLB
//! double.
//!
//! `ROUNDS=FILE` names another file of the same format, .jsonl or .jsonl.gz; a relative path means the workspace
//! root.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod case;
#[path = "../support/cloud.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod cloud;
mod cloud_after;
mod cloud_state;
mod compare;
#[path = "../support/fake_kubernetes.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod fake_kubernetes;
mod names;
mod run;
mod texts;
mod watch_events;
mod writes;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;

use case::Case;
use cloud::TestCloud;
use flate2::read::MultiGzDecoder;
use serde_json::json;

/// Prints every difference, then `rounds: N, equal: N`.
#[tokio::test]
async fn every_round_is_as_recorded() {
    let file = std::env::var_os("ROUNDS");
    let file = file.unwrap_or_else(|| "shared/core/tests/data/rounds.jsonl.gz".into());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let cloud = TestCloud::start(&json!([]), &json!([])).await;
    let (mut rounds, mut equal) = (0, 0);
    for (number, line) in lines(&path).enumerate() {
        let line = line.expect("a line");
        let case: Case = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("line {}: {error}", number + 1));
        rounds += 1;
        let differences = run::differences(&case, &cloud).await;
        equal += usize::from(differences.is_empty());
        for difference in differences {
            print(&format!("{}: {difference}", case.name));
        }
    }
    print(&format!("rounds: {rounds}, equal: {equal}"));
    assert!(rounds > 0 && rounds == equal, "rounds: {rounds}, equal: {equal}");
}

/// Prints a line whether or not the test harness captures output.
fn print(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("standard output");
}

fn lines(path: &Path) -> impl Iterator<Item = std::io::Result<String>> {
    let file = File::open(path).unwrap_or_else(|error| panic!("open {}: {error}", path.display()));
    let reader: Box<dyn Read> = match path.extension() {
        Some(extension) if extension == "gz" => Box::new(MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    let lines = BufReader::new(reader).lines();
    lines.filter(|line| line.as_ref().map_or(true, |line| !line.trim().is_empty()))
}
