//! Load for two questions: how fast the webhook answers API servers, and whether requests are lost
//! while traffic moves.
//!
//! [`drive`] sends the reviews of [`review`] to a webhook, or to the server of [`echo`] to compare
//! with; [`sender`] stands for a CLB and CCM and counts every request. See `README.md` beside this
//! crate for the programs and for `make bench`.
#![forbid(unsafe_code)]

pub mod benchmark;
pub mod certificates;
pub mod core;
pub mod drive;
pub mod echo;
mod http1;
pub mod populate;
pub mod review;
pub mod sender;
pub mod summary;
pub mod usage;
