//! The admission webhook: refuses what the Cloud Controller Manager (CCM) would take in silence, and
//! gives workloads the preStop hook without which requests are lost when their pods end.
#![forbid(unsafe_code)]

pub mod admission;
pub mod api_call;
pub mod api_path;
pub mod audit;
pub mod background;
pub mod cache;
pub mod certificates;
pub mod claims;
pub mod cli;
pub mod config;
mod hash;
pub mod log;
pub mod metrics;
mod rights;
pub mod run;
pub mod self_test;
pub mod serve;
pub mod server_clock;
pub mod service_pages;
pub mod setup;
mod start_config;
mod stripped;
pub mod tls;
mod webhook;

pub use webhook::Webhook;
