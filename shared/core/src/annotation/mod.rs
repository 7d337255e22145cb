//! CCM's annotations: their keys, the two prefixes and which one wins, and typed values.

mod clb_id;
mod known;
mod service;
mod value;

pub use clb_id::{ClbIdProblem, FILL_INS, OTHER_KINDS, clb_id_problem, tidy_clb_id};
pub use known::VGROUP_IDS;
pub(crate) use known::known_in;
pub use known::{
    KNOWN_ANNOTATIONS, KnownAnnotation, ValueKind, edit_distance, find_known, nearest_known_key,
};
pub use service::{CLB_LABEL, FINALIZER, NLB_CLASS};
pub use value::{ValueError, parse_integer, parse_weight};

use crate::object::Annotations;

/// The prefix of today's keys (CCM 2.14: `annotations.go`).
pub const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-";
/// The prefix of the keys of 2019 and before. CCM reads such a key where the one with [`PREFIX`] is
/// absent.
pub const LEGACY_PREFIX: &str = "service.beta.kubernetes.io/alicloud-";

/// Full key, under neither prefix: `eni` makes pods the backends, `ecs` nodes.
pub const BACKEND_TYPE: &str = "service.beta.kubernetes.io/backend-type";
/// The values of [`BACKEND_TYPE`] that say what they mean.
pub const BACKEND_TYPES: [&str; 2] = ["eni", "ecs"];
/// Full key. With a value that is not empty, another controller takes the Service.
pub const CLASS: &str = "service.beta.kubernetes.io/class";
/// Full key. Where it is present, another controller takes the Service.
pub const TUNNEL_TYPE: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-tunnel-type";
/// What the keys of this project begin with. CCM reads none of them.
pub const OWN_DOMAIN: &str = "clbmigrate.io/";
/// Full key, on any object: ids of the rules that the object is exempt from, separated by commas.
/// The webhook honours it where its configuration allows that.
pub const ALLOW: &str = "clbmigrate.io/allow";
/// Full key, on workloads: `disabled` opts out of the injected preStop hook, `enabled` opts a
/// DaemonSet in.
pub const INJECT: &str = "clbmigrate.io/inject";

/// The label of a namespace for how far the webhook goes there: `enforce`, `warn` or `audit`.
pub const MODE: &str = "clbmigrate.io/mode";

/// Suffix: the id of the CLB to use.
pub const ID: &str = "loadbalancer-id";
/// Suffix: the mapping of vServer groups to Service ports, see [`crate::mapping`].
pub const VGROUP_PORT: &str = "loadbalancer-vgroup-port";
/// Suffix: the Service's total weight in each of its groups, 0..=100.
pub const WEIGHT: &str = "loadbalancer-weight";
/// Suffix: the weight of each backend, 0..=100, where [`WEIGHT`] is not in effect.
pub const DEFAULT_WEIGHT: &str = "loadbalancer-default-weight";
/// Suffix: `on`, in any case, keeps CCM from updating a backend that differs in its weight only.
pub const IGNORE_WEIGHT_UPDATE: &str = "loadbalancer-ignore-weight-update";
/// Suffix: `true` makes CCM take over the CLB's listeners.
pub const FORCE_OVERRIDE: &str = "loadbalancer-force-override-listeners";
/// Suffix: labels that a node must carry to be a backend, `key=value`, separated by commas.
pub const BACKEND_LABEL: &str = "loadbalancer-backend-label";
/// Suffix: `on` keeps cordoned nodes out of the backends.
pub const REMOVE_UNSCHEDULED: &str = "loadbalancer-remove-unscheduled-backend";
/// Suffix: the listeners' protocols, `protocol:port`, separated by commas.
pub const PROTOCOL_PORT: &str = "loadbalancer-protocol-port";

/// Suffix: the ports that HTTP listeners redirect to, `from:to`, separated by commas.
pub const FORWARD_PORT: &str = "loadbalancer-forward-port";
/// Suffix: the id of the certificate of HTTPS listeners.
pub const CERT_ID: &str = "loadbalancer-cert-id";
/// Suffix: the name of the CLB itself.
pub const NAME: &str = "loadbalancer-name";
/// Suffix: `internet` or `intranet`.
pub const ADDRESS_TYPE: &str = "loadbalancer-address-type";
/// Suffix: `ipv4` or `ipv6`.
pub const IP_VERSION: &str = "loadbalancer-ip-version";
/// Suffix: `vpc` or `classic`.
pub const NETWORK_TYPE: &str = "loadbalancer-network-type";
/// Suffix: the id of the CLB's first zone.
pub const MASTER_ZONE: &str = "loadbalancer-master-zoneid";
/// Suffix: the id of the CLB's second zone.
pub const SLAVE_ZONE: &str = "loadbalancer-slave-zoneid";
/// Suffix: the id of the CLB's resource group.
pub const RESOURCE_GROUP: &str = "loadbalancer-resource-group-id";
/// Suffix: the address of the CLB.
pub const IP: &str = "loadbalancer-ip";
/// Suffix: `eip` shows an elastic address in the Service's status.
pub const EXTERNAL_IP_TYPE: &str = "loadbalancer-external-ip-type";
/// Suffix: the bandwidth of the CLB itself, an integer.
pub const BANDWIDTH: &str = "loadbalancer-bandwidth";
/// Suffix: any value keeps a CLB that CCM made when its Service goes.
pub const PRESERVE: &str = "loadbalancer-preserve-lb-on-delete";
/// Suffix: a host name to show in the Service's status in place of an address.
pub const HOSTNAME: &str = "loadbalancer-hostname";

/// What marks an annotation as one of a candidate's: the part every CLB key shares.
const INFIX: &str = "loadbalancer-";

/// The annotation that CCM reads for a suffix: of the keys under the two prefixes, the one that
/// wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectiveValue<'a> {
    /// The full key.
    pub key: &'a str,
    /// The value, untrimmed.
    pub text: &'a str,
}

/// The full key of a suffix under today's prefix.
pub fn full_key(suffix: &str) -> String {
    format!("{PREFIX}{suffix}")
}

/// The field path of an annotation in findings: `metadata.annotations[key]`.
pub fn field_path(key: &str) -> String {
    format!("metadata.annotations[{key}]")
}

impl Annotations {
    /// The annotation that CCM reads for `suffix`; `None` where neither prefix has a key with it.
    /// The key under [`PREFIX`] wins wherever it exists, even with an empty value (CCM 2.14:
    /// `annotations.go`, `Get`).
    pub fn effective(&self, suffix: &str) -> Option<EffectiveValue<'_>> {
        self.with_prefix(PREFIX, suffix).or_else(|| self.with_prefix(LEGACY_PREFIX, suffix))
    }

    /// The value that CCM reads for `suffix`; empty where there is none, for CCM does not tell the
    /// two apart.
    pub fn text(&self, suffix: &str) -> &str {
        self.effective(suffix).map_or("", |found| found.text)
    }

    /// The full key to write for `suffix`: the one that CCM reads, else the one under today's
    /// prefix.
    pub fn key_of(&self, suffix: &str) -> String {
        self.effective(suffix).map_or_else(|| full_key(suffix), |found| found.key.to_owned())
    }

    /// Removes the annotation of a suffix under both prefixes.
    pub(crate) fn remove_suffix(&mut self, suffix: &str) {
        while let Some(key) = self.effective(suffix).map(|found| found.key.to_owned()) {
            self.remove(&key);
        }
    }

    fn with_prefix(&self, prefix: &str, suffix: &str) -> Option<EffectiveValue<'_>> {
        // The length tells most keys apart, the end nearly all others.
        let length = prefix.len() + suffix.len();
        let is_it =
            |key: &str| key.len() == length && key.ends_with(suffix) && key.starts_with(prefix);
        self.iter().find(|(key, _)| is_it(key)).map(|(key, text)| EffectiveValue { key, text })
    }

    /// Whether any key has one of CCM's prefixes and a suffix that begins with `loadbalancer-`.
    pub fn has_clb_keys(&self) -> bool {
        self.keys().any(|key| suffix_of(key).is_some_and(|suffix| suffix.starts_with(INFIX)))
    }
}

/// Whether a suffix is one of a CLB's annotations.
pub(crate) fn is_of_clb(suffix: &str) -> bool {
    suffix.starts_with(INFIX)
}

/// Whether a suffix names a property of a listener, which CCM writes only where it touches listeners
/// (CCM 2.14: `listeners.go`).
pub fn is_of_listener(suffix: &str) -> bool {
    const LISTENER: [&str; 19] = [
        "acl-",
        "cert-id",
        "connection-drain",
        "cookie",
        "domain-extensions",
        "established-timeout",
        "forward-port",
        "health-check-",
        "healthy-threshold",
        "http2-enabled",
        "idle-timeout",
        "persistence-timeout",
        "protocol-port",
        "proxy-protocol",
        "request-timeout",
        "scheduler",
        "sticky-session",
        "unhealthy-threshold",
        "xforwardedfor-",
    ];
    let name = suffix.strip_prefix(INFIX).unwrap_or_default();
    name == "tls-cipher-policy" || LISTENER.iter().any(|start| name.starts_with(start))
}

/// Whether a change of this annotation of a Service may matter to CCM or to a rule: CCM may read the
/// key, somebody may have meant it so, or it exempts the object from rules. The conditions of the
/// webhook's configuration ask the same, for which there is little they can call.
pub fn is_reviewed(key: &str) -> bool {
    key.contains("load")
        || key.contains("ali")
        || key.starts_with("service.beta.kubernetes.io/")
        || key == ALLOW
}

/// What follows one of CCM's prefixes in a full key; `None` for any other key.
pub fn suffix_of(key: &str) -> Option<&str> {
    key.strip_prefix(PREFIX).or_else(|| key.strip_prefix(LEGACY_PREFIX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_ccm_or_a_rule_reads_is_reviewed_and_what_others_write_is_not() {
        let suffixes = KNOWN_ANNOTATIONS.iter().map(|known| known.suffix);
        for suffix in suffixes {
            assert!(is_reviewed(&format!("{PREFIX}{suffix}")), "{suffix}");
            assert!(is_reviewed(&format!("{LEGACY_PREFIX}{suffix}")), "{suffix}");
        }
        for key in [BACKEND_TYPE, CLASS, TUNNEL_TYPE, ALLOW] {
            assert!(is_reviewed(key), "{key}");
        }
        for key in [
            "argocd.argoproj.io/tracking-id",
            "meta.helm.sh/release-name",
            "field.cattle.io/publicEndpoints",
            "kubectl.kubernetes.io/last-applied-configuration",
            "clbmigrate.io/history",
        ] {
            assert!(!is_reviewed(key), "{key}");
        }
    }

    proptest! {
        #[test]
        fn a_key_that_was_meant_for_ccm_is_reviewed(
            domain in "(service\\.beta\\.kubernetes\\.io/|ali[a-z]{0,6}\\.com/|)",
            vendor in "(alibaba-cloud-|alicloud-|aliyun-|ali-|)",
            name in "(load-?balancer|laodbalancer)-[a-z]{2,12}|backend-typ[a-z]?|clas[a-z]",
        ) {
            let key = format!("{domain}{vendor}{name}");
            prop_assert!(nearest_known_key(&key).is_none() || is_reviewed(&key), "{key}");
        }
    }
}
