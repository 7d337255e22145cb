//! A double of the CLB: what tests, CCM and SDKs take for the shared.
//!
//! It answers the SLB API of 2014-05-15 with signatures checked, and what its clients ask for
//! beside it; things go wrong on demand. Its data plane forwards TCP connections by the weights that
//! the API has stored. It shares no code with what it tests.
#![forbid(unsafe_code)]

mod api;
mod auth;
mod call_log;
mod data_plane;
mod double;
mod faults;
mod http_server;
mod limits;
mod metadata;
mod random;
mod request;
mod shared;
pub mod state;
mod time;
mod tls;

pub use call_log::LoggedCall;
pub use data_plane::{BackendReport, ListenerReport};
pub use double::{ClbDouble, Options};
pub use faults::{Fault, FaultEffect};
pub use state::State;
