//! Serves one connection from its handshake to its end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Limits, ReviewHandler, ShutdownPhase,
    client::Client,
    connection_state::{ConnectionHealth, ConnectionState, TimeoutMonitor},
    monitored_stream::MonitoredStream,
    router::{Endpoints, Router},
};

/// The most bytes that a request's head may have, and that are read at once.
const BUFFER: usize = 16 * 1024;

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
    address: SocketAddr,
    state: Arc<ConnectionState>,
) -> io::Result<()> {
    // An answer is one small packet: to wait for more would only delay it.
    tcp.set_nodelay(true)?;
    let Some(tls) = &context.tls else {
        return converse(&context, tcp, Client::new(address, None), state).await;
    };
    let handshake = timeout(context.limits.handshake, tls.accept(tcp));
    let stream = tokio::select! {
        biased;
        stream = handshake => stream??,
        () = state.wait_for_eviction() => return Ok(()),
    };
    let client = Client::new(address, stream.get_ref().1.peer_certificates());
    converse(&context, stream, client, state).await
}

async fn converse<H: ReviewHandler>(
    context: &ConnectionContext<H>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    client: Client,
    state: Arc<ConnectionState>,
) -> io::Result<()> {
    let service = service_fn(|request: Request<Incoming>| {
        let (state, client) = (&state, &client);
        async move {
            state.set_reading_body();
            let mut response =
                context.router.respond(context.endpoints, client, state, request).await;
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
        // Nobody who asks for reviews or probes looks at it, and it takes a look at the clock each time.
        .auto_date_header(false)
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
        let is_silent = tokio::select! {
            biased;
            ended = conversation.as_mut() => return ended.map_err(io::Error::other),
            now = next_phase(&mut phase, seen) => {
                seen = now;
                state.set_closing();
                if now == ShutdownPhase::Draining {
                    conversation.as_mut().graceful_shutdown();
                }
                false
            }
            // A request may have come since another connection wanted this one's place.
            () = state.wait_for_eviction() => match state.eviction_rank() {
                Some(_) if state.is_idle() => true,
                Some(_) => return Ok(()),
                None => false,
            },
            _ = ticks.tick() => match monitor.check() {
                ConnectionHealth::Ok => false,
                ConnectionHealth::HeaderTimeout => return Err(io::ErrorKind::TimedOut.into()),
                ConnectionHealth::IdleTimeout => true,
            },
        };
        if is_silent {
            // Where this does not end the connection, the next time does.
            if state.is_closing() {
                return Ok(());
            }
            state.set_closing();
            conversation.as_mut().graceful_shutdown();
        }
    }
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
