//! Load for three questions: how fast the webhook answers API servers, whether requests are lost
//! while traffic moves, and whether they go where they should.
//!
//! [`load_generator`] sends the reviews of [`review`] to a webhook, or to the server of [`echo`] to compare
//! with, [`list_server`] stands for the API server of a webhook under load; [`sender`] stands for a CLB and CCM, or asks one, and counts every request. See `README.md`
//! beside this crate for the programs and for `make bench`.
#![forbid(unsafe_code)]

pub mod affinity;
pub mod bench_summary;
pub mod benchmark;
pub mod certificates;
pub mod echo;
mod http1;
pub mod list_server;
pub mod load_generator;
pub mod populate;
pub mod review;
pub mod sender;
pub mod usage;
