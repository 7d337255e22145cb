//! What `check` answers.

use std::io::{self, Write};

use clbmigrate_cluster::Problem;
use clbmigrate_core::{
    finding::{Finding, Report},
    snapshot::Snapshot,
};

use super::names::names;
use crate::output::{
    Detail, FindingsReport, Printable, Terminal,
    human::{self, CheckScope},
    json::CheckReport,
};

/// What `check` answers.
pub struct CheckAnswer<'r> {
    document: CheckReport,
    scope: CheckScope,
    findings: FindingsReport<'r>,
    is_namespace_given: bool,
}

impl<'r> CheckAnswer<'r> {
    /// The answer of a report about a snapshot. `problems` is what of the input could not be read, `fails` whether a
    /// finding makes the command fail.
    pub fn new(
        report: &'r Report,
        snapshot: &Snapshot,
        problems: &'r [Problem],
        scope: CheckScope,
        fails: &'r dyn Fn(&Finding) -> bool,
        is_namespace_given: bool,
    ) -> Self {
        let findings = FindingsReport { report, problems, fails };
        Self { document: CheckReport::new(report, snapshot), scope, findings, is_namespace_given }
    }
}

impl Printable for CheckAnswer<'_> {
    type Document = CheckReport;

    fn document(&self) -> &CheckReport {
        &self.document
    }

    fn write_text(
        &self,
        terminal: Terminal,
        detail: Detail,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        human::check(&self.document, self.scope, terminal, detail, out)
    }

    fn names(&self) -> Vec<String> {
        let objects = self.findings.report.findings.iter().map(|finding| &finding.object);
        names(objects, self.is_namespace_given)
    }

    fn findings(&self) -> Option<FindingsReport<'_>> {
        Some(self.findings)
    }
}
