//! What the end-to-end tests share: a user with kubectl, the plugin on PATH and a namespace of
//! their own, CCM's double, and terminals.
#![forbid(unsafe_code)]

mod ccm;
mod manifests;
mod terminal;
mod user;

pub use ccm::Ccm;
pub use manifests::{KEYS, nodes, service, slice};
pub use terminal::Terminal;
pub use user::{Ran, Tools, User, ran};
