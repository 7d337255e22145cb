//! What `status` is asked about.

use std::{fmt, net::IpAddr, str::FromStr};

/// What an argument of `status` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusTarget {
    /// The Service of that name.
    Service(String),
    /// A CLB: its id or its address.
    Clb(ClbName),
}

/// How a CLB is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClbName {
    /// By its id.
    Id(String),
    /// By its address.
    Address(IpAddr),
}

impl fmt::Display for ClbName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl FromStr for StatusTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // CLB, CreateLoadBalancer: ids begin with lb-. A Service may have such a name, too; svc/ says that
        // it is meant.
        let is_id = |rest: &str| {
            !rest.is_empty() && rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        if text.strip_prefix("lb-").is_some_and(is_id) {
            return Ok(Self::Clb(ClbName::Id(text.to_owned())));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Clb(ClbName::Address(address)));
        }
        let name = crate::target::parse_name(text).map_err(|error| error.to_string())?;
        Ok(Self::Service(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn service(name: &str) -> StatusTarget {
        StatusTarget::Service(name.to_owned())
    }

    fn id(id: &str) -> StatusTarget {
        StatusTarget::Clb(ClbName::Id(id.to_owned()))
    }

    fn address(address: impl Into<IpAddr>) -> StatusTarget {
        StatusTarget::Clb(ClbName::Address(address.into()))
    }

    #[rstest]
    #[case::a_name("web", Some(service("web")))]
    #[case::a_kind("svc/web", Some(service("web")))]
    #[case::a_long_kind("service/web", Some(service("web")))]
    #[case::a_name_like_an_id_of_several_words("lb-for-web", Some(service("lb-for-web")))]
    #[case::a_service_with_the_name_of_a_clb("svc/lb-bp1example", Some(service("lb-bp1example")))]
    #[case::an_id("lb-bp1example", Some(id("lb-bp1example")))]
    #[case::an_address("192.0.2.7", Some(address([192, 0, 2, 7])))]
    #[case::an_ipv6_address("::1", Some(address([0, 0, 0, 0, 0, 0, 0, 1_u16])))]
    #[case::another_kind("deploy/web", None)]
    #[case::no_name("svc/", None)]
    #[case::nothing("", None)]
    fn a_target_is_a_service_or_a_clb(#[case] text: &str, #[case] expected: Option<StatusTarget>) {
        assert_eq!(text.parse().ok(), expected);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_text_makes_the_reader_panic(text in any::<String>()) {
                let _ = text.parse::<StatusTarget>();
            }
        }
    }
}
