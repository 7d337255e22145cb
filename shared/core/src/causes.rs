//! What is behind an error: for messages that say what happened, not which layer noticed it.

use std::{error::Error, io, iter};

/// The first error of a type among an error and its causes. `io::Error` hides what it wraps.
pub fn find<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    causes(error).find_map(|error| {
        let wrapped = || error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        error.downcast_ref::<T>().or_else(|| wrapped().and_then(|inner| find::<T>(inner)))
    })
}

/// An error with its causes, each said once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for said in causes(error).map(ToString::to_string) {
        if text.is_empty() {
            text = said;
        } else if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
    }
    text
}

/// Why no connection came about, or why it broke.
pub fn of_connection(error: &(dyn Error + 'static)) -> String {
    let all = chain(error);
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "connection reset".to_owned(),
        Some(io::ErrorKind::TimedOut) => "no connection in time".to_owned(),
        _ if all.contains("dns error") || all.contains("failed to lookup address") => {
            "its name cannot be resolved".to_owned()
        }
        _ => causes(error).last().map(ToString::to_string).unwrap_or(all),
    }
}

/// An error and its causes, the innermost last.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use std::num::ParseIntError;

    use rstest::rstest;
    use thiserror::Error as ThisError;

    use super::*;

    #[derive(Debug, ThisError)]
    #[error("{said}")]
    struct Layer {
        said: &'static str,
        source: Option<Box<dyn Error + Send + Sync>>,
    }

    fn layer(said: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Layer {
        Layer { said, source: Some(source.into()) }
    }

    fn number() -> ParseIntError {
        "x".parse::<u8>().expect_err("no number")
    }

    #[test]
    fn an_error_that_io_wraps_is_found() {
        let error = layer("outside", io::Error::other(layer("wrapped", number())));
        assert!(find::<ParseIntError>(&error).is_some());
        assert!(find::<std::fmt::Error>(&error).is_none());
    }

    #[test]
    fn each_cause_is_said_once() {
        let error = layer("it failed: inner", layer("inner", layer("root", number())));
        assert_eq!(chain(&error), format!("it failed: inner: root: {}", number()));
    }

    #[rstest]
    #[case(io::ErrorKind::ConnectionRefused.into(), "connection refused")]
    #[case(io::ErrorKind::ConnectionReset.into(), "connection reset")]
    #[case(io::ErrorKind::TimedOut.into(), "no connection in time")]
    #[case(io::Error::other("failed to lookup address information"), "its name cannot be resolved")]
    #[case(io::Error::other("broken"), "broken")]
    fn a_connection_fails_for_a_reason(#[case] error: io::Error, #[case] why: &str) {
        assert_eq!(of_connection(&layer("client error", error)), why);
    }
}
