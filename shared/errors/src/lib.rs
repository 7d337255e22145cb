//! Messages out of errors and their sources: what happened, not which layer noticed it, and without
//! secrets.
#![forbid(unsafe_code)]

mod secrets;
mod tls;

use std::{error::Error, io, iter};

pub use secrets::without_secrets;
pub use tls::TlsFailure;

/// The first error of type `T` among an error and its sources; `None` where there is none. What an
/// `io::Error` wraps counts as a source of it, which `Error::source` does not tell.
pub fn find_source<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    sources(error).find_map(|error| {
        let wrapped = || error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        error.downcast_ref::<T>().or_else(|| wrapped().and_then(|inner| find_source::<T>(inner)))
    })
}

/// The messages of an error and its sources, outermost first, separated by `: `. A message that an
/// earlier one contains is left out.
pub fn message_with_sources(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for message in sources(error).map(ToString::to_string) {
        if text.is_empty() {
            text = message;
        } else if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
    }
    text
}

/// Why a connection was not made, or why it broke, in a few words. Where none of the usual reasons
/// is found, the innermost error's message.
pub fn describe_connection_error(error: &(dyn Error + 'static)) -> String {
    let all = message_with_sources(error);
    match find_source::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "connection reset".to_owned(),
        Some(io::ErrorKind::TimedOut) => "no connection in time".to_owned(),
        _ if all.contains("dns error") || all.contains("failed to lookup address") => {
            "its name cannot be resolved".to_owned()
        }
        _ => sources(error).last().map(ToString::to_string).unwrap_or(all),
    }
}

/// An error and its sources, the innermost last.
fn sources<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use std::num::ParseIntError;

    use rstest::rstest;
    use thiserror::Error as ThisError;

    use super::*;

    #[derive(Debug, ThisError)]
    #[error("{message}")]
    struct Layer {
        message: &'static str,
        source: Option<Box<dyn Error + Send + Sync>>,
    }

    fn layer(message: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Layer {
        Layer { message, source: Some(source.into()) }
    }

    fn number() -> ParseIntError {
        "x".parse::<u8>().expect_err("no number")
    }

    #[test]
    fn an_error_that_io_wraps_is_found() {
        let error = layer("outside", io::Error::other(layer("wrapped", number())));
        assert!(find_source::<ParseIntError>(&error).is_some());
        assert!(find_source::<std::fmt::Error>(&error).is_none());
    }

    #[test]
    fn each_cause_is_said_once() {
        let error = layer("it failed: inner", layer("inner", layer("root", number())));
        assert_eq!(message_with_sources(&error), format!("it failed: inner: root: {}", number()));
    }

    #[rstest]
    #[case(io::ErrorKind::ConnectionRefused.into(), "connection refused")]
    #[case(io::ErrorKind::ConnectionReset.into(), "connection reset")]
    #[case(io::ErrorKind::TimedOut.into(), "no connection in time")]
    #[case(io::Error::other("failed to lookup address information"), "its name cannot be resolved")]
    #[case(io::Error::other("broken"), "broken")]
    fn a_connection_fails_for_a_reason(#[case] error: io::Error, #[case] why: &str) {
        assert_eq!(describe_connection_error(&layer("client error", error)), why);
    }
}
