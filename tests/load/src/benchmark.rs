//! What the benchmarks of `cargo bench` share.

use std::process::ExitCode;

use anyhow::Result;
use clbmigrate_testbed::stderr::write_line;

/// The arguments that cargo passes to a benchmark.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Measure; without it this ends at once, as cargo wants of benchmarks that it only tries
    #[arg(long)]
    bench: bool,
    /// Measure only if this benchmark's name contains this
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
}

impl BenchArgs {
    /// Whether cargo asks for the benchmark of this name.
    pub fn takes(&self, name: &str) -> bool {
        self.bench && self.filter.as_deref().is_none_or(|filter| name.contains(filter))
    }
}

/// The exit code of a benchmark. An error is written to stderr.
pub fn exit_code(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            write_line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The median of values: the one in the middle, or the mean of the two in the middle. 0 if there are
/// no values.
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
