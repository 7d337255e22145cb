//! What can be printed in every output format.

use std::io::{self, Write};

use clbmigrate_cluster::Problem;
use clbmigrate_core::finding::{Finding, Report};
use serde::Serialize;

use super::style::Terminal;

/// How much an answer shows to people.
#[derive(Debug, Clone, Copy, Default)]
pub struct Detail {
    /// Whether all columns are shown, and nothing is shortened.
    pub is_wide: bool,
    /// Whether all is listed that could not be looked at.
    pub is_verbose: bool,
}

/// What a command answers, in every format.
pub trait Printable {
    /// What `-o json` and `-o yaml` print.
    type Document: Serialize;

    /// The document.
    fn document(&self) -> &Self::Document;

    /// Writes the answer for people.
    ///
    /// # Errors
    /// Where `out` cannot be written.
    fn write_text(&self, terminal: Terminal, detail: Detail, out: &mut dyn Write)
    -> io::Result<()>;

    /// What `-o name` prints, one name a line.
    fn names(&self) -> Vec<String>;

    /// The findings, for formats that hold nothing else; `None` where the answer is not about
    /// findings.
    fn findings(&self) -> Option<FindingsReport<'_>> {
        None
    }
}

/// The findings of an answer, for SARIF and `JUnit`.
#[derive(Clone, Copy)]
pub struct FindingsReport<'r> {
    /// What the rules found, and what they could not look at.
    pub report: &'r Report,
    /// What of the input could not be read.
    pub problems: &'r [Problem],
    /// Whether a finding fails the run.
    pub fails: &'r dyn Fn(&Finding) -> bool,
}
