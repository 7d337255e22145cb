//! The data plane: TCP connections to a CLB's address, forwarded by the weights in the state.

mod checks;
mod connections;
mod forward;
mod listener;
mod report;
mod schedule;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use report::{BackendReport, ListenerReport};

use crate::shared::SharedState;
use listener::{ListenerForwarder, ListenerKey};

/// How many clients may wait to be accepted.
const BACKLOG: u32 = 4096;

/// All listeners, those that have ended too: their counts stay.
#[derive(Debug, Default)]
pub(crate) struct DataPlane(Mutex<BTreeMap<ListenerKey, RunningListener>>);

#[derive(Debug)]
struct RunningListener {
    forwarder: Arc<ListenerForwarder>,
    /// Ends with the listener; nothing while it does not run.
    work: Result<JoinSet<Infallible>, String>,
}

impl DataPlane {
    /// Follows the state for as long as it is polled.
    pub(crate) async fn run(self: Arc<Self>, shared: Arc<SharedState>) -> Infallible {
        let mut changes = shared.changes();
        loop {
            changes.borrow_and_update();
            self.sync(&shared);
            let next = shared.next_effect();
            let effect = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = effect => {}
                told = changes.changed() => if told.is_err() {
                    // Nothing can change any more.
                    std::future::pending::<Infallible>().await;
                },
            }
        }
    }

    /// Opens, closes and drains until all is as the state wants it.
    pub(crate) fn sync(&self, shared: &Arc<SharedState>) {
        let wanted = shared.in_effect(ListenerKey::wanted);
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, running) in listeners.iter_mut() {
            if !wanted.contains(key) && running.work.is_ok() {
                running.work = Err("stopped".to_owned());
                running.forwarder.close();
                shared.health.forget(&key.load_balancer, key.port);
            }
        }
        for key in wanted {
            let running = listeners.entry(key.clone()).or_insert_with(|| RunningListener {
                forwarder: Arc::new(ListenerForwarder::new(key.clone(), Arc::clone(shared))),
                work: Err("not started".to_owned()),
            });
            if running.work.is_err() {
                running.work = open(shared, &running.forwarder)
                    .map_err(|error| format!("cannot listen on {}: {error}", key.address()));
            }
            running.forwarder.sync();
        }
    }

    /// Ends it all, connections too.
    pub(crate) fn close(&self) {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for running in listeners.values_mut() {
            running.work = Err("stopped".to_owned());
            running.forwarder.close();
        }
    }

    /// What was forwarded.
    pub(crate) fn report(&self) -> Vec<ListenerReport> {
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners
            .values()
            .map(|running| report::listener_report(&running.forwarder, running.work.as_ref().err()))
            .collect()
    }
}

fn open(
    shared: &Arc<SharedState>,
    forwarder: &Arc<ListenerForwarder>,
) -> io::Result<JoinSet<Infallible>> {
    let listener = listen(forwarder.key.address())?;
    let mut work = JoinSet::new();
    work.spawn(forward::accept(listener, Arc::clone(forwarder)));
    work.spawn(checks::run(Arc::clone(shared), forwarder.key.clone()));
    Ok(work)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    // A listener that is stopped and started finds its old connections waiting.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
