//! Counts of requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::request::LossReason;

/// How many losses a summary lists one by one.
const LOSSES: usize = 100;
/// The longest latency that is recorded as it is, in µs.
const LONGEST: u64 = 60_000_000;

/// A line that the program writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutputLine {
    /// These targets are in force from now on.
    Targets(Vec<SocketAddr>),
    /// How many requests there were so far.
    Progress(Progress),
    /// The last line.
    Summary(Box<Summary>),
}

/// Requests so far; those under way are in none of the numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Requests that were answered or lost.
    pub requests: u64,
    /// Requests that were lost.
    pub lost: u64,
}

/// The counts of all requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How long the sender ran, in seconds.
    pub seconds: f64,
    /// All requests.
    pub requests: u64,
    /// Those without a complete answer of status 200.
    pub lost: u64,
    /// Lost ones by reason, such as `refused`, `timedOut`, `status 503`.
    pub reasons: BTreeMap<String, u64>,
    /// Counts by target. Requests without a target are in none of them.
    pub targets: BTreeMap<SocketAddr, Target>,
    /// Answered requests by the body of the answer, which is the name of the Pod.
    pub answered_by: BTreeMap<String, u64>,
    /// The first 100 lost ones.
    pub losses: Vec<LostRequest>,
    /// When the first and the last lost one were sent, in milliseconds since the sender began; `None` if
    /// none was lost.
    pub lost_between_ms: Option<(u64, u64)>,
    /// Half of the answers took at most so many milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 answers took at most so many milliseconds.
    pub p99_ms: f64,
}

/// Requests to one target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// All of them.
    pub requests: u64,
    /// The lost ones.
    pub lost: u64,
}

/// One lost request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LostRequest {
    /// When it was sent, in milliseconds since the sender began.
    pub at_ms: u64,
    /// The target; `None` if there was none.
    pub target: Option<SocketAddr>,
    /// Why it is lost.
    pub loss: LossReason,
}

impl LossReason {
    /// Its name in [`Summary::reasons`].
    pub fn name(&self) -> String {
        match self {
            Self::Refused => "refused".to_owned(),
            Self::Reset => "reset".to_owned(),
            Self::TimedOut => "timedOut".to_owned(),
            Self::Closed => "closed".to_owned(),
            Self::Status(status) => format!("status {status}"),
            Self::NotHttp => "notHttp".to_owned(),
            Self::Unreachable => "unreachable".to_owned(),
            Self::NoTarget => "noTarget".to_owned(),
        }
    }
}

/// Counts.
pub(super) struct RequestCounts {
    progress: Progress,
    reasons: BTreeMap<String, u64>,
    targets: BTreeMap<SocketAddr, Target>,
    answered_by: BTreeMap<String, u64>,
    losses: Vec<LostRequest>,
    lost_between: Option<(Duration, Duration)>,
    /// Of answers, in microseconds.
    latencies: Histogram<u64>,
}

impl RequestCounts {
    pub fn new() -> Result<Self> {
        Ok(Self {
            progress: Progress::default(),
            reasons: BTreeMap::new(),
            targets: BTreeMap::new(),
            answered_by: BTreeMap::new(),
            losses: Vec::new(),
            lost_between: None,
            latencies: Histogram::new_with_max(LONGEST, 3).context("a histogram")?,
        })
    }

    /// A request that was sent `at` and has taken `time`.
    pub fn add(
        &mut self,
        at: Duration,
        target: Option<SocketAddr>,
        time: Duration,
        outcome: Result<String, LossReason>,
    ) {
        let missed = u64::from(outcome.is_err());
        self.progress.requests += 1;
        self.progress.lost += missed;
        if let Some(target) = target {
            let target = self.targets.entry(target).or_default();
            target.requests += 1;
            target.lost += missed;
        }
        match outcome {
            Ok(name) => {
                *self.answered_by.entry(name).or_default() += 1;
                let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
                self.latencies.saturating_record(micros);
            }
            Err(loss) => {
                *self.reasons.entry(loss.name()).or_default() += 1;
                // A request that is lost late may have been sent before one that was lost at once.
                let (first, last) = self.lost_between.unwrap_or((at, at));
                self.lost_between = Some((first.min(at), last.max(at)));
                if self.losses.len() < LOSSES {
                    self.losses.push(LostRequest { at_ms: millis(at), target, loss });
                }
            }
        }
    }

    pub fn progress(&self) -> Progress {
        self.progress
    }

    pub fn summary(&self, time: Duration) -> Summary {
        let latency = |quantile| {
            let micros = self.latencies.value_at_quantile(quantile);
            Duration::from_micros(micros).as_secs_f64() * 1e3
        };
        let lost_between = self.lost_between;
        Summary {
            seconds: time.as_secs_f64(),
            requests: self.progress.requests,
            lost: self.progress.lost,
            reasons: self.reasons.clone(),
            targets: self.targets.clone(),
            answered_by: self.answered_by.clone(),
            losses: self.losses.clone(),
            lost_between_ms: lost_between.map(|(first, last)| (millis(first), millis(last))),
            p50_ms: latency(0.5),
            p99_ms: latency(0.99),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LossReason, LostRequest, OutputLine, RequestCounts, Target};

    #[test]
    fn every_request_is_in_the_summary_with_what_became_of_it() {
        let mut counts = RequestCounts::new().expect("a histogram");
        let target = "10.89.1.11:30080".parse().expect("an address");
        let time = Duration::from_millis(2);
        counts.add(Duration::ZERO, Some(target), time, Ok("web-1".to_owned()));
        counts.add(time, Some(target), time, Err(LossReason::Status(503)));
        counts.add(time, None, Duration::ZERO, Err(LossReason::NoTarget));
        let summary = counts.summary(Duration::from_secs(3));
        assert_eq!((summary.requests, summary.lost), (3, 2));
        assert_eq!(summary.targets[&target], Target { requests: 2, lost: 1 });
        assert_eq!(summary.answered_by["web-1"], 1);
        assert_eq!(summary.reasons.keys().collect::<Vec<_>>(), ["noTarget", "status 503"]);
        let lost = LostRequest { at_ms: 2, target: None, loss: LossReason::NoTarget };
        assert_eq!(summary.losses[1], lost);
        assert_eq!(summary.lost_between_ms, Some((2, 2)));
        assert!((summary.p50_ms - 2.0).abs() < 0.01, "{summary:?}");

        let line = OutputLine::Summary(Box::new(summary));
        let text = serde_json::to_string(&line).expect("JSON");
        assert_eq!(serde_json::from_str::<OutputLine>(&text).expect("a line"), line);
    }

    #[test]
    fn losses_are_between_the_first_and_the_last_lost_one_in_the_order_of_sending() {
        let mut counts = RequestCounts::new().expect("a histogram");
        let millis = Duration::from_millis;
        counts.add(millis(10), None, Duration::ZERO, Ok("web-1".to_owned()));
        assert_eq!(counts.summary(millis(20)).lost_between_ms, None);
        for at in [500, 700, 300] {
            counts.add(millis(at), None, Duration::ZERO, Err(LossReason::Reset));
        }
        counts.add(millis(900), None, Duration::ZERO, Ok("web-1".to_owned()));
        assert_eq!(counts.summary(millis(1000)).lost_between_ms, Some((300, 700)));
    }
}
