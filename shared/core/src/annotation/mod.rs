//! CCM's annotations: keys, the two prefixes and their precedence, typed values.

mod known;
mod service;
mod value;

pub use known::{KNOWN_ANNOTATIONS, KnownAnnotation, ValueKind, find_known, nearest_known_key};
pub(crate) use known::{VGROUP_IDS, known_in};
pub use value::{ValueError, parse_integer, parse_weight};

use crate::object::Annotations;

/// The prefix of today's keys (CCM 2.14: `annotations.go`).
pub const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-";
/// The prefix of the keys of 2019 and before, still read where the new key is absent.
pub const LEGACY_PREFIX: &str = "service.beta.kubernetes.io/alicloud-";

/// `eni` or `ecs`; a full key, with neither prefix.
pub const BACKEND_TYPE: &str = "service.beta.kubernetes.io/backend-type";
/// Not empty: some other controller's Service.
pub const CLASS: &str = "service.beta.kubernetes.io/class";
/// Present: some other controller's Service.
pub const TUNNEL_TYPE: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-tunnel-type";
/// Rules an object is exempt from, where the administrator allows that.
pub const ALLOW: &str = "clbmigrate.io/allow";
/// On workloads: `disabled` opts out of the injected hook, `enabled` opts a DaemonSet in.
pub const INJECT: &str = "clbmigrate.io/inject";

/// Id of the CLB to use.
pub const ID: &str = "loadbalancer-id";
/// Mapping of vServer groups to Service ports.
pub const VGROUP_PORT: &str = "loadbalancer-vgroup-port";
/// Total weight of the Service in the group.
pub const WEIGHT: &str = "loadbalancer-weight";
/// Weight of each backend where `WEIGHT` is not in effect.
pub const DEFAULT_WEIGHT: &str = "loadbalancer-default-weight";
/// `on` (in any case) suppresses updates that differ in weight only.
pub const IGNORE_WEIGHT_UPDATE: &str = "loadbalancer-ignore-weight-update";
/// `true` takes the CLB's listeners over.
pub const FORCE_OVERRIDE: &str = "loadbalancer-force-override-listeners";
/// Labels a node must carry.
pub const BACKEND_LABEL: &str = "loadbalancer-backend-label";
/// `on` removes cordoned nodes.
pub const REMOVE_UNSCHEDULED: &str = "loadbalancer-remove-unscheduled-backend";
/// Listener protocols by port.
pub const PROTOCOL_PORT: &str = "loadbalancer-protocol-port";

/// What marks an annotation as one of a candidate's: the part every CLB key shares.
const INFIX: &str = "loadbalancer-";

/// A value as CCM finds it: the key that won, and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectiveValue<'a> {
    /// The full key.
    pub key: &'a str,
    /// The value, untrimmed.
    pub text: &'a str,
}

/// Today's full key of a suffix.
pub fn full_key(suffix: &str) -> String {
    format!("{PREFIX}{suffix}")
}

/// The field path of a full key, as findings name it.
pub fn field_path(key: &str) -> String {
    format!("metadata.annotations[{key}]")
}

impl Annotations {
    /// The value CCM reads for `suffix`: the new prefix wins as soon as its key exists, even with
    /// an empty value (CCM 2.14: `annotations.go`, `Get`).
    pub fn effective(&self, suffix: &str) -> Option<EffectiveValue<'_>> {
        self.with_prefix(PREFIX, suffix).or_else(|| self.with_prefix(LEGACY_PREFIX, suffix))
    }

    /// Like [`Self::effective`], empty where there is none: CCM does not tell the two apart.
    pub fn text(&self, suffix: &str) -> &str {
        self.effective(suffix).map_or("", |found| found.text)
    }

    /// The full key to write for `suffix`: the one in use, else today's.
    pub fn key_of(&self, suffix: &str) -> String {
        self.effective(suffix).map_or_else(|| full_key(suffix), |found| found.key.to_owned())
    }

    fn with_prefix(&self, prefix: &str, suffix: &str) -> Option<EffectiveValue<'_>> {
        // The length tells most keys apart, the end nearly all others.
        let length = prefix.len() + suffix.len();
        let is_it =
            |key: &str| key.len() == length && key.ends_with(suffix) && key.starts_with(prefix);
        self.iter().find(|(key, _)| is_it(key)).map(|(key, text)| EffectiveValue { key, text })
    }

    /// Whether any key makes its Service a candidate: a CLB key of either prefix.
    pub fn has_clb_keys(&self) -> bool {
        self.keys().any(|key| suffix_of(key).is_some_and(|suffix| suffix.starts_with(INFIX)))
    }
}

/// The suffix of a key under one of CCM's prefixes.
pub fn suffix_of(key: &str) -> Option<&str> {
    key.strip_prefix(PREFIX).or_else(|| key.strip_prefix(LEGACY_PREFIX))
}
