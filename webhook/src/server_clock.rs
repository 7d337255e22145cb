//! The API server's clock. Certificates are made and judged by it: API servers verify them, and the clock
//! of this machine may be wrong.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::{Method, Request, header};
use jiff::fmt::rfc2822;
use kube::{Client, client::Body};
use prometheus_client::{metrics::gauge::Gauge, registry::Unit};
use tokio::time::sleep;

use crate::metrics::Metrics;

/// How often the clocks are compared.
const INTERVAL: Duration = Duration::from_secs(60);
/// A difference of which the log tells.
const REMARKABLE: u64 = 300;
/// The API server tells whole seconds, and takes a moment to answer: less than this is no difference.
const RESOLUTION: u64 = 2;

/// Why the API server's time is not known.
#[derive(Debug, thiserror::Error)]
pub enum ServerClockError {
    /// The request failed.
    #[error("the API server's time: {0}")]
    Request(#[from] kube::Error),
    /// The answer has no date that can be read.
    #[error("the API server's answer has no date")]
    NoDate,
}

/// By how many seconds the API server's clock is ahead of this machine's.
#[derive(Debug, Default)]
pub struct ServerClock {
    ahead: AtomicI64,
    shown: Gauge,
}

impl ServerClock {
    /// A clock that goes as this machine's until the API server was asked. `metrics` shows the difference.
    pub fn new(metrics: &Metrics) -> Arc<Self> {
        let clock = Self::default();
        let shown = clock.shown.clone();
        metrics.register(|registry| {
            registry.register_with_unit(
                "clock_behind_api_server",
                "How far this machine's clock is behind the API server's; negative if it is ahead",
                Unit::Seconds,
                shown,
            );
        });
        Arc::new(clock)
    }

    /// The API server's time.
    pub fn now(&self) -> SystemTime {
        shifted(SystemTime::now(), self.ahead.load(Relaxed))
    }

    /// Asks the API server for its time.
    ///
    /// # Errors
    /// When it does not tell it; then the difference that was known stays.
    pub async fn compare(&self, client: &Client) -> Result<(), ServerClockError> {
        let request = Request::builder().method(Method::GET).uri("/version");
        let request = request.body(Body::empty()).map_err(kube::Error::HttpError)?;
        let response = client.send(request).await?;
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| rfc2822::parse(date).ok());
        let date = date.ok_or(ServerClockError::NoDate)?.timestamp().as_second();
        let ahead = difference(date, SystemTime::now());
        let before = self.ahead.swap(ahead, Relaxed);
        self.shown.set(ahead);
        if ahead.unsigned_abs() >= REMARKABLE && before.unsigned_abs() < REMARKABLE {
            tracing::error!(
                seconds = ahead,
                "this machine's clock is behind the API server's by so much (ahead of it if negative); certificates follow the API server's"
            );
        }
        Ok(())
    }

    /// Compares the clocks for ever.
    pub async fn run(self: Arc<Self>, client: Client) {
        loop {
            sleep(INTERVAL).await;
            if let Err(error) = self.compare(&client).await {
                tracing::debug!(%error, "clocks not compared");
            }
        }
    }
}

/// By how many seconds a server whose clock shows `server`, in seconds since 1970, is ahead.
fn difference(server: i64, own: SystemTime) -> i64 {
    let own = own.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let ahead = server.saturating_sub(i64::try_from(own).unwrap_or(i64::MAX));
    if ahead.unsigned_abs() <= RESOLUTION { 0 } else { ahead }
}

/// A time so many seconds later, or earlier where they are negative.
fn shifted(time: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    let shifted = if seconds < 0 { time.checked_sub(by) } else { time.checked_add(by) };
    shifted.unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_told_in_seconds_and_noise_is_none() {
        let own = UNIX_EPOCH + Duration::from_secs(10_000);
        assert_eq!(difference(10_000, own), 0);
        assert_eq!(difference(10_002, own), 0);
        assert_eq!(difference(13_600, own), 3600);
        assert_eq!(difference(6_400, own), -3600);
        assert_eq!(difference(i64::MIN, own), i64::MIN);
    }

    #[test]
    fn a_clock_follows_the_api_servers() {
        let clock = ServerClock::new(&Metrics::default());
        clock.ahead.store(-3600, Relaxed);
        let behind = SystemTime::now().duration_since(clock.now()).expect("earlier");
        assert!(behind.as_secs().abs_diff(3600) <= 1, "{behind:?}");
        clock.ahead.store(i64::MIN, Relaxed);
        assert!(clock.now() <= SystemTime::now(), "no time is out of range");
    }
}
