//! The server over real sockets with real TLS, certificates from files, and the program by itself.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and tell what it measured"
)]

mod addresses;
mod certificates;
mod client;
mod client_certificates;
mod connections;
mod crowded;
mod hostile;
mod load_shedding;
#[path = "../support/process.rs"]
mod process;
mod program;
mod requests;
mod self_check;
mod shutdown;
mod slow_bodies;
mod startup;
mod test_server;
