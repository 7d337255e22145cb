//! Stands for a CLB and CCM: sends one request a connection to what CCM would have put into the
//! CLB's group, as late as CCM would, and counts every request. Nothing is ever sent again.

mod delay;
mod fixed_count;
mod request;
mod rotation;
mod running;
mod summary;
mod targets;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, getrlimit};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use delay::delayed;
pub use fixed_count::{FixedCount, FixedCountSender, send_fixed_count};
pub use request::LossReason;
pub use running::RunningSender;
pub use summary::{LostRequest, OutputLine, Progress, Summary, Target};
pub use targets::{ServicePort, watch_targets};

use self::request::request_once;
use self::rotation::Rotation;
use self::summary::RequestCounts;

/// The shortest time between two looks at what is due. At a low rate it is a tenth of the time between two requests.
const STEP: Duration = Duration::from_millis(1);
/// Between two words about how it goes.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);
/// Files that a process has open besides its connections.
const OTHER_FILES: u64 = 100;

/// How requests are sent.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Requests a second, at least 1.
    pub rate: u32,
    /// The time after which a request without an answer counts as lost.
    pub time_out: Duration,
}

impl Settings {
    /// Whether this process may have as many connections as may be open when nothing answers.
    fn check(self) -> Result<()> {
        ensure!(self.rate > 0, "a rate of 0; take at least 1 request a second");
        let most = u64::from(self.rate).saturating_mul(self.time_out.as_secs() + 1) + OTHER_FILES;
        let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        ensure!(
            most <= allowed,
            "{} requests a second with {} s time-out may need {most} open files, and {allowed} are \
             allowed; take a lower rate or raise ulimit -n",
            self.rate,
            self.time_out.as_secs(),
        );
        Ok(())
    }
}

/// Sends requests in turn to the targets that are in force, until `stop`; then waits for what is
/// under way. Without a target every request is lost, as with a CLB without backends. An error
/// means that the client itself could not send, which says nothing about the targets.
pub async fn send(
    settings: Settings,
    mut targets: watch::Receiver<Vec<SocketAddr>>,
    stop: impl Future<Output = ()>,
    mut print_line: impl FnMut(&OutputLine),
) -> Result<Summary> {
    settings.check()?;
    let counts = Arc::new(Mutex::new(RequestCounts::new()?));
    let mut rotation = Rotation::default();
    let mut requests = JoinSet::new();
    let mut clock = tokio::time::interval(STEP.max(due(1, settings.rate) / 10));
    let mut last_progress = Instant::now();
    let start = Instant::now();
    let mut sent = 0;
    targets.mark_changed();

    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = requests.join_next(), if !requests.is_empty() => {
                ended.context("a request's task")??;
            }
            _ = clock.tick() => {
                if targets.has_changed().unwrap_or_default() {
                    let now = targets.borrow_and_update().clone();
                    print_line(&OutputLine::Targets(now.clone()));
                    rotation.set(now);
                }
                while due(sent, settings.rate) <= start.elapsed() {
                    sent += 1;
                    let request = send_one(rotation.next(), settings.time_out, start, Arc::clone(&counts));
                    requests.spawn(request);
                }
                if last_progress.elapsed() >= PROGRESS_INTERVAL {
                    last_progress = Instant::now();
                    print_line(&OutputLine::Progress(progress(&counts)));
                }
            }
        }
    }
    while let Some(ended) = requests.join_next().await {
        ended.context("a request's task")??;
    }
    let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(counts.summary(start.elapsed()))
}

/// When the next request is due, after so many.
fn due(sent: u64, rate: u32) -> Duration {
    Duration::from_nanos(sent.saturating_mul(1_000_000_000) / u64::from(rate.max(1)))
}

fn progress(counts: &Mutex<RequestCounts>) -> Progress {
    counts.lock().unwrap_or_else(PoisonError::into_inner).progress()
}

async fn send_one(
    target: Option<SocketAddr>,
    time_out: Duration,
    start: Instant,
    counts: Arc<Mutex<RequestCounts>>,
) -> Result<()> {
    let begin = Instant::now();
    let outcome = match target {
        Some(target) => request_once(target, time_out).await?,
        None => Err(LossReason::NoTarget),
    };
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    counts.add(begin.duration_since(start), target, begin.elapsed(), outcome);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Settings, due};

    #[test]
    fn requests_are_due_evenly() {
        let at = |sent| due(sent, 400).as_micros();
        assert_eq!([at(0), at(1), at(2), at(400)], [0, 2_500, 5_000, 1_000_000]);
    }

    #[test]
    fn a_rate_that_would_run_out_of_files_is_refused_before_anything_is_sent() {
        let settings = Settings { rate: u32::MAX, time_out: Duration::from_secs(10) };
        let error = settings.check().expect_err("too many").to_string();
        assert!(error.ends_with("take a lower rate or raise ulimit -n"), "{error}");
        assert!(Settings { rate: 10, ..settings }.check().is_ok());
        assert!(Settings { rate: 0, ..settings }.check().is_err());
    }
}
