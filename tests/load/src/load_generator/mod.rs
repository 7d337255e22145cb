//! Sends reviews to a server as fast as it answers, or at a rate, and measures.

mod closed;
mod connection;
mod measured;
mod open;
mod verdict;
mod worker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

pub use connection::{Answer, Connection, Server};
pub use measured::Measured;
pub use verdict::Expect;

use self::measured::Meter;
use self::worker::{Shared, Worker};
use crate::review::MOST_SERVICES;

/// How long a server may take to answer what is under way when the time is over.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is sent, to whom, and for how long.
#[derive(Debug, Clone)]
pub struct Job {
    /// The server.
    pub server: Server,
    /// The path to post to.
    pub path: String,
    /// Connections at once, at least 1.
    pub connections: usize,
    /// Reviews are about Services with numbers below this, 1 to 100,000.
    pub services: u32,
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
    Closed,
    /// This many a second, whether the server keeps up or not; latency counts from when a review
    /// should have been sent, so that a slow answer does not hide those that wait behind it.
    Open {
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

/// Runs a job on the current thread's runtime. Any answer that is not right is an error.
pub async fn run(job: Job) -> Result<Measured> {
    ensure!(job.connections > 0, "a job needs at least one connection");
    ensure!(
        (1..=MOST_SERVICES).contains(&job.services),
        "{} Services; take 1 to {MOST_SERVICES}",
        job.services
    );
    if let Pace::Open { rate } = job.pace {
        ensure!(rate.is_finite() && rate >= 1.0, "a rate of {rate}; take at least 1 a second");
    }
    let shared = Arc::new(Shared::new(job)?);
    let job = shared.job();
    let mut workers = Vec::new();
    for _ in 0..job.connections {
        workers.push(Worker::open(&shared).await?);
    }

    let start = Instant::now();
    let begin = start + job.warm_up;
    let window = Window { begin, end: begin + job.time };
    let mut tasks = JoinSet::new();
    match job.pace {
        Pace::Closed => closed::spawn(&mut tasks, workers, window),
        Pace::Open { rate } => open::spawn(&mut tasks, workers, rate, start, window),
    }
    let meter = tokio::spawn(Meter::watch(job.server_pid, window));
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            ended.context("a connection's task")??;
        }
        anyhow::Ok(())
    };
    let most = window.end.saturating_duration_since(Instant::now()) + PATIENCE;
    tokio::time::timeout(most, all).await.with_context(|| {
        format!("{} has not answered for {} s", job.server.address, PATIENCE.as_secs())
    })??;
    let used = meter.await.context("the meter's task")??;
    shared.measured(job.time, used)
}
