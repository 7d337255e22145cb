//! One request on one connection.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::http1::Head;

/// More than an answer may have.
const LARGEST: usize = 64 * 1024;

/// Why a request is lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LossReason {
    /// Nobody listens there.
    Refused,
    /// The connection was broken.
    Reset,
    /// No complete answer within the time-out.
    TimedOut,
    /// The connection ended in order before a complete answer.
    Closed,
    /// The answer's status is not 200.
    Status(u16),
    /// What came is no HTTP.
    NotHttp,
    /// No way leads there.
    Unreachable,
    /// There was no target to send to.
    NoTarget,
}

/// Asks once; a loss is no error, but that this machine cannot send is one.
pub(super) async fn request_once(
    target: SocketAddr,
    time_out: Duration,
) -> Result<Result<String, LossReason>> {
    Ok(connect_and_request(target, time_out).await?.map(|(answer, _)| answer))
}

/// Like [`request_once`], but lets the server close the connection first, for at most another time-out. Whoever
/// closes first keeps the port for a minute, and a client has far fewer of them than it may ask in
/// a minute.
pub(super) async fn request_until_closed(
    target: SocketAddr,
    time_out: Duration,
) -> Result<Result<String, LossReason>> {
    let outcome = connect_and_request(target, time_out).await?;
    let Ok((answer, mut stream)) = outcome else { return Ok(outcome.map(|(answer, _)| answer)) };
    // The answer is complete, however the connection ends.
    let _ = tokio::time::timeout(time_out, stream.read(&mut [0])).await;
    Ok(Ok(answer))
}

async fn connect_and_request(
    target: SocketAddr,
    time_out: Duration,
) -> Result<Result<(String, TcpStream), LossReason>> {
    let exchanged = tokio::time::timeout(time_out, async {
        let mut stream = TcpStream::connect(target).await?;
        let outcome = exchange(&mut stream, target).await?;
        Ok(outcome.map(|answer| (answer, stream)))
    });
    match exchanged.await {
        Err(_) => Ok(Err(LossReason::TimedOut)),
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(error)) => loss(error).map(Err).with_context(|| format!("a request to {target}")),
    }
}

async fn exchange(
    stream: &mut TcpStream,
    target: SocketAddr,
) -> io::Result<Result<String, LossReason>> {
    let request = format!("GET / HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut arrived = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut arrived).await? == 0 {
            return Ok(Err(LossReason::Closed));
        }
        let head = match Head::read(&arrived) {
            Err(_) => return Ok(Err(LossReason::NotHttp)),
            Ok(None) if arrived.len() > LARGEST => return Ok(Err(LossReason::NotHttp)),
            Ok(None) => continue,
            Ok(Some(head)) if head.end() > LARGEST => return Ok(Err(LossReason::NotHttp)),
            Ok(Some(head)) => head,
        };
        if let Some(body) = arrived.get(head.body_at..head.end()) {
            let body = String::from_utf8_lossy(body).trim().to_owned();
            return Ok(if head.status == 200 {
                Ok(body)
            } else {
                Err(LossReason::Status(head.status))
            });
        }
    }
}

/// What an error means for a request. What only says that this machine has run out of something
/// stays an error.
fn loss(error: io::Error) -> Result<LossReason> {
    Ok(match error.kind() {
        ErrorKind::ConnectionRefused => LossReason::Refused,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            LossReason::Reset
        }
        ErrorKind::TimedOut => LossReason::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => LossReason::Unreachable,
        // What a router answers that refuses by rule.
        _ if error.raw_os_error() == Some(Errno::ACCESS.raw_os_error()) => LossReason::Unreachable,
        _ => return Err(error).context("this machine cannot send"),
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use rstest::rstest;
    use rustix::io::Errno;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::{LossReason, loss, request_once};

    /// A server that answers one request with these bytes, then closes.
    async fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.expect("a request");
            assert!(request[..read].ends_with(b"Connection: close\r\n\r\n"));
            stream.write_all(answer.as_bytes()).await.expect("a client that reads");
        });
        address
    }

    #[rstest]
    #[case("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nweb", Ok("web"))]
    #[case("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", Err(LossReason::Status(503)))]
    #[case("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nweb", Err(LossReason::Closed))]
    #[case("HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n", Err(LossReason::NotHttp))]
    #[case("", Err(LossReason::Closed))]
    #[case("no\r\n\r\n", Err(LossReason::NotHttp))]
    #[tokio::test]
    async fn only_a_complete_answer_of_200_counts(
        #[case] answer: &'static str,
        #[case] wanted: Result<&str, LossReason>,
    ) {
        let outcome =
            request_once(server(answer).await, Duration::from_secs(60)).await.expect("sent");
        assert_eq!(outcome, wanted.map(str::to_owned));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let outcome = request_once(address, Duration::from_secs(60)).await.expect("sent");
        assert_eq!(outcome, Err(LossReason::Refused));
    }

    #[tokio::test]
    async fn a_server_that_is_silent_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let outcome = request_once(address, Duration::from_millis(20)).await.expect("sent");
        assert_eq!(outcome, Err(LossReason::TimedOut));
    }

    #[rstest]
    #[case(Errno::CONNRESET, Some(LossReason::Reset))]
    #[case(Errno::HOSTUNREACH, Some(LossReason::Unreachable))]
    #[case(Errno::MFILE, None)]
    #[case(Errno::ADDRNOTAVAIL, None)]
    fn what_this_machine_lacks_is_no_loss(
        #[case] errno: Errno,
        #[case] wanted: Option<LossReason>,
    ) {
        assert_eq!(loss(errno.into()).ok(), wanted);
    }
}
