//! The measurements of a load test.

use std::process;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::Window;
use crate::{benchmark::median, usage};

/// The longest latency that is recorded as it is, in ns.
const LONGEST: u64 = 60_000_000_000;

/// The result of a load test. Times are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The number of answers in the time that is measured.
    pub requests: u64,
    /// Answers a second.
    pub rps: f64,
    /// Half of the answers took at most this long.
    pub p50_us: f64,
    /// 99 of 100 answers took at most this long.
    pub p99_us: f64,
    /// The p99 of the answers in a typical slot of 50 ms: the median over all slots in which at
    /// least 100 were due. A standstill of the machine, of which virtual ones may have several a
    /// second, is in the slots it meets and in no other.
    pub typical_p99_us: Option<f64>,
    /// The longest answer.
    pub max_us: f64,
    /// How late the client itself was with 99 of 100 requests; 0 as fast as the server answers.
    pub late_p99_us: f64,
    /// Part of one core that the client took.
    pub client_busy: f64,
    /// Part of one core that the server took, if its process is known.
    pub server_busy: Option<f64>,
    /// What an answer cost the server on a core, if its process is known.
    pub server_cpu_us: Option<f64>,
}

/// See [`Measurement::typical_p99_us`].
const SLOT: Duration = Duration::from_millis(50);
/// Fewer answers have no p99.
const ENOUGH: usize = 100;

/// Latencies of all connections.
pub(super) struct Latencies {
    answered: Histogram<u64>,
    sent: Histogram<u64>,
    /// Of answers, by when their requests were due.
    slots: Vec<Vec<Duration>>,
}

impl Latencies {
    pub fn new() -> Result<Self> {
        // From 1 µs, with three digits.
        let histogram = || Histogram::new_with_bounds(1_000, LONGEST, 3).context("a histogram");
        Ok(Self { answered: histogram()?, sent: histogram()?, slots: Vec::new() })
    }

    /// An answer and its request, both since the request was due, and when that was since the begin.
    pub fn add(&mut self, due: Duration, answered: Duration, sent: Duration) {
        let slot = usize::try_from(due.as_nanos() / SLOT.as_nanos()).unwrap_or(usize::MAX);
        if slot >= self.slots.len() {
            self.slots.resize_with(slot.saturating_add(1), Vec::new);
        }
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.push(answered);
        }
        for (histogram, time) in [(&mut self.answered, answered), (&mut self.sent, sent)] {
            histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(LONGEST));
        }
    }

    fn typical_p99_us(&self) -> Option<f64> {
        let slots = self.slots.iter().filter(|slot| slot.len() >= ENOUGH);
        let all: Vec<Duration> = slots.filter_map(|slot| p99(slot.clone())).collect();
        let micros = all.iter().map(|p99| p99.as_secs_f64() * 1e6);
        (!all.is_empty()).then(|| median(micros))
    }

    pub fn measured(&self, time: Duration, used: CpuUsage) -> Result<Measurement> {
        let requests = self.answered.len();
        ensure!(requests > 0, "no answer came in {} s", time.as_secs_f64());
        let count = f64::from(u32::try_from(requests).context("too many answers")?);
        let micros = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64() * 1e6;
        let part = |busy: Duration| busy.as_secs_f64() / used.time.as_secs_f64();
        Ok(Measurement {
            requests,
            rps: count / time.as_secs_f64(),
            p50_us: micros(self.answered.value_at_quantile(0.5)),
            p99_us: micros(self.answered.value_at_quantile(0.99)),
            typical_p99_us: self.typical_p99_us(),
            max_us: micros(self.answered.max()),
            late_p99_us: micros(self.sent.value_at_quantile(0.99)),
            client_busy: part(used.client),
            server_busy: used.server.map(part),
            server_cpu_us: used.server.map(|busy| busy.as_secs_f64() * 1e6 / count),
        })
    }
}

fn p99(mut latencies: Vec<Duration>) -> Option<Duration> {
    latencies.sort_unstable();
    latencies.get((latencies.len() * 99).div_ceil(100).checked_sub(1)?).copied()
}

/// What client and server took of cores in a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct CpuUsage {
    time: Duration,
    client: Duration,
    server: Option<Duration>,
}

/// Reads what processes take.
pub(super) struct CpuMeter {
    at: Instant,
    client: Duration,
    server: Option<Duration>,
}

impl CpuMeter {
    fn read(server: Option<u32>) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            client: usage::cpu_time(process::id())?,
            server: server.map(usage::cpu_time).transpose()?,
        })
    }

    /// Tells what was taken in the window.
    pub async fn watch(server: Option<u32>, window: Window) -> Result<CpuUsage> {
        tokio::time::sleep_until(window.begin.into()).await;
        let before = Self::read(server)?;
        tokio::time::sleep_until(window.end.into()).await;
        let after = Self::read(server)?;
        Ok(CpuUsage {
            time: after.at.duration_since(before.at),
            client: after.client.saturating_sub(before.client),
            server: after
                .server
                .zip(before.server)
                .map(|(after, before)| after.saturating_sub(before)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CpuUsage, Latencies};

    #[test]
    fn figures_come_from_every_answer() {
        let mut latencies = Latencies::new().expect("a histogram");
        for micros in 1..=1_000 {
            latencies.add(Duration::ZERO, Duration::from_micros(micros), Duration::ZERO);
        }
        let half = Duration::from_millis(500);
        let used = CpuUsage { time: Duration::from_secs(1), client: half, server: Some(half) };
        let measured = latencies.measured(Duration::from_secs(2), used).expect("answers");
        assert_eq!(measured.requests, 1_000);
        assert!((measured.rps - 500.0).abs() < 1e-9);
        assert!((measured.p50_us - 500.0).abs() < 2.0, "{measured:?}");
        assert!((measured.p99_us - 990.0).abs() < 2.0, "{measured:?}");
        assert!((measured.max_us - 1_000.0).abs() < 2.0, "{measured:?}");
        assert_eq!(measured.server_busy, Some(0.5));
        assert_eq!(measured.server_cpu_us, Some(500.0));
    }

    #[test]
    fn a_standstill_is_in_its_slots_and_in_no_other() {
        let mut latencies = Latencies::new().expect("a histogram");
        for slot in 0..5 {
            for micros in 1..=200_u64 {
                let stood = if slot == 3 { 8_000 } else { 0 };
                let due = Duration::from_millis(50 * slot) + Duration::from_micros(micros);
                latencies.add(due, Duration::from_micros(micros + stood), Duration::ZERO);
            }
        }
        let second = Duration::from_secs(1);
        let used = CpuUsage { time: second, client: second, server: None };
        let measured = latencies.measured(second, used).expect("answers");
        assert!(measured.p99_us > 8_000.0, "{measured:?}");
        assert!(
            measured.typical_p99_us.is_some_and(|us| (us - 198.0).abs() < 1e-6),
            "{measured:?}"
        );
    }

    #[test]
    fn a_job_without_answers_has_no_figures() {
        let used = CpuUsage { time: Duration::from_secs(1), client: Duration::ZERO, server: None };
        let latencies = Latencies::new().expect("a histogram");
        let error = latencies.measured(Duration::from_secs(1), used).expect_err("no answers");
        assert_eq!(error.to_string(), "no answer came in 1 s");
    }
}
