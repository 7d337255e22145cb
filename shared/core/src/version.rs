//! The releases of CCM whose behaviour is known, and what differs between them.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// A minor release of CCM. Its patch releases behave alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum CcmVersion {
    /// 2.9, the oldest whose behaviour is known.
    V2_9,
    /// 2.10.
    V2_10,
    /// 2.11.
    V2_11,
    /// 2.12.
    V2_12,
    /// 2.13.
    V2_13,
    /// 2.14, the newest whose behaviour is known.
    #[default]
    V2_14,
}

impl CcmVersion {
    /// All of them, the oldest first.
    pub const ALL: [Self; 6] =
        [Self::V2_9, Self::V2_10, Self::V2_11, Self::V2_12, Self::V2_13, Self::V2_14];
    /// What is assumed where the release is not known.
    pub const NEWEST: Self = Self::V2_14;
    /// The oldest whose behaviour is known.
    pub const OLDEST: Self = Self::V2_9;

    /// Whether this release behaves in that way.
    pub fn has(self, behaviour: Behaviour) -> bool {
        self >= behaviour.since()
    }

    /// The name, for example `2.14`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2_9 => "2.9",
            Self::V2_10 => "2.10",
            Self::V2_11 => "2.11",
            Self::V2_12 => "2.12",
            Self::V2_13 => "2.13",
            Self::V2_14 => "2.14",
        }
    }
}

impl fmt::Display for CcmVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A release as somebody named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedCcmVersion {
    /// The release that it is taken for.
    pub version: CcmVersion,
    /// Whether it is newer than the newest release whose behaviour is known.
    pub is_newer: bool,
}

/// Why a text names no release of CCM whose behaviour is known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CcmVersionError {
    /// It is no version.
    #[error("{0:?} is no version of CCM; write MAJOR.MINOR, for example 2.14 or v2.11.2")]
    Malformed(String),
    /// The release is too old.
    #[error("CCM {0} is older than 2.9, the oldest release whose behaviour is known")]
    TooOld(String),
}

impl FromStr for NamedCcmVersion {
    type Err = CcmVersionError;

    /// Reads `2.14`, `v2.11.2`, `v2.12.4-aliyun.1` and the like. A patch release counts as its
    /// minor release, a newer release as the newest that is known.
    fn from_str(text: &str) -> Result<Self, CcmVersionError> {
        let malformed = || CcmVersionError::Malformed(text.to_owned());
        let plain = text.strip_prefix('v').unwrap_or(text);
        let mut parts = plain.split('.');
        let number = |part: Option<&str>| -> Option<u32> {
            let part = part?;
            let digits = part.split(['-', '+']).next().unwrap_or(part);
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let major = number(parts.next()).ok_or_else(malformed)?;
        let minor = number(parts.next()).ok_or_else(malformed)?;
        if parts.next().is_some_and(|patch| number(Some(patch)).is_none()) {
            return Err(malformed());
        }
        let version = match (major, minor) {
            (..2, _) | (2, ..9) => return Err(CcmVersionError::TooOld(plain.to_owned())),
            (2, 9) => CcmVersion::V2_9,
            (2, 10) => CcmVersion::V2_10,
            (2, 11) => CcmVersion::V2_11,
            (2, 12) => CcmVersion::V2_12,
            (2, 13) => CcmVersion::V2_13,
            _ => CcmVersion::NEWEST,
        };
        Ok(Self { version, is_newer: (major, minor) > (2, 14) })
    }
}

impl NamedCcmVersion {
    /// Reads the tag of CCM's image: `registry/acs/cloud-controller-manager-amd64:v2.11.2`, with or
    /// without a digest behind it.
    ///
    /// # Errors
    /// Where there is no tag, or it names no release whose behaviour is known.
    pub fn of_image(image: &str) -> Result<Self, CcmVersionError> {
        let named = image.split('@').next().unwrap_or(image);
        // A colon before the last slash is that of the registry's port.
        let last = named.rsplit('/').next().unwrap_or(named);
        let (_, tag) =
            last.rsplit_once(':').ok_or_else(|| CcmVersionError::Malformed(image.to_owned()))?;
        tag.parse()
    }
}

/// One thing that newer releases of CCM do in another way than older ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Behaviour {
    /// A port that cannot be built is left out in silence. Before, the whole round failed.
    LeavesPortsOut,
    /// The clean-up runs only when the hash changed, and not after an error. Before, it ran after
    /// every round that got as far, and it stopped at the first refusal.
    CleansUpOnChange,
    /// Groups and listeners are worked on side by side. Before, an error about a group stopped the
    /// listeners.
    WorksInParallel,
    /// The attributes of the CLB are compared at a deletion, too, so that the deletion of a Service
    /// fails on an IPv6 CLB.
    ComparesOnDeletion,
    /// `network-type` is compared with the CLB's.
    ComparesNetworkType,
    /// `preserve-lb-on-delete` keeps the CLB alone. Before, listeners and groups were kept as well.
    PreservesClbAlone,
    /// Nodes whose `providerID` begins with `ack-hybrid://` are no backends.
    ExcludesHybridNodes,
    /// In Local mode each ECI pod is a backend. Before, all of them became one.
    KeepsEciPodsApart,
    /// Events about nodes do not queue Services whose backends are pods.
    IgnoresNodesForPods,
    /// `tunnel-type` gives the Service to another controller.
    ReadsTunnelType,
    /// A Service with endpoints that may become ready is queued again after 10 seconds.
    ComesAgainForEndpoints,
    /// A pod inside the VPC without a network interface holds back removals and weights of its
    /// group. Before, the whole round failed.
    ToleratesMissingInterfaces,
    /// `domain-extensions` is read.
    ReadsDomainExtensions,
    /// `default-weight` is read.
    ReadsDefaultWeight,
    /// `loadBalancerSourceRanges` are part of the hash.
    HashesSourceRanges,
    /// Of several ports with one group, the first that differs is carried out. Before, all were.
    OnePortAGroup,
    /// `ignore-weight-update` is read.
    ReadsIgnoreWeightUpdate,
    /// Pods outside the VPC are left out. Before, they were sent without a server id.
    LeavesOutPodsElsewhere,
    /// Readiness gates are read and set.
    ReadsReadinessGates,
    /// `preserve-lb-on-delete` is read.
    ReadsPreserve,
}

impl Behaviour {
    /// The first release that behaves so.
    pub const fn since(self) -> CcmVersion {
        match self {
            Self::ReadsReadinessGates | Self::ReadsPreserve => CcmVersion::V2_10,
            Self::OnePortAGroup | Self::ReadsIgnoreWeightUpdate | Self::LeavesOutPodsElsewhere => {
                CcmVersion::V2_11
            }
            Self::LeavesPortsOut
            | Self::CleansUpOnChange
            | Self::WorksInParallel
            | Self::ComparesOnDeletion
            | Self::ComparesNetworkType
            | Self::PreservesClbAlone
            | Self::ExcludesHybridNodes
            | Self::KeepsEciPodsApart
            | Self::IgnoresNodesForPods
            | Self::ReadsTunnelType
            | Self::ComesAgainForEndpoints => CcmVersion::V2_12,
            Self::ToleratesMissingInterfaces | Self::ReadsDomainExtensions => CcmVersion::V2_13,
            Self::ReadsDefaultWeight | Self::HashesSourceRanges => CcmVersion::V2_14,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("2.14", CcmVersion::V2_14, false)]
    #[case("v2.14.0", CcmVersion::V2_14, false)]
    #[case("v2.11.2", CcmVersion::V2_11, false)]
    #[case("v2.12.4-aliyun.1", CcmVersion::V2_12, false)]
    #[case("2.9.1", CcmVersion::V2_9, false)]
    #[case("v2.10.0-rc1+build", CcmVersion::V2_10, false)]
    #[case("2.15", CcmVersion::V2_14, true)]
    #[case("3.0.0", CcmVersion::V2_14, true)]
    fn a_release_is_read(#[case] text: &str, #[case] version: CcmVersion, #[case] is_newer: bool) {
        assert_eq!(text.parse(), Ok(NamedCcmVersion { version, is_newer }));
    }

    #[rstest]
    #[case("v1.9.3.378", "CCM 1.9.3.378 is older than 2.9")]
    #[case("2.8", "CCM 2.8 is older")]
    #[case("", "\"\" is no version")]
    #[case("latest", "\"latest\" is no version")]
    #[case("2", "\"2\" is no version")]
    #[case("2.x", "\"2.x\" is no version")]
    #[case("2.14.x", "\"2.14.x\" is no version")]
    fn what_is_none_or_too_old_is_refused(#[case] text: &str, #[case] message: &str) {
        let error = text.parse::<NamedCcmVersion>().expect_err("refused").to_string();
        assert!(error.starts_with(message), "{error}");
    }

    #[rstest]
    #[case("registry-cn-x.ack.aliyuncs.com/acs/cloud-controller-manager-amd64:v2.11.2", "2.11")]
    #[case("registry:5000/acs/ccm:v2.9.1.4-g1a2b3c-aliyun", "2.9")]
    #[case("ccm:v2.13.0@sha256:0123456789abcdef", "2.13")]
    fn a_release_is_read_from_an_image(#[case] image: &str, #[case] version: &str) {
        let named = NamedCcmVersion::of_image(image).expect("a release");
        assert_eq!(named.version.as_str(), version);
    }

    #[rstest]
    #[case("registry:5000/acs/ccm")]
    #[case("ccm@sha256:0123456789abcdef")]
    #[case("ccm:latest")]
    #[case("")]
    fn an_image_without_a_release_is_refused(#[case] image: &str) {
        let error = NamedCcmVersion::of_image(image).expect_err("no release");
        assert!(matches!(error, CcmVersionError::Malformed(_)), "{error}");
    }

    #[test]
    fn a_release_behaves_as_those_before_it_and_more() {
        assert!(!CcmVersion::V2_11.has(Behaviour::LeavesPortsOut));
        assert!(CcmVersion::V2_12.has(Behaviour::LeavesPortsOut));
        assert!(CcmVersion::V2_14.has(Behaviour::LeavesPortsOut));
        assert!(!CcmVersion::V2_13.has(Behaviour::ReadsDefaultWeight));
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_text_makes_the_reader_panic(text in any::<String>()) {
                let _ = text.parse::<NamedCcmVersion>();
            }

            #[test]
            fn a_patch_release_counts_as_its_minor_release(minor in 9_u32..=14, patch in 0_u32..99) {
                let named = format!("v2.{minor}.{patch}").parse::<NamedCcmVersion>();
                let version = named.expect("a known release").version;
                prop_assert_eq!(version.as_str(), format!("2.{minor}"));
            }
        }
    }
}
