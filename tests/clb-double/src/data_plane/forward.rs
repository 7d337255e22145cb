//! Carrying bytes between a client and its backend.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::state::BackendKey;

use super::listener::{ChosenBackend, ListenerForwarder};

/// A backend that has not accepted by then does not: a client would send its first packet three
/// times in this while.
const CONNECT: Duration = Duration::from_secs(5);

/// How long to wait when the machine has no file descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// Takes connections for as long as it is polled.
pub(super) async fn accept(listener: TcpListener, forwarder: Arc<ListenerForwarder>) -> Infallible {
    loop {
        match listener.accept().await {
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            Ok((client, peer)) => match forwarder.choose(peer.ip()) {
                // Nobody is there: what a client gets from an empty group.
                None => reset(&client),
                Some(chosen) => {
                    tokio::spawn(forward(client, chosen, Arc::clone(&forwarder)));
                }
            },
        }
    }
}

/// Counts a connection as closed, however it ends.
struct Open {
    forwarder: Arc<ListenerForwarder>,
    backend: BackendKey,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.forwarder.connections(&self.backend, |connections| {
            connections.open = connections.open.saturating_sub(1);
        });
    }
}

async fn forward(mut client: TcpStream, chosen: ChosenBackend, forwarder: Arc<ListenerForwarder>) {
    let ChosenBackend { key, address, mut cut } = chosen;
    let open = Open { forwarder, backend: key };
    let connected = async {
        let address = address?;
        tokio::time::timeout(CONNECT, TcpStream::connect(address)).await.ok()?.ok()
    };
    let connected = tokio::select! {
        connected = connected => connected,
        () = until_cut(&mut cut) => None,
    };
    let Some(mut backend) = connected else {
        open.forwarder.connections(&open.backend, |connections| connections.failed += 1);
        reset(&client);
        return;
    };
    // Without it a proxy would be slower than the packets that it stands for.
    let _ = (client.set_nodelay(true), backend.set_nodelay(true));
    let ended_well = tokio::select! {
        carried = copy_bidirectional(&mut client, &mut backend) => carried.is_ok(),
        () = until_cut(&mut cut) => {
            open.forwarder.connections(&open.backend, |connections| connections.cut_count += 1);
            false
        }
    };
    if !ended_well {
        reset(&client);
        reset(&backend);
    }
}

async fn until_cut(cut: &mut watch::Receiver<()>) {
    // The sender lives in the forwarder, which this connection keeps alive.
    let _ = cut.changed().await;
}

/// Closing it from now on resets it, as a load balancer does: it has no half-open end.
fn reset(stream: &TcpStream) {
    // A connection that cannot be told so is gone already.
    let _ = stream.set_zero_linger();
}
