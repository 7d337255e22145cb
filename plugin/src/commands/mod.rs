//! One file a command.

pub mod attach;
pub mod check;
pub mod complete;
pub mod completion;
pub mod explain;
mod left_out;
pub mod options;
pub mod policies;
pub mod preview;
pub mod set;
pub mod shift;
pub mod status;
pub mod undo;
pub mod version;
pub mod webhook;
