//! A double of the CLB: what tests, CCM and SDKs take for the cloud.
//!
//! It answers the SLB API of 2014-05-15 with signatures checked, and what its clients ask for
//! beside it; things go wrong on demand. Its data plane forwards TCP connections by the weights that
//! the API has stored. It shares no code with what it tests.
#![forbid(unsafe_code)]

mod api;
mod calls;
mod cloud;
mod double;
mod faults;
mod limits;
mod metadata;
mod plane;
mod random;
mod request;
mod server;
mod sign;
pub mod state;
mod time;
mod tls;

pub use calls::Call;
pub use double::{Double, Options};
pub use faults::{Do, Fault};
pub use plane::{BackendReport, ListenerReport};
pub use state::State;
