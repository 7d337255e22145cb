//! Measuring in turn, so that what changes on the machine meanwhile meets all alike.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use clbmigrate_load::affinity::spawn_pinned;
use clbmigrate_load::benchmark::median;
use clbmigrate_load::load_generator::{Expect, Measurement};
use clbmigrate_load::review::{Decision, ReviewSize};
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

/// All that is measured. An answer that refuses is longer, so there is an echo for either.
pub(crate) struct Subjects<'a> {
    pub echo_of_allowed: Subject<'a>,
    pub echo_of_denied: Subject<'a>,
    /// With 10, with 10,000 and with 100,000 Services.
    pub webhooks: [Subject<'a>; 3],
}

/// Reviews of one decision and size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reviews {
    pub decision: Decision,
    pub size: ReviewSize,
}

impl Reviews {
    /// All that are compared with the echo, the first also over the number of Services.
    pub const ALL: [Self; 4] = [
        Self { decision: Decision::Allowed, size: ReviewSize::Small },
        Self { decision: Decision::Denied, size: ReviewSize::Small },
        Self { decision: Decision::Allowed, size: ReviewSize::Usual },
        Self { decision: Decision::Denied, size: ReviewSize::Usual },
    ];

    /// What the keys of their figures end in.
    pub fn suffix(self) -> &'static str {
        match (self.decision, self.size) {
            (Decision::Allowed, ReviewSize::Small) => "",
            (Decision::Denied, ReviewSize::Small) => "_denied",
            (Decision::Allowed, ReviewSize::Usual) => "_8k",
            (Decision::Denied, ReviewSize::Usual) => "_denied_8k",
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match (self.decision, self.size) {
            (Decision::Allowed, ReviewSize::Small) => "allowed, 3.4 kB",
            (Decision::Denied, ReviewSize::Small) => "refused, 3.4 kB",
            (Decision::Allowed, ReviewSize::Usual) => "allowed, 8 kB",
            (Decision::Denied, ReviewSize::Usual) => "refused, 8 kB",
        }
    }
}

/// The three ways in which each subject is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Workload {
    One,
    Saturated,
    Rate(f64),
}

/// One round of the webhook beside the echo.
pub(crate) struct Pair {
    pub echo: Measurement,
    pub webhook: Measurement,
}

/// One of the two.
pub(crate) type Side = fn(&Pair) -> &Measurement;

/// All rounds of the same reviews, by the way they were measured.
pub(crate) struct Comparison {
    pub reviews: Reviews,
    /// On one connection.
    pub one: Vec<Pair>,
    /// On 64.
    pub saturated: Vec<Pair>,
    /// On 64, at a quarter of what the echo can answer.
    pub paced: Vec<Pair>,
    /// That rate.
    pub rate: f64,
}

/// All that was measured.
pub(crate) struct Rounds {
    pub comparisons: Vec<Comparison>,
    /// On 64 connections, by the number of Services.
    pub sizes: Vec<[Measurement; 3]>,
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
    pub fn all(&self, subjects: &Subjects<'_>) -> Result<Rounds> {
        let mut comparisons = Reviews::ALL.map(|reviews| Comparison {
            reviews,
            one: Vec::new(),
            saturated: Vec::new(),
            paced: Vec::new(),
            rate: 0.0,
        });
        let mut sizes = Vec::new();
        for round in 1..=self.rounds {
            write_line(&format!("round {round} of {}: as fast as they answer", self.rounds));
            for Comparison { reviews, one, saturated, .. } in &mut comparisons {
                one.push(self.pair(subjects, *reviews, Workload::One)?);
                saturated.push(self.pair(subjects, *reviews, Workload::Saturated)?);
            }
            let [reviews, ..] = Reviews::ALL;
            let measure = |subject: &_| self.measure(subject, reviews, Workload::Saturated);
            let [few, many, most] = &subjects.webhooks;
            sizes.push([measure(few)?, measure(many)?, measure(most)?]);
        }
        for Comparison { reviews, saturated, rate, .. } in &mut comparisons {
            warn(*reviews, saturated);
            *rate = PART * median(saturated.iter().map(|pair| pair.echo.rps));
        }
        for round in 1..=self.rounds {
            write_line(&format!("round {round} of {}: at a quarter of that", self.rounds));
            for Comparison { reviews, paced, rate, .. } in &mut comparisons {
                paced.push(self.pair(subjects, *reviews, Workload::Rate(*rate))?);
            }
        }
        Ok(Rounds { comparisons: comparisons.into(), sizes })
    }

    fn pair(&self, subjects: &Subjects<'_>, reviews: Reviews, workload: Workload) -> Result<Pair> {
        let echo = match reviews.decision {
            Decision::Allowed => &subjects.echo_of_allowed,
            Decision::Denied => &subjects.echo_of_denied,
        };
        let [webhook, ..] = &subjects.webhooks;
        Ok(Pair {
            echo: self.measure(echo, reviews, workload)?,
            webhook: self.measure(webhook, reviews, workload)?,
        })
    }

    fn measure(
        &self,
        subject: &Subject<'_>,
        reviews: Reviews,
        workload: Workload,
    ) -> Result<Measurement> {
        let mut command = Command::new(self.load);
        command.arg(subject.program.address().to_string());
        command.arg("--tls-cert-dir").arg(self.certificate);
        let expect = match subject.expect {
            Expect::Decision => "verdict",
            Expect::Anything => "anything",
        };
        let decision = match reviews.decision {
            Decision::Allowed => "allowed",
            Decision::Denied => "denied",
        };
        let size = match reviews.size {
            ReviewSize::Small => "3k",
            ReviewSize::Usual => "8k",
        };
        let connections = if workload == Workload::One { 1 } else { CONNECTIONS };
        let flags = [
            ("--connections", connections.to_string()),
            ("--services", subject.services.to_string()),
            ("--review", decision.to_owned()),
            ("--size", size.to_owned()),
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
fn warn(reviews: Reviews, rounds: &[Pair]) {
    let subjects: [(&str, Side); 2] =
        [("echo", |pair| &pair.echo), ("webhook", |pair| &pair.webhook)];
    for (name, of) in subjects {
        let busy = median(rounds.iter().filter_map(|pair| of(pair).server_busy));
        if busy < SATURATED {
            write_line(&format!(
                "warning: {name}, {}, was only {:.0} % busy; something else uses the cores, or the \
                 client is what limits",
                reviews.name(),
                100.0 * busy,
            ));
        }
    }
}
