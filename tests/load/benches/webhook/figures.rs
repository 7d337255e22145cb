//! Medians of one subject, and ratios with their goals.

use clbmigrate_load::benchmark::median;
use clbmigrate_load::load_generator::Measurement;

use crate::rounds::{Comparison, Pair, Reviews, Side};

/// What is aimed at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Told, and no more.
    None,
}

impl Goal {
    /// For people, whether a figure meets it or not.
    pub fn shown(self, figure: f64) -> String {
        let (word, bound, met) = match self {
            Self::AtLeast(bound) => ("at least", bound, figure >= bound),
            Self::AtMost(bound) => ("at most", bound, figure <= bound),
            Self::None => return String::new(),
        };
        format!("{word} {bound:.2}{}", if met { "" } else { "  MISSED" })
    }
}

/// A figure by its key in `summary.json`.
pub(crate) struct Figure {
    pub key: String,
    pub value: f64,
    pub goal: Goal,
}

impl Figure {
    pub fn new(key: impl Into<String>, value: f64, goal: Goal) -> Self {
        Self { key: key.into(), value, goal }
    }
}

type Value = fn(&Measurement) -> f64;

pub(crate) const RPS: Value = |measured| measured.rps;
const P99: Value = |measured| measured.p99_us;
/// Where so little is answered that no slot has a p99, there is but the whole.
const TYPICAL_P99: Value = |measured| measured.typical_p99_us.unwrap_or(measured.p99_us);
const CPU: Value = |measured| measured.server_cpu_us.unwrap_or(f64::NAN);
const BUSY: Value = |measured| measured.server_busy.unwrap_or(f64::NAN);

/// The goals where there are any. The first is that of requests/s on 64 connections.
fn goals(reviews: Reviews) -> [Goal; 3] {
    match reviews.suffix() {
        "" => [Goal::AtLeast(0.57), Goal::AtMost(1.7), Goal::AtMost(1.75)],
        "_denied" => [Goal::None, Goal::None, Goal::AtMost(2.4)],
        _ => [Goal::None; 3],
    }
}

/// The ratios of the webhook to the echo. They are medians of the rounds' own ratios: what slows a whole
/// round down does not change them.
pub(crate) fn ratios(comparison: &Comparison) -> Vec<Figure> {
    let Comparison { reviews, one, saturated, paced, .. } = comparison;
    let ratio = |rounds: &[Pair], value: Value| {
        median(rounds.iter().map(|pair| value(&pair.webhook) / value(&pair.echo)))
    };
    let suffix = reviews.suffix();
    let [rps, p99, cpu] = goals(*reviews);
    let figure = |name: &str, value, goal| Figure::new(format!("{name}{suffix}"), value, goal);
    vec![
        figure("webhook_rps_of_echo_1conn", ratio(one, RPS), Goal::None),
        figure("webhook_rps_of_echo", ratio(saturated, RPS), rps),
        figure("webhook_p99_of_echo", ratio(paced, TYPICAL_P99), p99),
        figure("webhook_p99_of_echo_whole", ratio(paced, P99), Goal::None),
        figure("webhook_cpu_of_echo", ratio(saturated, CPU), cpu),
        // On a virtual machine, which is halted between two requests, requests/s tell of that.
        figure("webhook_cpu_of_echo_1conn", ratio(one, CPU), Goal::None),
    ]
}

/// One subject's medians over all rounds.
pub(crate) struct Medians {
    pub name: &'static str,
    pub rps_1: f64,
    pub p99_us_1: f64,
    pub rps: f64,
    pub cpu_us: f64,
    pub busy: f64,
    pub p50_us_quarter: f64,
    pub p99_us_quarter: f64,
    pub p99_us_quarter_whole: f64,
}

impl Medians {
    pub fn new(name: &'static str, comparison: &Comparison, of: Side) -> Self {
        let Comparison { one, saturated, paced, .. } = comparison;
        let middle =
            |rounds: &[Pair], value: Value| median(rounds.iter().map(|pair| value(of(pair))));
        Self {
            name,
            rps_1: middle(one, RPS),
            p99_us_1: middle(one, P99),
            rps: middle(saturated, RPS),
            cpu_us: middle(saturated, CPU),
            busy: middle(saturated, BUSY),
            p50_us_quarter: middle(paced, |measured| measured.p50_us),
            p99_us_quarter: middle(paced, TYPICAL_P99),
            p99_us_quarter_whole: middle(paced, P99),
        }
    }

    /// For `summary.json`.
    pub fn figures(&self, suffix: &str) -> [(String, f64); 8] {
        [
            ("rps_1", self.rps_1),
            ("p99_us_1", self.p99_us_1),
            ("rps_64", self.rps),
            ("cpu_us", self.cpu_us),
            ("busy", self.busy),
            ("p50_us_quarter", self.p50_us_quarter),
            ("p99_us_quarter", self.p99_us_quarter),
            ("p99_us_quarter_whole", self.p99_us_quarter_whole),
        ]
        .map(|(key, value)| (format!("{}_{key}{suffix}", self.name), value))
    }
}
