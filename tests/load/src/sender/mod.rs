//! Stands for a CLB and CCM: sends one request a connection to what CCM would have put into the
//! CLB's group, as late as CCM would, and counts every request. Nothing is ever sent again.

mod count;
mod late;
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

pub use count::{Count, Counter, count};
pub use late::late;
pub use request::Loss;
pub use running::Running;
pub use summary::{Line, LostRequest, Progress, Summary, Target};
pub use targets::{Follow, follow};

use self::request::ask;
use self::rotation::Rotation;
use self::summary::Tally;

/// Between two looks at what is due.
const STEP: Duration = Duration::from_millis(1);
/// Between two words about how it goes.
const TELL: Duration = Duration::from_millis(200);
/// Files that a process has open besides its connections.
const OTHER_FILES: u64 = 100;

/// How requests are sent.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Requests a second, at least 1.
    pub rate: u32,
    /// When a request that is not answered counts as lost.
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
    mut tell: impl FnMut(&Line),
) -> Result<Summary> {
    settings.check()?;
    let tally = Arc::new(Mutex::new(Tally::new()?));
    let mut rotation = Rotation::default();
    let mut requests = JoinSet::new();
    let mut clock = tokio::time::interval(STEP);
    let mut told = Instant::now();
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
                    tell(&Line::Targets(now.clone()));
                    rotation.set(now);
                }
                while due(sent, settings.rate) <= start.elapsed() {
                    sent += 1;
                    let request = one(rotation.next(), settings.time_out, start, Arc::clone(&tally));
                    requests.spawn(request);
                }
                if told.elapsed() >= TELL {
                    told = Instant::now();
                    tell(&Line::Progress(progress(&tally)));
                }
            }
        }
    }
    while let Some(ended) = requests.join_next().await {
        ended.context("a request's task")??;
    }
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(tally.summary(start.elapsed()))
}

/// When the next request is due, after so many.
fn due(sent: u64, rate: u32) -> Duration {
    Duration::from_nanos(sent.saturating_mul(1_000_000_000) / u64::from(rate.max(1)))
}

fn progress(tally: &Mutex<Tally>) -> Progress {
    tally.lock().unwrap_or_else(PoisonError::into_inner).progress()
}

async fn one(
    target: Option<SocketAddr>,
    time_out: Duration,
    start: Instant,
    tally: Arc<Mutex<Tally>>,
) -> Result<()> {
    let begin = Instant::now();
    let outcome = match target {
        Some(target) => ask(target, time_out).await?,
        None => Err(Loss::NoTarget),
    };
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    tally.add(begin.duration_since(start), target, begin.elapsed(), outcome);
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
