//! The admission webhook: refuses what the Cloud Controller Manager (CCM) would take in silence, and
//! gives workloads the preStop hook without which requests are lost when their pods end.
#![forbid(unsafe_code)]

pub mod admission;
mod bare;
pub mod cache;
pub mod claims;
pub mod cli;
pub mod config;
mod hook;
pub mod judge;
pub mod log;
pub mod metrics;
pub mod run;
pub mod serve;
pub mod tls;

pub use hook::Hook;
