//! The client of the cloud API: the calls that CCM makes, how they are sent, and what it reads of the answers.

pub mod backend;
mod client;
mod http;
pub mod listener;
pub mod load_balancer;
mod request;
mod signature;

pub use client::{CloudClient, RemoteGroup};
pub use http::{AccessKey, HttpTransport};
pub use request::{ApiError, ApiProduct, ApiRequest, Transport};
