//! The server: connections, limits, routes, and a graceful shutdown.

mod body;
mod connection;
mod connection_state;
mod handler;
mod limits;
mod listener;
mod load_shedding;
mod readiness;
mod router;

pub use handler::{Reply, ReviewHandler};
pub use limits::Limits;
pub use listener::{Server, ShutdownPhase};
pub use readiness::Readiness;
