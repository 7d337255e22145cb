//! What the end-to-end tests share: a user with kubectl, the plugin on PATH and a namespace of
//! their own, CCM's double, helm, and terminals.
#![forbid(unsafe_code)]

mod ccm;
mod clb;
mod helm;
mod manifests;
mod page;
mod terminal;
mod user;
mod webhook;

pub use ccm::Ccm;
pub use clb::Clb;
pub use helm::{Helm, NAMESPACE};
pub use manifests::{KEYS, nodes, service, slice};
pub use page::{commands, shell, shell_command};
pub use terminal::Terminal;
pub use user::{Ran, Tools, User, ran};
pub use webhook::Release;
