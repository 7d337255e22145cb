//! `kubectl-clbmigrate`, which kubectl runs as `kubectl clbmigrate`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A large cluster is a million small allocations, made on one thread and given back on another,
/// for which the system's allocator takes a quarter of all the time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    kubectl_clbmigrate::run(std::env::args_os())
}
