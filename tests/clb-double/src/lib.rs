//! A double of Alibaba Cloud's CLB, which tests, CCM and SDKs call instead of the cloud.
//!
//! It answers the SLB API of 2014-05-15 and the calls of STS, ECS and VPC that its clients make, and
//! checks their signatures. Tests add faults to it. Its data plane forwards TCP connections by the
//! weights that the API has stored. It shares no code with what it tests.
#![forbid(unsafe_code)]

mod api;
mod api_error;
mod auth;
mod behaviour;
mod call_log;
mod data_plane;
mod double;
mod faults;
mod health;
mod http_server;
mod limits;
mod metadata;
mod params;
mod random;
mod request;
mod shared;
pub mod state;
mod time;
mod tls;

pub use behaviour::{Behaviour, SetHealth};
pub use call_log::LoggedCall;
pub use data_plane::{BackendReport, ListenerReport};
pub use double::{ClbDouble, Options};
pub use faults::{Fault, FaultEffect};
pub use health::Health;
pub use state::State;
