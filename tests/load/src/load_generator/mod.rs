//! Sends reviews to a server as fast as it answers, or at a rate, and measures.

mod closed_loop;
mod connection;
mod expect;
mod measurement;
mod open_loop;
mod worker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

pub use connection::{Answer, Connection, Server};
pub use expect::Expect;
pub use measurement::Measurement;

use self::measurement::CpuMeter;
use self::worker::{SharedState, Worker};
use crate::review::{MOST_SERVICES, ReviewKind, ReviewSize};

/// How long a server may take to answer what is under way when the time is over.
const PATIENCE: Duration = Duration::from_secs(30);

/// A load test: what is sent, to which server, and for how long.
#[derive(Debug, Clone)]
pub struct LoadTest {
    /// The server.
    pub server: Server,
    /// The path to post to.
    pub path: String,
    /// Connections at once, at least 1.
    pub connections: usize,
    /// Reviews are about Services with numbers below this, 1 to 100,000.
    pub services: u32,
    /// Which reviews are sent.
    pub reviews: ReviewKind,
    /// How large reviews are.
    pub size: ReviewSize,
    /// What answers must say.
    pub expect: Expect,
    /// How reviews follow each other.
    pub pace: Pace,
    /// Time before anything is measured.
    pub warm_up: Duration,
    /// Time that is measured.
    pub time: Duration,
    /// A process on this machine whose use of cores is measured too.
    pub server_pid: Option<u32>,
}

/// How reviews follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// The next one as soon as the last one of the connection is answered.
    ClosedLoop,
    /// This many a second, whether the server keeps up or not; latency counts from when a review
    /// should have been sent, so that a slow answer does not hide those that wait behind it.
    OpenLoop {
        /// Reviews a second over all connections.
        rate: f64,
    },
}

/// When is measured.
#[derive(Debug, Clone, Copy)]
struct Window {
    begin: Instant,
    end: Instant,
}

/// Runs a load test on the current thread's runtime and returns what it has measured. The first wrong
/// answer ends it with an error, as do numbers out of range and a server that does not answer for 30 s.
pub async fn run(load_test: LoadTest) -> Result<Measurement> {
    ensure!(load_test.connections > 0, "a load test needs at least one connection");
    ensure!(
        (1..=MOST_SERVICES).contains(&load_test.services),
        "{} Services; take 1 to {MOST_SERVICES}",
        load_test.services
    );
    if let Pace::OpenLoop { rate } = load_test.pace {
        ensure!(rate.is_finite() && rate >= 1.0, "a rate of {rate}; take at least 1 a second");
    }
    let shared = Arc::new(SharedState::new(load_test)?);
    let load_test = shared.load_test();
    let mut workers = Vec::new();
    for _ in 0..load_test.connections {
        workers.push(Worker::open(&shared).await?);
    }

    let start = Instant::now();
    let begin = start + load_test.warm_up;
    let window = Window { begin, end: begin + load_test.time };
    let mut tasks = JoinSet::new();
    match load_test.pace {
        Pace::ClosedLoop => closed_loop::spawn(&mut tasks, workers, window),
        Pace::OpenLoop { rate } => open_loop::spawn(&mut tasks, workers, rate, start, window),
    }
    let meter = tokio::spawn(CpuMeter::watch(load_test.server_pid, window));
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            ended.context("a connection's task")??;
        }
        anyhow::Ok(())
    };
    let most = window.end.saturating_duration_since(Instant::now()) + PATIENCE;
    tokio::time::timeout(most, all).await.with_context(|| {
        format!("{} has not answered for {} s", load_test.server.address, PATIENCE.as_secs())
    })??;
    let used = meter.await.context("the meter's task")??;
    shared.measured(load_test.time, used)
}
