//! One connection with its reviews, and what all connections share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use super::connection::Connection;
use super::measurement::{CpuUsage, Latencies, Measurement};
use super::{LoadTest, Window};
use crate::review::{Decision, Review};

/// What all connections of a load test share.
pub(super) struct SharedState {
    load_test: LoadTest,
    /// Told in uids, so that they differ from those of an earlier run.
    run: u32,
    next: AtomicU64,
    latencies: Mutex<Latencies>,
}

impl SharedState {
    pub fn new(load_test: LoadTest) -> Result<Self> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self {
            load_test,
            run: u32::try_from(seconds & 0xffff_ffff).unwrap_or_default(),
            next: AtomicU64::new(1),
            latencies: Mutex::new(Latencies::new()?),
        })
    }

    pub fn load_test(&self) -> &LoadTest {
        &self.load_test
    }

    pub fn measured(&self, time: Duration, used: CpuUsage) -> Result<Measurement> {
        let latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.measured(time, used)
    }
}

/// One connection with a review of each decision.
pub(super) struct Worker {
    shared: Arc<SharedState>,
    connection: Connection,
    allowed: Review,
    refused: Review,
}

impl Worker {
    pub async fn open(shared: &Arc<SharedState>) -> Result<Self> {
        let load_test = shared.load_test();
        let host = load_test.server.address.to_string();
        let review = |decision| Review::new(&host, &load_test.path, decision, load_test.size);
        Ok(Self {
            shared: Arc::clone(shared),
            connection: Connection::open(&load_test.server).await?,
            allowed: review(Decision::Allowed)?,
            refused: review(Decision::Denied)?,
        })
    }

    /// Sends the next review and judges the answer. It counts if it should have been sent in the window and, where `within`, was answered there.
    pub async fn send_review(&mut self, due: Instant, window: Window, within: bool) -> Result<()> {
        let SharedState { load_test, run, next, .. } = &*self.shared;
        let id = next.fetch_add(1, Ordering::Relaxed);
        let review = match load_test.reviews.decision(id) {
            Decision::Allowed => &mut self.allowed,
            Decision::Denied => &mut self.refused,
        };
        review.fill(*run, id, scattered(id, load_test.services))?;
        let sent = Instant::now();
        let answer = self.connection.send(review.request()).await?;
        let answered = Instant::now();
        load_test.expect.judge(review, answer)?;
        let counts = if within { answered <= window.end } else { due < window.end };
        if due >= window.begin && counts {
            let mut latencies =
                self.shared.latencies.lock().unwrap_or_else(PoisonError::into_inner);
            let of = |time: Instant| time.duration_since(due);
            latencies.add(due.duration_since(window.begin), of(answered), of(sent));
        }
        Ok(())
    }
}

/// A Service for a review, so that all have their turn in no order that a cache could like
/// (Fibonacci hashing).
fn scattered(id: u64, services: u32) -> u32 {
    let hash = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    u32::try_from(hash % u64::from(services)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::scattered;

    #[test]
    fn every_service_has_its_turn_with_either_verdict() {
        for decision in [0, 1] {
            let ids = (0..1_000_u64).map(|id| 2 * id + decision);
            let services = ids.map(|id| scattered(id, 10)).collect::<BTreeSet<_>>();
            assert_eq!(services, (0..10).collect());
        }
    }
}
