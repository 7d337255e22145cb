//! The cloud as CCM talks to it: calls of the cloud API, who answers them, and what the answers say.

pub mod backend;
mod client;
mod http;
pub mod listener;
pub mod load_balancer;
pub mod memory;
mod request;
mod signature;

pub use client::{CloudClient, RemoteGroup};
pub use http::{AccessKey, HttpTransport};
pub use request::{ApiError, ApiProduct, ApiRequest, Transport};
