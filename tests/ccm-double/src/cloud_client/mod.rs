//! The cloud as CCM talks to it: calls of the cloud API, who answers them, and what the answers say.

pub mod backend;
pub mod balancer;
mod call;
mod clb;
mod http;
pub mod listener;
pub mod memory;
mod sign;

pub use call::{Api, Call, Product, Refusal};
pub use clb::{Clb, RemoteGroup};
pub use http::{AccessKey, Http};
