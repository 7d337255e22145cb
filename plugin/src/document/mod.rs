//! Documents: what is printed, whatever the format. Each is made here of what the core computes, and
//! is printed by [`crate::output`].

pub mod change;
pub mod check;
pub mod clb;
mod deregistration;
pub mod half_done;
mod names;
pub mod preview;
mod problems;
mod routes;
#[cfg(test)]
mod screens;
mod shares;
pub mod status;
pub mod transfer;
pub mod webhook;
pub mod written;

use crate::output::{Detail, human::TableOptions};

/// How a command was asked for what it answers.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Whether the command line names the namespace.
    pub is_namespace_given: bool,
    /// Whether clusters were read, not files.
    pub is_live: bool,
}

impl Question {
    /// How tables show the answer.
    fn table(self, detail: Detail, has_contexts: bool) -> TableOptions {
        TableOptions { detail, has_contexts, is_live: self.is_live }
    }
}

pub use problems::is_on_group;
pub use shares::route_name;
