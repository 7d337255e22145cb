//! `bed`: real Kubernetes clusters on this machine, by hand.

use std::process::ExitCode;

fn main() -> ExitCode {
    clbmigrate_testbed::cli::main()
}
