//! Errors of requests that got no answer.

use std::time::Duration;

use clbmigrate_errors::{TlsFailure, describe_connection_error, find_source};
use hyper_util::client::legacy;

use super::{Error, ErrorKind};

/// The error of a request that got no answer.
pub(crate) fn from_transport(error: &legacy::Error, server: &str) -> Error {
    if let Some(error) = find_source::<rustls::Error>(error) {
        return from_tls(error, server);
    }
    let why = describe_connection_error(error);
    if error.is_connect() {
        return Error::new(ErrorKind::Unreachable, format!("{server} cannot be reached: {why}"))
            .hint("see whether network, VPN and proxy (HTTPS_PROXY, NO_PROXY) let you through")
            .hint("an endpoint inside the VPC is slb-vpc.REGION.aliyuncs.com (--clb-endpoint)");
    }
    Error::new(
        ErrorKind::ConnectionLost,
        format!("the connection with {server} broke before the answer: {why}"),
    )
}

/// The error for an answer that did not come in time.
pub(crate) fn timed_out(server: &str, within: Duration) -> Error {
    let message = format!("{server} did not answer within {:.1} s", within.as_secs_f64());
    Error::new(ErrorKind::Timeout, message)
}

fn from_tls(error: &rustls::Error, server: &str) -> Error {
    let failure = TlsFailure::from(error);
    let hint = match failure {
        TlsFailure::Expired | TlsFailure::NotYetValid => {
            "see whether this machine's clock is right"
        }
        TlsFailure::UnknownIssuer => {
            "a proxy that opens TLS needs its authority among the system's, or in SSL_CERT_FILE"
        }
        TlsFailure::WrongName => "see whether the endpoint is right (--clb-endpoint)",
        TlsFailure::Other(_) => {
            "see whether the endpoint is right, and speaks https (--clb-endpoint)"
        }
    };
    let message = failure.describe(server, "this machine does not trust");
    Error::new(ErrorKind::Certificate, message).hint(hint)
}
