//! The server: connections, limits, routes, and a graceful shutdown.

mod bind;
mod body;
mod body_memory;
mod client;
mod connection;
mod connection_state;
mod connections;
mod handler;
mod limits;
mod listener;
mod load_shedding;
mod monitored_stream;
mod readiness;
mod router;
mod shutdown;

pub use bind::bind;
pub use handler::{Reply, ReviewHandler};
pub use limits::Limits;
pub use listener::Server;
pub use readiness::Readiness;
pub use shutdown::ShutdownPhase;
