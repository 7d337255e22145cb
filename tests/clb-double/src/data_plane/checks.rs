//! Health checks of one listener.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::net::TcpStream;

use crate::cloud::Cloud;
use crate::state::{BackendKey, HealthCheck};

use super::front::FrontKey;

/// Checks all backends again and again, for as long as it is polled.
pub(super) async fn run(cloud: Arc<Cloud>, front: FrontKey) -> Infallible {
    loop {
        let (check, backends) = cloud.read(|state| plan(state, &front));
        if check.enabled {
            let time = cloud.second * check.connect_timeout;
            let round = join_all(
                backends
                    .into_iter()
                    .map(|(key, address)| async move { (key, answers(address, time).await) }),
            );
            let round = round.await;
            cloud.health.observe(&front.load_balancer, front.port, &check, round);
        } else {
            cloud.health.forget(&front.load_balancer, front.port);
        }
        tokio::time::sleep(cloud.second * check.interval).await;
    }
}

fn plan(
    state: &crate::state::State,
    front: &FrontKey,
) -> (HealthCheck, Vec<(BackendKey, Option<SocketAddr>)>) {
    let check = front.listener(state).map(|listener| listener.health_check).unwrap_or_default();
    let backends = front.group(state).map(|group| group.backends.as_slice()).unwrap_or_default();
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

async fn answers(address: Option<SocketAddr>, time: Duration) -> bool {
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
