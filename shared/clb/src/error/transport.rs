//! What happens before an answer: no connection, a broken one, a late one.

use std::{error::Error as StdError, io, time::Duration};

use hyper_util::client::legacy;

use super::{Error, ErrorKind};

/// What a request that got no answer means.
pub(crate) fn from_transport(error: &legacy::Error, server: &str) -> Error {
    if let Some(error) = find::<rustls::Error>(error) {
        return from_tls(error, server);
    }
    let why = why(error);
    if error.is_connect() {
        return Error::new(ErrorKind::Unreachable, format!("{server} cannot be reached: {why}"))
            .hint("see whether network, VPN and proxy (HTTPS_PROXY, NO_PROXY) let you through")
            .hint("an endpoint inside the VPC is slb-vpc.REGION.aliyuncs.com (--clb-endpoint)");
    }
    Error::new(
        ErrorKind::Lost,
        format!("the connection with {server} broke before the answer: {why}"),
    )
}

/// The error for an answer that did not come in time.
pub(crate) fn late(server: &str, within: Duration) -> Error {
    let message = format!("{server} did not answer within {:.1} s", within.as_secs_f64());
    Error::new(ErrorKind::Timeout, message)
}

fn why(error: &legacy::Error) -> String {
    let kind = find::<io::Error>(error).map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "connection reset".to_owned(),
        Some(io::ErrorKind::TimedOut) => "no connection in time".to_owned(),
        _ if is_about_name(error) => "its name cannot be resolved".to_owned(),
        _ => root(error),
    }
}

fn is_about_name(error: &legacy::Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if text.contains("dns error") || text.contains("failed to lookup address") {
            return true;
        }
        next = error.source();
    }
    false
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

/// The first error of a type among an error and its causes. `io::Error` hides what it wraps.
fn find<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|inner| find::<T>(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The innermost cause.
fn root(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
