//! The level of `-v`.

use std::str::FromStr;

/// How much is told on stderr.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd)]
pub struct Verbosity(pub u32);

impl Verbosity {
    /// From this level on every request to an API server is told. Kubernetes: client-go, `-v=6`.
    pub const REQUESTS: Self = Self(6);

    /// Whether more is told than without the flag.
    pub fn is_verbose(self) -> bool {
        self.0 > 0
    }
}

impl FromStr for Verbosity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(Self(1)),
            "false" => Ok(Self(0)),
            _ => text
                .parse()
                .map(Self)
                .map_err(|_| "write a level from 0 on, for example 6".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0", Some(0))]
    #[case("6", Some(6))]
    #[case("true", Some(1))]
    #[case("false", Some(0))]
    #[case("-1", None)]
    #[case("x", None)]
    #[case("", None)]
    fn a_level_is_a_number_or_a_truth_value(#[case] text: &str, #[case] level: Option<u32>) {
        assert_eq!(text.parse::<Verbosity>().ok(), level.map(Verbosity));
    }
}
