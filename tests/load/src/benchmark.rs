//! What benchmarks that `cargo bench` runs have in common.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Result;

/// What cargo tells a benchmark.
#[derive(Debug, clap::Args)]
pub struct Choice {
    /// Measure; without it this ends at once, as cargo wants of benchmarks that it only tries
    #[arg(long)]
    bench: bool,
    /// Measure only if this benchmark's name contains this
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
}

impl Choice {
    /// Whether the benchmark of that name is to be run.
    pub fn takes(&self, name: &str) -> bool {
        self.bench && self.filter.as_deref().is_none_or(|filter| name.contains(filter))
    }
}

/// How a benchmark ends: with what went wrong, if something did.
pub fn end(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A line on stderr. Nobody may be there to read it any more, which must not matter.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The middle one, or the mean of the two in the middle; 0 of none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values = values.collect::<Vec<_>>();
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    if values.len() % 2 == 1 {
        at(half)
    } else {
        f64::midpoint(at(half.saturating_sub(1)), at(half))
    }
}
