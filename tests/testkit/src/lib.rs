//! What tests on the testbed share, so that it exists once: commands and what they have written,
//! kubectl, doubles that run as processes, and manifests.
#![forbid(unsafe_code)]

mod command;
mod http_process;
mod kubectl;
pub mod manifests;
mod prepared;

pub use command::{CommandOutput, run};
pub use http_process::HttpProcess;
pub use kubectl::Kubectl;
pub use prepared::Prepared;
