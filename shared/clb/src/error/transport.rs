//! Errors of requests that got no answer.

use std::time::Duration;

use clbmigrate_errors::{describe_connection_error, find_source};
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
    use rustls::CertificateError as Bad;
    let (message, hint) = match error {
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => (
            format!("the certificate of {server} has expired"),
            "see whether this machine's clock is right",
        ),
        rustls::Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => (
            format!("the certificate of {server} is not valid yet"),
            "see whether this machine's clock is right",
        ),
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => (
            format!(
                "the certificate of {server} is signed by an authority this machine does not trust"
            ),
            "a proxy that opens TLS needs its authority among the system's, or in SSL_CERT_FILE",
        ),
        rustls::Error::InvalidCertificate(
            Bad::NotValidForName | Bad::NotValidForNameContext { .. },
        ) => (
            format!("the certificate of {server} is for another name"),
            "see whether the endpoint is right (--clb-endpoint)",
        ),
        other => (
            format!("no TLS connection with {server}: {other}"),
            "see whether the endpoint is right, and speaks https (--clb-endpoint)",
        ),
    };
    Error::new(ErrorKind::Certificate, message).hint(hint)
}
