//! Doubles of what only the cloud has: the Cloud Controller Manager (CCM).
//!
//! The double of CCM watches the Services of an API server, computes what CCM 2.14 would, asks the cloud what
//! it would ask, in its order, and writes to Kubernetes what it would write. The cloud is one over HTTP, or one in
//! this process. It shares no code with the product, so that a test of one is no test of itself.
#![forbid(unsafe_code)]

mod annotations;
pub mod behaviour;
pub mod cloud;
pub mod double;
pub mod events;
pub mod hash;
pub mod ledger;
mod live;
pub mod model;
mod nodes;
mod number;
pub mod outcome;
pub mod queue;
pub mod round;
pub mod server;
pub mod service;
pub mod standalone;
mod triggers;
mod watch;
