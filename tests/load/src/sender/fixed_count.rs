//! A fixed number of requests to one address, counted by who has answered.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clbmigrate_testbed::{Network, Testbed, programs};
use tokio::task::JoinSet;

use super::request::request_until_closed;
use super::summary::{OutputLine, RequestCounts, Summary};

/// A fixed number of requests to one address.
#[derive(Debug, Clone, Copy)]
pub struct FixedCount {
    /// Where requests go, such as a CLB's listener.
    pub target: SocketAddr,
    /// How many, at least 1.
    pub requests: u64,
    /// How many of them at a time, at least 1.
    pub at_once: usize,
    /// When a request that is not answered counts as lost.
    pub time_out: Duration,
}

/// Sends the requests, each on a connection of its own, and waits for all answers. A lost request is
/// counted and no error. An error means that this machine could not send, which says nothing about the
/// target.
pub async fn send_fixed_count(what: FixedCount) -> Result<Summary> {
    let FixedCount { target, requests, at_once, time_out } = what;
    ensure!(requests > 0 && at_once > 0, "{requests} requests, {at_once} at once; take at least 1");
    let counts = Arc::new(Mutex::new(RequestCounts::new()?));
    let mut workers = JoinSet::new();
    let start = Instant::now();
    for first in (0..requests).take(at_once) {
        let counts = Arc::clone(&counts);
        workers.spawn(async move {
            for _ in (first..requests).step_by(at_once) {
                let begin = Instant::now();
                let outcome = request_until_closed(target, time_out).await?;
                let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                let at = begin.duration_since(start);
                counts.add(at, Some(target), begin.elapsed(), outcome);
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.context("a request's task")??;
    }
    let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(counts.summary(start.elapsed()))
}

/// The program `sender`, as tests use it to send a fixed number of requests.
#[derive(Debug, Clone)]
pub struct FixedCountSender(PathBuf);

impl FixedCountSender {
    /// Builds the program.
    pub fn build() -> Result<Self> {
        Ok(Self(programs::build(&["sender"])?.pop().context("cargo has built no sender")?))
    }

    /// Sends so many requests to an address from outside of all clusters, and counts them.
    pub fn send(&self, testbed: &Testbed, target: SocketAddr, requests: u64) -> Result<Summary> {
        let mut command = testbed.command_in(Network::Internet, &self.0)?;
        command.args(["--target", &target.to_string(), "--requests", &requests.to_string()]);
        let output = command.output().context("the sender")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().last().with_context(|| {
            format!("the sender: {}", String::from_utf8_lossy(&output.stderr).trim())
        })?;
        match serde_json::from_str(line).with_context(|| format!("the sender said {line}"))? {
            OutputLine::Summary(summary) => Ok(*summary),
            other => anyhow::bail!("the sender has ended with {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::{FixedCount, send_fixed_count};

    /// Three requests at a time to a server that answers its first connection with nothing, and
    /// others with whether their number is even.
    async fn counted(requests: u64, time_out: Duration) -> (super::Summary, u64) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = listener.local_addr().expect("its address");
        let server = tokio::spawn(async move {
            let mut connections = 0_u64;
            while let Ok((mut stream, _)) = listener.accept().await {
                connections += 1;
                if connections > 1 {
                    let _ = stream.read(&mut [0; 1024]).await;
                    let body = if connections.is_multiple_of(2) { "even" } else { "odd" };
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}", body.len());
                    let answer = format!("{head}\r\nConnection: close\r\n\r\n{body}");
                    stream.write_all(answer.as_bytes()).await.expect("a client that reads");
                }
                if connections == requests {
                    return connections;
                }
            }
            connections
        });
        let summary = send_fixed_count(FixedCount { target, requests, at_once: 3, time_out }).await;
        (summary.expect("sent"), server.await.expect("a server"))
    }

    #[tokio::test]
    async fn every_request_has_a_connection_of_its_own_and_is_counted_once() {
        let (summary, connections) = counted(40, Duration::from_secs(60)).await;
        assert_eq!((summary.requests, connections), (40, 40));
        assert_eq!((summary.answered_by["even"], summary.answered_by["odd"]), (20, 19));
        assert_eq!(summary.lost, 1, "{:?}", summary.reasons);
    }

    #[tokio::test]
    async fn fewer_requests_than_may_be_sent_at_once_are_not_more() {
        let (summary, connections) = counted(2, Duration::from_secs(60)).await;
        assert_eq!((summary.requests, connections), (2, 2));
    }

    #[tokio::test]
    async fn no_request_is_no_count() {
        let target = "127.0.0.1:9".parse().expect("an address");
        let time_out = Duration::from_secs(1);
        for (requests, at_once) in [(0, 1), (1, 0)] {
            assert!(
                send_fixed_count(FixedCount { target, requests, at_once, time_out }).await.is_err()
            );
        }
    }
}
