//! Clusters that run: what they say of their routes, and guarded writes to their Services.

mod behind;
mod changes;
mod connect;
mod error;
mod gather;
mod marks;
mod page;
mod pods;
mod request;
mod service;
mod webhook;

pub use connect::{Access, Connection, REQUEST_TIMEOUT};
pub use error::{Error, ErrorKind};
pub use gather::{Gathered, gather, namespaces, services};
pub use service::{FIELD_MANAGER, Manager, Present, WriteError, Written, new_change};
pub use webhook::{HOOKS, Hook, HookState, Probe, Webhook};
