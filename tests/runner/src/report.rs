//! What is said at the end, and remembered for the next run.

use std::{collections::BTreeMap, fs, io::Write, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    execute::{Counts, Finished},
    failures::{Failure, failures},
};

/// How many of the slowest suites are listed.
const SLOWEST: usize = 5;

/// The times of a run, and its numbers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Milliseconds by suite.
    suites: BTreeMap<String, u64>,
    #[serde(skip)]
    counts: Counts,
    #[serde(skip)]
    failed: Vec<(String, Vec<Failure>)>,
    #[serde(skip)]
    skipped: Vec<(String, String)>,
}

impl Report {
    /// The report of these results.
    pub fn new(results: &[Finished]) -> Self {
        let mut report = Self::default();
        for finished in results {
            let milliseconds = u64::try_from(finished.duration.as_millis()).unwrap_or(u64::MAX);
            report.suites.insert(finished.name.clone(), milliseconds);
            report.counts.passed += finished.counts.passed;
            report.counts.failed += finished.counts.failed;
            report.counts.skipped += finished.counts.skipped;
            if !finished.is_success {
                report.failed.push((finished.name.clone(), failures(&finished.output)));
            }
            let ignored = finished.output.lines().filter(|line| line.ends_with("... ignored"));
            let ignored = ignored.map(|line| (finished.name.clone(), line.trim().to_owned()));
            report.skipped.extend(ignored);
        }
        report
    }

    /// The report of the last run. Empty where there is none, or where it cannot be read: it only orders
    /// the suites.
    pub fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// How long a suite took. One that is not known counts as the longest.
    pub fn milliseconds(&self, suite: &str) -> u64 {
        self.suites.get(suite).copied().unwrap_or(u64::MAX)
    }

    /// Writes the times for the next run, with those of suites that did not run this time.
    pub fn write(&self, file: &Path, mut last: Self) -> anyhow::Result<()> {
        last.suites.extend(self.suites.clone());
        fs::write(file, serde_json::to_string_pretty(&last)?)?;
        Ok(())
    }

    /// Whether every suite passed.
    pub fn is_success(&self) -> bool {
        self.failed.is_empty()
    }

    /// Prints the slowest suites, what was skipped, which suites and tests failed, and the sum.
    pub fn print(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let mut slowest: Vec<(&String, &u64)> = self.suites.iter().collect();
        slowest.sort_by_key(|(_, milliseconds)| std::cmp::Reverse(**milliseconds));
        writeln!(out, "\nslowest suites:")?;
        for (name, milliseconds) in slowest.into_iter().take(SLOWEST) {
            writeln!(out, "  {:6} s  {name}", milliseconds.div_ceil(1000))?;
        }
        for (name, line) in &self.skipped {
            writeln!(out, "skipped: {name}: {line}")?;
        }
        for (name, failures) in &self.failed {
            writeln!(out, "failed: {name}")?;
            for Failure { test, message } in failures {
                writeln!(out, "  {test}: {message}")?;
            }
        }
        // A suite that was ended, or that broke off, has failed with no test that did.
        let suites = u32::try_from(self.failed.len()).unwrap_or(u32::MAX);
        let counts = Counts { failed: self.counts.failed.max(suites), ..self.counts };
        writeln!(out, "{counts}")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn finished(name: &str, seconds: u64, is_success: bool, counts: Counts) -> Finished {
        let (name, duration) = (name.to_owned(), Duration::from_secs(seconds));
        Finished { name, duration, is_success, output: String::new(), counts }
    }

    fn printed(results: &[Finished]) -> String {
        let mut out = Vec::new();
        Report::new(results).print(&mut out).expect("a report");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn the_slowest_come_first_and_the_sum_last() {
        let counts = Counts { passed: 3, failed: 0, skipped: 1 };
        let text =
            printed(&[finished("a/src", 2, true, counts), finished("b/src", 70, true, counts)]);
        assert_eq!(
            text,
            "\nslowest suites:\n      70 s  b/src\n       2 s  a/src\n6 passed, 0 failed, 2 skipped\n"
        );
    }

    #[test]
    fn a_suite_that_was_ended_counts_as_a_failure() {
        let text = printed(&[finished("a/src", 2, false, Counts::default())]);
        assert!(text.ends_with("failed: a/src\n0 passed, 1 failed\n"), "{text}");
    }

    #[test]
    fn failed_tests_are_named_at_the_end() {
        let counts = Counts { passed: 1, failed: 1, skipped: 0 };
        let mut suite = finished("a/src", 2, false, counts);
        suite.output = "failures:\n\n---- b ----\nno answer\n\nfailures:\n    b\n".to_owned();
        let text = printed(&[suite]);
        assert!(text.ends_with("failed: a/src\n  b: no answer\n1 passed, 1 failed\n"), "{text}");
    }

    #[test]
    fn a_suite_that_is_not_known_yet_runs_first() {
        let known = Report::new(&[finished("a/src", 2, true, Counts::default())]);
        assert!(known.milliseconds("new") > known.milliseconds("a/src"));
    }
}
