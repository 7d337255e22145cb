//! Serves one connection from its handshake to its end.

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
    Limits, ReviewHandler, ShutdownPhase,
    connection_state::{ConnectionHealth, ConnectionState, MonitoredStream, TimeoutMonitor},
    router::{Endpoints, Router},
};

/// The most requests at once on one connection of HTTP/2.
const STREAMS: u32 = 32;

/// The most bytes that a request's head may have, and that are read at once.
const BUFFER: usize = 64 * 1024;

/// How often the server pings a client of HTTP/2.
const PING: Duration = Duration::from_secs(30);

/// What all connections of a listener share.
pub(super) struct ConnectionContext<H> {
    pub router: Arc<Router<H>>,
    pub endpoints: Endpoints,
    pub tls: Option<TlsAcceptor>,
    pub limits: Limits,
    pub phase: watch::Receiver<ShutdownPhase>,
}

/// Serves a connection until its end.
pub(super) async fn serve<H: ReviewHandler>(
    context: Arc<ConnectionContext<H>>,
    tcp: TcpStream,
) -> io::Result<()> {
    // An answer is one small packet: to wait for more would only delay it.
    tcp.set_nodelay(true)?;
    let Some(tls) = &context.tls else { return http1(&context, tcp).await };
    let stream = timeout(context.limits.handshake, tls.accept(tcp)).await??;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        http2(&context, stream).await
    } else {
        http1(&context, stream).await
    }
}

async fn http1<H: ReviewHandler>(
    context: &ConnectionContext<H>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> io::Result<()> {
    let state = Arc::new(ConnectionState::default());
    let service = service_fn(|request: Request<Incoming>| {
        let state = Arc::clone(&state);
        async move {
            state.set_busy();
            let mut response = context.router.respond(context.endpoints, request).await;
            if state.is_closing() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            state.set_idle();
            Ok::<Response<Full<Bytes>>, std::convert::Infallible>(response)
        }
    });
    let stream = MonitoredStream { stream, state: Arc::clone(&state) };
    let conversation = http1::Builder::new()
        // It would close idle connections, too; the monitor tells them from slow heads.
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut conversation = std::pin::pin!(conversation);

    let period = (context.limits.head / 2).max(Duration::from_millis(1));
    let idle_checks = context.limits.idle.as_nanos() / period.as_nanos();
    let mut monitor =
        TimeoutMonitor::new(Arc::clone(&state), u32::try_from(idle_checks).unwrap_or(u32::MAX));
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut phase = context.phase.clone();
    let mut seen = ShutdownPhase::Serving;
    loop {
        tokio::select! {
            biased;
            ended = conversation.as_mut() => return ended.map_err(io::Error::other),
            now = next_phase(&mut phase, seen) => {
                seen = now;
                state.set_closing();
                if now == ShutdownPhase::Draining {
                    conversation.as_mut().graceful_shutdown();
                }
            }
            _ = ticks.tick() => match monitor.check() {
                ConnectionHealth::Ok => {}
                ConnectionHealth::HeaderTimeout => return Err(io::ErrorKind::TimedOut.into()),
                // Where this does not end the connection, the next check does.
                ConnectionHealth::IdleTimeout if state.is_closing() => return Ok(()),
                ConnectionHealth::IdleTimeout => {
                    state.set_closing();
                    conversation.as_mut().graceful_shutdown();
                }
            },
        }
    }
}

async fn http2<H: ReviewHandler>(
    context: &Arc<ConnectionContext<H>>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> io::Result<()> {
    let service = {
        let context = Arc::clone(context);
        service_fn(move |request: Request<Incoming>| {
            let context = Arc::clone(&context);
            async move {
                let response = context.router.respond(context.endpoints, request).await;
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
    let mut phase = context.phase.clone();
    tokio::select! {
        biased;
        ended = conversation.as_mut() => return ended.map_err(io::Error::other),
        _ = next_phase(&mut phase, ShutdownPhase::Closing) => conversation.as_mut().graceful_shutdown(),
    }
    conversation.await.map_err(io::Error::other)
}

/// Waits for a phase later than `seen`; for ever, if the sender of phases is gone.
async fn next_phase(
    phase: &mut watch::Receiver<ShutdownPhase>,
    seen: ShutdownPhase,
) -> ShutdownPhase {
    let later = phase.wait_for(|now| *now > seen).await.map(|now| *now);
    match later {
        Ok(now) => now,
        Err(_) => std::future::pending().await,
    }
}
