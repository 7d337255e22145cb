//! Doubles of what only the cloud has: the Cloud Controller Manager (CCM).
//!
//! The double of CCM watches the Services of a real API server and writes to Kubernetes what the real one
//! writes: labels, finalizer, status and events, in its order and by its rules. It does nothing to a cloud.
//! It shares no code with the product, so that a test of one is no test of itself.
#![forbid(unsafe_code)]

mod annotations;
pub mod behaviour;
pub mod classify;
pub mod double;
mod events;
pub mod hash;
pub mod ledger;
mod nodes;
pub mod outcome;
pub mod queue;
mod reconcile;
pub mod server;
pub mod service;
mod triggers;
mod watch;
