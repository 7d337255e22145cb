use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use thiserror::Error;

/// One value of `-f [NAME=]PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The context's name, `NAME`; `None` where only a path is given.
    pub context: Option<String>,
    /// A file, a folder, or `-` for standard input.
    pub path: PathBuf,
}

/// The error for a text that names no files.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SourceError {
    /// The text is empty.
    #[error("expected a file, a folder, or - for standard input")]
    Empty,
    /// `NAME=` without a path.
    #[error("{0}= names no file; write {0}=PATH")]
    NoPath(String),
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if text.is_empty() {
            return Err(SourceError::Empty);
        }
        match text.split_once('=') {
            // A file of that very name is meant, whatever it looks like.
            Some((name, path)) if is_name(name) && !Path::new(text).exists() => {
                if path.is_empty() {
                    return Err(SourceError::NoPath(name.to_owned()));
                }
                Ok(Self { context: Some(name.to_owned()), path: path.into() })
            }
            _ => Ok(Self { context: None, path: text.into() }),
        }
    }
}

/// Whether a text can be a context's name. Names may hold slashes, as in `arn:…:cluster/prod`, but
/// what starts like a path is one.
fn is_name(text: &str) -> bool {
    let is_path = ["/", "./", "../"].iter().any(|start| text.starts_with(start));
    !text.is_empty()
        && !is_path
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._:/@-".contains(c))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("dump.json", None, "dump.json")]
    #[case::stdin("-", None, "-")]
    #[case::named("prod=dump.json", Some("prod"), "dump.json")]
    #[case::named_stdin("prod=-", Some("prod"), "-")]
    #[case::long_name(
        "arn:aws:eks:eu-1:1:cluster/a@b=x/",
        Some("arn:aws:eks:eu-1:1:cluster/a@b"),
        "x/"
    )]
    #[case::second_sign("a=b=c", Some("a"), "b=c")]
    #[case::relative("./a=b", None, "./a=b")]
    #[case::above("../a=b", None, "../a=b")]
    #[case::absolute("/data/a=b", None, "/data/a=b")]
    #[case::no_name("=b", None, "=b")]
    #[case::not_a_name("my cluster=b", None, "my cluster=b")]
    fn a_source_is_a_path_with_or_without_a_context(
        #[case] text: &str,
        #[case] context: Option<&str>,
        #[case] path: &str,
    ) {
        let expected = Source { context: context.map(str::to_owned), path: path.into() };
        assert_eq!(text.parse(), Ok(expected));
    }

    #[test]
    fn a_source_without_a_path_is_refused() {
        assert_eq!("".parse::<Source>(), Err(SourceError::Empty));
        assert_eq!("prod=".parse::<Source>(), Err(SourceError::NoPath("prod".to_owned())));
    }
}
