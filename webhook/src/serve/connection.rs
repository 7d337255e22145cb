//! One connection, from its first byte to its last.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Answer, Limits, Phase,
    pulse::{Health, Pulse, Watchdog, Watched},
    routes::{Part, Routes},
};

/// Requests at once on one connection of HTTP/2.
const STREAMS: u32 = 32;

/// Bytes that a request's head may have, and that are read at once.
const BUFFER: usize = 64 * 1024;

/// How often a peer of HTTP/2 is asked whether it is there.
const PING: Duration = Duration::from_secs(30);

/// What all connections of a listener have in common.
pub(super) struct Shared<A> {
    pub routes: Arc<Routes<A>>,
    pub part: Part,
    pub tls: Option<TlsAcceptor>,
    pub limits: Limits,
    pub phase: watch::Receiver<Phase>,
}

/// Serves a connection until its end.
pub(super) async fn serve<A: Answer>(shared: Arc<Shared<A>>, tcp: TcpStream) -> io::Result<()> {
    // An answer is one small packet; nothing follows that it could wait for.
    tcp.set_nodelay(true)?;
    let Some(tls) = &shared.tls else { return http1(&shared, tcp).await };
    let stream = timeout(shared.limits.handshake, tls.accept(tcp)).await??;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        http2(&shared, stream).await
    } else {
        http1(&shared, stream).await
    }
}

async fn http1<A: Answer>(
    shared: &Shared<A>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> io::Result<()> {
    let pulse = Arc::new(Pulse::default());
    let service = service_fn(|request: Request<Incoming>| {
        let pulse = Arc::clone(&pulse);
        async move {
            pulse.busy();
            let mut response = shared.routes.respond(shared.part, request).await;
            if pulse.is_leaving() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            pulse.idle();
            Ok::<Response<Full<Bytes>>, std::convert::Infallible>(response)
        }
    });
    let watched = Watched { stream, pulse: Arc::clone(&pulse) };
    let conversation = http1::Builder::new()
        // It would end silence between requests, too; the watchdog knows the difference.
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(watched), service);
    let mut conversation = std::pin::pin!(conversation);

    let period = (shared.limits.head / 2).max(Duration::from_millis(1));
    let silent = shared.limits.idle.as_nanos() / period.as_nanos();
    let mut dog = Watchdog::new(Arc::clone(&pulse), u32::try_from(silent).unwrap_or(u32::MAX));
    let mut looks = interval(period);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut phase = shared.phase.clone();
    let mut seen = Phase::Serving;
    loop {
        tokio::select! {
            biased;
            ended = conversation.as_mut() => return ended.map_err(io::Error::other),
            now = next(&mut phase, seen) => {
                seen = now;
                pulse.leave();
                if now == Phase::Draining {
                    conversation.as_mut().graceful_shutdown();
                }
            }
            _ = looks.tick() => match dog.look() {
                Health::Good => {}
                Health::SlowHead => return Err(io::ErrorKind::TimedOut.into()),
                // Where even this has no end, the next look ends it.
                Health::Silent if pulse.is_leaving() => return Ok(()),
                Health::Silent => {
                    pulse.leave();
                    conversation.as_mut().graceful_shutdown();
                }
            },
        }
    }
}

async fn http2<A: Answer>(
    shared: &Arc<Shared<A>>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> io::Result<()> {
    let service = {
        let shared = Arc::clone(shared);
        service_fn(move |request: Request<Incoming>| {
            let shared = Arc::clone(&shared);
            async move {
                let response = shared.routes.respond(shared.part, request).await;
                Ok::<_, std::convert::Infallible>(response)
            }
        })
    };
    let conversation = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .max_concurrent_streams(STREAMS)
        .serve_connection(TokioIo::new(stream), service);
    let mut conversation = std::pin::pin!(conversation);
    let mut phase = shared.phase.clone();
    tokio::select! {
        biased;
        ended = conversation.as_mut() => return ended.map_err(io::Error::other),
        _ = next(&mut phase, Phase::Leaving) => conversation.as_mut().graceful_shutdown(),
    }
    conversation.await.map_err(io::Error::other)
}

/// The first phase after that one; never, if whoever knows is gone.
async fn next(phase: &mut watch::Receiver<Phase>, seen: Phase) -> Phase {
    let later = phase.wait_for(|now| *now > seen).await.map(|now| *now);
    match later {
        Ok(now) => now,
        Err(_) => std::future::pending().await,
    }
}
