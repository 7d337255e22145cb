//! `kubectl-clbmigrate`, which kubectl runs as `kubectl clbmigrate`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_clbmigrate::run(std::env::args_os())
}
