//! What the end-to-end tests share: a user with kubectl, the plugin on PATH and a namespace of
//! their own, the doubles of CCM and the CLB, helm, and terminals.
#![forbid(unsafe_code)]

mod ccm;
mod clb;
mod helm;
mod manifests;
mod page;
mod plane;
mod terminal;
mod user;
mod webhook;

pub use ccm::Ccm;
pub use clb::Clb;
pub use helm::{Helm, NAMESPACE};
pub use manifests::{KEYS, nodes, service, slice};
pub use page::{commands, shell, shell_command};
pub use plane::{Entrance, Plane};
pub use terminal::Terminal;
pub use user::{Ran, Tools, User, ran};
pub use webhook::Release;
