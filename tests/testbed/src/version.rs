//! Versions of Kubernetes.

use std::fmt;
use std::str::FromStr;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// A release of Kubernetes 1, written `v1.MINOR.PATCH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    minor: u16,
    patch: u16,
}

impl Version {
    /// The newest release the tests run on.
    pub const NEWEST: Self = Self { minor: 36, patch: 3 };
    /// The oldest release the tests run on.
    pub const OLDEST: Self = Self { minor: 33, patch: 13 };

    /// The minor number: 36 of `v1.36.3`.
    pub fn minor(self) -> u16 {
        self.minor
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1.{}.{}", self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let numbers = text
            .strip_prefix("v1.")
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(minor, patch)| Some((minor.parse().ok()?, patch.parse().ok()?)));
        let (minor, patch) = numbers
            .with_context(|| format!("{text:?} is no Kubernetes version; write it as v1.36.3"))?;
        Ok(Self { minor, patch })
    }
}

impl TryFrom<String> for Version {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn a_version_reads_as_it_is_written() {
        assert_eq!("v1.36.3".parse::<Version>().ok(), Some(Version::NEWEST));
        assert_eq!(Version::OLDEST.to_string(), "v1.33.13");
    }

    #[test]
    fn what_is_no_version_is_refused_with_an_example() {
        for text in ["1.36.3", "v1.36", "v2.0.0", "v1.36.3-rc.1", ""] {
            let message = text.parse::<Version>().map_err(|error| error.to_string());
            assert!(message.is_err_and(|message| message.contains("v1.36.3")), "{text}");
        }
    }
}
