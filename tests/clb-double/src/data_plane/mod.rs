//! The data plane: TCP connections to a CLB's address, forwarded by the weights in the state.

mod board;
mod checks;
mod forward;
mod front;
mod lane;
mod report;
mod schedule;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) use board::Board;
pub use report::{BackendReport, ListenerReport};

use crate::cloud::Cloud;
use front::{Front, FrontKey};

/// How many clients may wait to be accepted.
const BACKLOG: u32 = 4096;

/// All listeners, those that have ended too: their counts stay.
#[derive(Debug, Default)]
pub(crate) struct Plane(Mutex<BTreeMap<FrontKey, Place>>);

#[derive(Debug)]
struct Place {
    front: Arc<Front>,
    /// Ends with the listener; nothing while it does not run.
    work: Result<JoinSet<Infallible>, String>,
}

impl Plane {
    /// Follows the state for as long as it is polled.
    pub(crate) async fn run(self: Arc<Self>, cloud: Arc<Cloud>) -> Infallible {
        let mut changes = cloud.changes();
        loop {
            changes.borrow_and_update();
            self.follow(&cloud);
            if changes.changed().await.is_err() {
                // Nothing can change any more.
                std::future::pending::<Infallible>().await;
            }
        }
    }

    /// Opens, closes and drains until all is as the state wants it.
    pub(crate) fn follow(&self, cloud: &Arc<Cloud>) {
        let wanted = cloud.read(FrontKey::wanted);
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, place) in places.iter_mut() {
            if !wanted.contains(key) && place.work.is_ok() {
                place.work = Err("stopped".to_owned());
                place.front.close();
                cloud.health.forget(&key.load_balancer, key.port);
            }
        }
        for key in wanted {
            let place = places.entry(key.clone()).or_insert_with(|| Place {
                front: Arc::new(Front::new(key.clone(), Arc::clone(cloud))),
                work: Err("not started".to_owned()),
            });
            if place.work.is_err() {
                place.work = open(cloud, &place.front)
                    .map_err(|error| format!("cannot listen on {}: {error}", key.address()));
            }
            place.front.follow();
        }
    }

    /// Ends it all, connections too.
    pub(crate) fn close(&self) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for place in places.values_mut() {
            place.work = Err("stopped".to_owned());
            place.front.close();
        }
    }

    /// What was forwarded.
    pub(crate) fn report(&self) -> Vec<ListenerReport> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.values().map(|place| report::of(&place.front, place.work.as_ref().err())).collect()
    }
}

fn open(cloud: &Arc<Cloud>, front: &Arc<Front>) -> io::Result<JoinSet<Infallible>> {
    let listener = listen(front.key.address())?;
    let mut work = JoinSet::new();
    work.spawn(forward::accept(listener, Arc::clone(front)));
    work.spawn(checks::run(Arc::clone(cloud), front.key.clone()));
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
