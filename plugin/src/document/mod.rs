//! Documents: what is printed, whatever the format. Each is made here of what the core computes, and
//! is printed by [`crate::output`].

pub mod change;
pub mod check;
pub mod half_done;
mod names;
pub mod preview;
mod problems;
mod routes;
mod shares;
pub mod status;
pub mod transfer;
pub mod webhook;
pub mod written;

pub use problems::is_on_group;
pub use shares::route_name;
