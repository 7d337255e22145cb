//! The hashes that the known releases of CCM write for one Service.

use serde_json::Value;

use crate::version::{Behaviour, CcmVersion};

use super::service_hash;

/// SHA-224 of the empty text. CCM 2.14 writes it whatever else a Service says, where its YAML
/// library refuses a character of the Service: `hash.go` drops that error.
const OF_NOTHING: &str = "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f";

/// The hashes that known releases of CCM write for a Service as it is: first the one of the
/// cluster's release, then the other where it differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownHashes(Vec<String>);

/// The hashes of `service`, in a cluster whose CCM is taken for `version`: the release may be
/// guessed, and be another.
///
/// CCM 2.14 includes `loadBalancerSourceRanges`, CCM 2.7 to 2.13 leave them out. CCM up to 2.6,
/// which hashes the whole spec, is not known.
pub fn known_hashes(service: &Value, version: CcmVersion) -> KnownHashes {
    let includes_ranges = version.has(Behaviour::HashesSourceRanges);
    let other = if includes_ranges { CcmVersion::OLDEST } else { CcmVersion::NEWEST };
    KnownHashes::new([version, other].map(|version| service_hash(service, version)))
}

impl KnownHashes {
    /// These hashes, each once.
    pub fn new(hashes: impl IntoIterator<Item = String>) -> Self {
        let mut known = Vec::new();
        for hash in hashes {
            if !known.contains(&hash) {
                known.push(hash);
            }
        }
        Self(known)
    }

    /// The hash of the cluster's release.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    /// Whether a known release writes `label` for the Service as it is.
    pub fn contains(&self, label: &str) -> bool {
        self.0.iter().any(|hash| hash == label)
    }

    /// Whether `label` shows that a known release has finished with the Service as it is. The hash
    /// of the empty text never does: it is the same for every state of the Service.
    pub fn is_proven_by(&self, label: &str) -> bool {
        label != OF_NOTHING && self.contains(label)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn service(annotation: &str, ranges: &[&str]) -> Value {
        json!({
            "metadata": {"annotations": {"a": annotation}},
            "spec": {"type": "LoadBalancer", "loadBalancerSourceRanges": ranges},
        })
    }

    #[rstest]
    #[case::newest(CcmVersion::V2_14, CcmVersion::V2_13)]
    #[case::older(CcmVersion::V2_13, CcmVersion::V2_14)]
    #[case::oldest(CcmVersion::V2_9, CcmVersion::V2_14)]
    fn source_ranges_make_two_hashes_and_that_of_the_release_is_first(
        #[case] version: CcmVersion,
        #[case] other: CcmVersion,
    ) {
        let service = service("x", &["10.0.0.0/8"]);
        let known = known_hashes(&service, version);
        assert_eq!(known.0, [version, other].map(|version| service_hash(&service, version)));
        assert_eq!(known.first(), Some(service_hash(&service, version).as_str()));
        for label in &known.0 {
            assert!(known.is_proven_by(label), "{label}");
        }
        assert!(!known.contains("another"));
    }

    #[test]
    fn without_source_ranges_all_known_releases_write_one_hash() {
        assert_eq!(known_hashes(&service("x", &[]), CcmVersion::V2_14).0.len(), 1);
    }

    #[rstest]
    #[case::delete("\u{7f}")]
    #[case::control("\u{80}")]
    #[case::control_beyond_next_line("\u{9f}")]
    #[case::no_character("\u{ffff}")]
    fn the_hash_of_an_empty_text_is_no_proof(#[case] odd: &str) {
        let known = known_hashes(&service(odd, &["10.0.0.0/8"]), CcmVersion::V2_14);
        assert_eq!(known.0, [OF_NOTHING]);
        assert!(known.contains(OF_NOTHING));
        assert!(!known.is_proven_by(OF_NOTHING));
    }

    #[test]
    fn no_service_has_the_hashes_of_another() {
        let before = known_hashes(&service("20", &["10.0.0.0/8"]), CcmVersion::V2_14);
        let after = known_hashes(&service("40", &["10.0.0.0/8"]), CcmVersion::V2_14);
        assert!(after.0.iter().all(|hash| !before.contains(hash)));
    }
}
