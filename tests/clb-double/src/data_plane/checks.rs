//! Health checks of one listener.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::net::TcpStream;

use crate::shared::SharedState;
use crate::state::{BackendKey, HealthCheck};

use super::listener::ListenerKey;

/// Checks all backends again and again, for as long as it is polled.
pub(super) async fn run(shared: Arc<SharedState>, forwarder: ListenerKey) -> Infallible {
    loop {
        let (check, backends) = shared.in_effect(|state| plan(state, &forwarder));
        if check.enabled {
            let time = shared.second * check.connect_timeout;
            let round = join_all(backends.into_iter().map(|(key, address)| async move {
                (key, accepts_connection(address, time).await)
            }));
            let round = round.await;
            shared.health.record(&forwarder.load_balancer, forwarder.port, &check, round);
        } else {
            shared.health.forget(&forwarder.load_balancer, forwarder.port);
        }
        tokio::time::sleep(shared.second * check.interval).await;
    }
}

fn plan(
    state: &crate::state::State,
    forwarder: &ListenerKey,
) -> (HealthCheck, Vec<(BackendKey, Option<SocketAddr>)>) {
    let check = forwarder.listener(state).map(|listener| listener.health_check).unwrap_or_default();
    let backends =
        forwarder.group(state).map(|group| group.backends.as_slice()).unwrap_or_default();
    let backends = backends
        .iter()
        .map(|backend| {
            let address = state.address_of(backend).map(|mut address| {
                address.set_port(check.port.unwrap_or(backend.port));
                address
            });
            (backend.key(), address)
        })
        .collect();
    (check, backends)
}

async fn accepts_connection(address: Option<SocketAddr>, time: Duration) -> bool {
    let Some(address) = address else {
        return false;
    };
    let connected = tokio::time::timeout(time, TcpStream::connect(address)).await;
    let Ok(Ok(stream)) = connected else {
        return false;
    };
    // A reset leaves no port waiting, on neither side.
    let _ = stream.set_zero_linger();
    true
}
