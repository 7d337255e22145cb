//! The API of Alibaba Cloud's Classic Load Balancer (2014-05-15): which backends a CLB has, at
//! which weights, and how healthy; and the one thing that is written, weights.
//!
//! Credentials are found as the `aliyun` command line finds them. Calls are signed with
//! ACS3-HMAC-SHA256, repeated while the API throttles, and never repeated blindly where they write.

mod clb;
mod credentials;
mod encode;
mod endpoint;
mod error;
mod net;
mod options;
mod rpc;
mod sign;
mod surroundings;
#[cfg(test)]
mod testing;

pub use clb::{
    Account, BATCH, BackendKey, Change, Clb, Interrupted, Listener, Weight, WeightError,
};
pub use error::{Error, ErrorKind, Reply};
pub use options::Options;
pub use surroundings::{Machine, Surroundings};
