//! A proxy in front of an API server that breaks requests on purpose, for tests of its clients.
//!
//! Clients talk to the [`FaultProxy`] over TLS and HTTP/1.1, the proxy to the real API server. Bodies flow
//! both ways as they come, so that watches work. A rule, made with [`FaultProxy::add_rule`], gives some of the
//! requests a [`Fault`]: the answer is lost, changed, late or another one.
//!
//! The interface blocks and works from any thread. The proxy runs on a thread of its own. It does not
//! speak HTTP/2 and does not pass on upgrades, so `exec` and `port-forward` do not work through it.
#![forbid(unsafe_code)]

mod fault;
mod kubeconfig;
mod log;
mod proxy;
mod request;
mod rule;
mod serve;
mod tls;
mod upstream;

pub use http::StatusCode;

pub use self::{
    fault::Fault,
    log::LoggedRequest,
    proxy::FaultProxy,
    request::{Match, Request},
    rule::Rule,
    upstream::Upstream,
};
