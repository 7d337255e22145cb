//! Measuring in turn, so that what changes on the machine meanwhile meets all alike.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use clbmigrate_load::affinity::spawn_pinned;
use clbmigrate_load::benchmark::median;
use clbmigrate_load::load_generator::{Expect, Measurement};
use clbmigrate_testbed::stderr::write_line;

use crate::processes::Program;

/// As many as API servers would keep in a storm.
pub(crate) const CONNECTIONS: usize = 64;
/// Part of what the echo can answer at most, at which latency is measured.
const PART: f64 = 0.25;
/// A server that is less busy than this could have answered more.
const SATURATED: f64 = 0.9;

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Its name, for people.
    pub name: &'static str,
    /// Its process.
    pub program: &'a Program,
    /// Services that reviews are about.
    pub services: u32,
    /// What its answers must say.
    pub expect: Expect,
}

/// The three ways in which each subject is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Workload {
    One,
    Saturated,
    Rate(f64),
}

/// One round: all subjects, in their order.
pub(crate) type Round = [Measurement; 3];

/// All rounds by the way they were measured.
pub(crate) struct Rounds {
    /// On one connection.
    pub one: Vec<Round>,
    /// On 64.
    pub saturated: Vec<Round>,
    /// On 64, at a quarter of what the echo can answer.
    pub paced: Vec<Round>,
    /// That rate.
    pub rate: f64,
}

/// Runs the program `load`.
pub(crate) struct Runner<'a> {
    /// The program.
    pub load: &'a Path,
    /// Folder of the servers' certificate.
    pub certificate: &'a Path,
    /// Its core, counted from 0.
    pub core: usize,
    /// How often everything is measured.
    pub rounds: usize,
    /// How long, each time.
    pub seconds: f64,
}

impl Runner<'_> {
    /// Measures everything.
    pub fn all(&self, subjects: &[Subject<'_>; 3]) -> Result<Rounds> {
        let (mut one, mut saturated) = (Vec::new(), Vec::new());
        for round in 1..=self.rounds {
            write_line(&format!("round {round} of {}: as fast as they answer", self.rounds));
            one.push(self.round(subjects, Workload::One)?);
            saturated.push(self.round(subjects, Workload::Saturated)?);
        }
        warn(subjects, &saturated);
        let rate = PART * median(saturated.iter().map(|[echo, ..]| echo.rps));
        let mut paced = Vec::new();
        for round in 1..=self.rounds {
            write_line(&format!("round {round} of {}: at {rate:.0} reviews a second", self.rounds));
            paced.push(self.round(subjects, Workload::Rate(rate))?);
        }
        Ok(Rounds { one, saturated, paced, rate })
    }

    fn round(&self, [a, b, c]: &[Subject<'_>; 3], workload: Workload) -> Result<Round> {
        Ok([self.measure(a, workload)?, self.measure(b, workload)?, self.measure(c, workload)?])
    }

    fn measure(&self, subject: &Subject<'_>, workload: Workload) -> Result<Measurement> {
        let mut command = Command::new(self.load);
        command.arg(subject.program.address().to_string());
        command.arg("--tls-cert-dir").arg(self.certificate);
        let expect = match subject.expect {
            Expect::Decision => "verdict",
            Expect::Anything => "anything",
        };
        let connections = if workload == Workload::One { 1 } else { CONNECTIONS };
        let flags = [
            ("--connections", connections.to_string()),
            ("--services", subject.services.to_string()),
            ("--expect", expect.to_owned()),
            ("--warm-up-seconds", "0.5".to_owned()),
            ("--seconds", self.seconds.to_string()),
            ("--server-pid", subject.program.pid().to_string()),
        ];
        for (flag, value) in flags {
            command.args([flag, &value]);
        }
        if let Workload::Rate(rate) = workload {
            command.args(["--rate", &rate.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let output = spawn_pinned(self.core, &mut command)?.wait_with_output().context("load")?;
        let name = subject.name;
        ensure!(output.status.success(), "load on {name} failed; see its words above");
        serde_json::from_slice(&output.stdout).with_context(|| format!("load on {name}"))
    }
}

/// Ratios are good only where the servers were what limits.
fn warn(subjects: &[Subject<'_>; 3], rounds: &[Round]) {
    for (index, subject) in subjects.iter().enumerate() {
        let busy = |round: &Round| round.get(index).and_then(|measured| measured.server_busy);
        let busy = median(rounds.iter().filter_map(busy));
        if busy < SATURATED {
            write_line(&format!(
                "warning: {} was only {:.0} % busy; something else uses the cores, or the \
                 client is what limits",
                subject.name,
                100.0 * busy,
            ));
        }
    }
}
