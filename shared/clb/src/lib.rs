//! A client of the API of Alibaba Cloud's Classic Load Balancer (SLB, version 2014-05-15).
//!
//! [`ClbClient`] reads load balancers, listeners, groups, backends and health. It writes one thing:
//! weights of backends. Credentials are found where the `aliyun` CLI finds them. Calls are signed
//! with ACS3-HMAC-SHA256. A call that the API throttles is repeated until the deadline; a write
//! whose answer was lost is never repeated.

mod client;
mod credentials;
mod deadline;
mod encode;
mod endpoint;
mod environment;
mod error;
mod net;
mod options;
mod provider;
mod rpc;
#[cfg(test)]
mod secrets_tests;
mod sign;
#[cfg(test)]
mod testing;

pub use client::{
    Account, BackendKey, ClbClient, MAX_BACKENDS_PER_CALL, SetWeightsError, Weight, WeightChange,
    WeightError,
};
pub use environment::{Environment, SystemEnvironment};
pub use error::{Error, ErrorKind, ErrorResponse};
pub use options::Options;
