//! The server: connections, limits, routes, and an orderly end.

mod answer;
mod body;
mod connection;
mod limits;
mod listener;
mod load;
mod pulse;
mod ready;
mod routes;

pub use answer::{Answer, Reply};
pub use limits::Limits;
pub use listener::{Phase, Server};
pub use ready::Readiness;
