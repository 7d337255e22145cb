//! What the end-to-end tests share: a user of kubectl and the plugin in a namespace of their own, the
//! doubles of CCM and the CLB, the webhook's release, helm, and terminals.
#![forbid(unsafe_code)]

mod ccm;
mod clb;
mod data_plane;
mod docs_commands;
mod document;
mod helm;
mod release;
mod running;
mod terminal;
mod tools;
mod user;

pub use ccm::CcmDouble;
pub use clb::{CloudApi, READ_ONLY};
pub use data_plane::{DataPlane, Listener};
pub use docs_commands::{DocsBlock, commands, docs_blocks, expect_shown};
pub use document::document;
pub use helm::{Helm, IMAGE, NAMESPACE};
pub use release::Release;
pub use running::RunningCommand;
pub use terminal::Terminal;
pub use tools::Tools;
pub use user::User;
