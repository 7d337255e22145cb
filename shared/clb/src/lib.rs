//! The API of Alibaba Cloud's Classic Load Balancer (2014-05-15): which backends a CLB has, at
//! which weights, and how healthy; and the one thing that is written, weights.
//!
//! Credentials are found as the `aliyun` command line finds them. Calls are signed with
//! ACS3-HMAC-SHA256, repeated while the API throttles, and never repeated blindly where they write.

mod client;
mod credentials;
mod encode;
mod endpoint;
mod environment;
mod error;
mod net;
mod options;
mod provider;
mod rpc;
mod sign;
#[cfg(test)]
mod testing;

pub use client::{
    Account, BackendKey, ClbClient, Listener, MAX_BACKENDS_PER_CALL, SetWeightsError, Weight,
    WeightChange, WeightError,
};
pub use environment::{Environment, SystemEnvironment};
pub use error::{Error, ErrorKind, ErrorResponse};
pub use options::Options;
