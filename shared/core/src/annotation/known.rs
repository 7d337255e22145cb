//! The table of annotations that the rules know CCM to read, and the search for keys that were
//! meant.

use std::{collections::BTreeMap, sync::LazyLock};

use super::{BACKEND_TYPE, CLASS, EffectiveValue, INFIX, LEGACY_PREFIX, PREFIX, suffix_of};
use crate::object::Annotations;

/// An annotation that CCM reads.
#[derive(Debug, Clone, Copy)]
pub struct KnownAnnotation {
    /// What follows the prefix.
    pub suffix: &'static str,
    /// How CCM reads the value.
    pub kind: ValueKind,
}

/// How CCM reads an annotation's value, as far as a rule depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// As text, or in a form that has a rule of its own or none at all.
    Text,
    /// As an integer of the listener model. Any other text fails the whole round, even where
    /// listeners are not touched (CCM 2.14: `listeners.go`).
    Integer,
    /// As a property of the CLB itself, which its other users share (CCM 2.14: `loadbalancer.go`).
    SharedClb,
    /// As an integer property of the CLB itself. Any other text fails the whole round.
    SharedClbInteger,
    /// As `PROTOCOL:PORT`, several separated by commas. An entry in another form fails the whole
    /// round.
    ProtocolPort,
    /// As `FROM:TO`, several separated by commas, where the port's protocol is HTTP. An entry in
    /// another form fails the whole round.
    ForwardPort,
    /// As `DOMAIN:CERTIFICATE`, several separated by commas. An entry in another form fails the
    /// whole round (CCM 2.13 and later).
    DomainExtensions,
}

impl ValueKind {
    /// Whether CCM writes the value to the CLB itself.
    pub fn changes_clb(self) -> bool {
        matches!(self, Self::SharedClb | Self::SharedClbInteger)
    }
}

const fn known(suffix: &'static str, kind: ValueKind) -> KnownAnnotation {
    KnownAnnotation { suffix, kind }
}

use ValueKind::{
    DomainExtensions, ForwardPort, Integer, ProtocolPort, SharedClb, SharedClbInteger, Text,
};

/// The suffixes that CCM 2.14 reads (`annotations.go`, and `service_utils.go` for two of them), and
/// one of a newer release.
pub const KNOWN_ANNOTATIONS: &[KnownAnnotation] = &[
    known("loadbalancer-id", Text),
    known("loadbalancer-vgroup-port", Text),
    known("loadbalancer-weight", Text),
    known("loadbalancer-default-weight", Text),
    known("loadbalancer-ignore-weight-update", Text),
    known("loadbalancer-force-override-listeners", Text),
    known("loadbalancer-backend-label", Text),
    known("loadbalancer-remove-unscheduled-backend", Text),
    known("loadbalancer-backend-ip-version", Text),
    known("loadbalancer-ip-version", Text),
    known("loadbalancer-address-type", Text),
    known("loadbalancer-network-type", Text),
    known("loadbalancer-ip", Text),
    known("loadbalancer-name", SharedClb),
    known("loadbalancer-spec", SharedClb),
    known("loadbalancer-charge-type", SharedClb),
    known("loadbalancer-instance-charge-type", SharedClb),
    known("loadbalancer-bandwidth", SharedClbInteger),
    known("loadbalancer-additional-resource-tags", SharedClb),
    known("loadbalancer-delete-protection", SharedClb),
    known("loadbalancer-modification-protection", SharedClb),
    known("loadbalancer-vswitch-id", Text),
    known("loadbalancer-master-zoneid", Text),
    known("loadbalancer-slave-zoneid", Text),
    known("loadbalancer-resource-group-id", Text),
    known("loadbalancer-preserve-lb-on-delete", Text),
    known("loadbalancer-external-ip-type", Text),
    known("loadbalancer-hostname", Text),
    known("loadbalancer-type", Text),
    known("loadbalancer-tunnel-type", Text),
    known("loadbalancer-scheduler", Text),
    known("loadbalancer-protocol-port", ProtocolPort),
    known("loadbalancer-forward-port", ForwardPort),
    known("loadbalancer-cert-id", Text),
    known("loadbalancer-tls-cipher-policy", Text),
    known("loadbalancer-http2-enabled", Text),
    known("loadbalancer-domain-extensions", DomainExtensions),
    known("loadbalancer-persistence-timeout", Integer),
    known("loadbalancer-established-timeout", Integer),
    known("loadbalancer-request-timeout", Integer),
    known("loadbalancer-idle-timeout", Integer),
    known("loadbalancer-connection-drain", Text),
    known("loadbalancer-connection-drain-timeout", Integer),
    known("loadbalancer-sticky-session", Text),
    known("loadbalancer-sticky-session-type", Text),
    known("loadbalancer-cookie", Text),
    known("loadbalancer-cookie-timeout", Integer),
    known("loadbalancer-acl-status", Text),
    known("loadbalancer-acl-id", Text),
    known("loadbalancer-acl-type", Text),
    known("loadbalancer-proxy-protocol", Text),
    known("loadbalancer-xforwardedfor-proto", Text),
    known("loadbalancer-xforwardedfor-slbport", Text),
    known("loadbalancer-xforwardedfor-clientsrcport", Text),
    known("loadbalancer-health-check-switch", Text),
    known("loadbalancer-health-check-flag", Text),
    known("loadbalancer-health-check-type", Text),
    known("loadbalancer-health-check-uri", Text),
    known("loadbalancer-health-check-domain", Text),
    known("loadbalancer-health-check-httpcode", Text),
    known("loadbalancer-health-check-method", Text),
    known("loadbalancer-health-check-connect-port", Integer),
    known("loadbalancer-health-check-interval", Integer),
    known("loadbalancer-health-check-connect-timeout", Integer),
    known("loadbalancer-health-check-timeout", Integer),
    known("loadbalancer-healthy-threshold", Integer),
    known("loadbalancer-unhealthy-threshold", Integer),
    // For network load balancers; on a CLB's Service CCM passes over them.
    known("loadbalancer-zone-maps", Text),
    known("loadbalancer-cross-zone-enabled", Text),
    known("loadbalancer-ipv6-address-type", Text),
    known("loadbalancer-listener-port-range", Text),
    known("loadbalancer-additional-cert-ids", Text),
    known("loadbalancer-alpn", Text),
    known("loadbalancer-alpn-policy", Text),
    known("loadbalancer-security-group-ids", Text),
    known("loadbalancer-bandwidth-package-id", Text),
    known("loadbalancer-cacert-id", Text),
    known("loadbalancer-cacert", Text),
    known("loadbalancer-cps", Text),
    known("loadbalancer-preserve-client-ip", Text),
    known("loadbalancer-server-group-type", Text),
    known("loadbalancer-ppv2-pvl-ep-id-enabled", Text),
    known("loadbalancer-ppv2-pvl-eps-id-enabled", Text),
    known("loadbalancer-ppv2-pvl-vpc-id-enabled", Text),
    // Newer than CCM 2.14.
    known("loadbalancer-graceful-shutdown", Text),
];

/// The entry of a suffix; `None` where CCM does not read it. Suffixes are told apart by their lengths first, which leaves a few each.
fn table_entry(suffix: &str) -> Option<TableEntry> {
    static BY_LENGTH: LazyLock<BTreeMap<usize, Vec<TableEntry>>> = LazyLock::new(|| {
        let mut entries: BTreeMap<usize, Vec<TableEntry>> = BTreeMap::new();
        for (at, known) in KNOWN_ANNOTATIONS.iter().enumerate() {
            entries.entry(known.suffix.len()).or_default().push((at, known));
        }
        entries
    });
    let entries = BY_LENGTH.get(&suffix.len())?;
    entries.iter().copied().find(|(_, known)| known.suffix == suffix)
}

/// An annotation with its position in the table.
type TableEntry = (usize, &'static KnownAnnotation);

/// The table's entry for a suffix; `None` where the table has none.
pub fn find_known(suffix: &str) -> Option<&'static KnownAnnotation> {
    table_entry(suffix).map(|(_, known)| known)
}

/// The annotations of an object that are in the table, in the table's order, each with the value
/// that CCM reads.
pub(crate) fn known_in(
    annotations: &Annotations,
) -> Vec<(&'static KnownAnnotation, EffectiveValue<'_>)> {
    let mut found: Vec<(TableEntry, EffectiveValue<'_>)> = Vec::new();
    for (key, text) in annotations.iter() {
        let Some(suffix) = suffix_of(key) else { continue };
        let Some(entry) = table_entry(suffix) else { continue };
        // The new prefix comes first, by alphabet, and wins.
        if !found.iter().any(|((at, _), _)| *at == entry.0) {
            found.push((entry, EffectiveValue { key, text }));
        }
    }
    found.sort_unstable_by_key(|((at, _), _)| *at);
    found.into_iter().map(|((_, known), found)| (known, found)).collect()
}

/// The suffix of the older articles, which CCM never read (rule CLB007).
pub const VGROUP_IDS: &str = "loadbalancer-vgroup-ids";

/// What the vendor's name looks like in keys that people write.
const VENDORS: [&str; 3] = ["alibaba", "aliyun", "alicloud"];

/// Domain of the keys that Kubernetes' cloud providers share.
const DOMAIN: &str = "service.beta.kubernetes.io/";

/// The full key that `key` was probably meant to be: under another prefix, with `load-balancer`, or
/// with up to two slips of the pen. `None` where `key` is known itself, where neither its domain nor
/// its name points to Alibaba Cloud, or where it resembles no known key.
pub fn nearest_known_key(key: &str) -> Option<String> {
    if is_known(key) || suffix_of(key) == Some(VGROUP_IDS) {
        return None;
    }
    let (domain, name) = key.split_once('/').map_or(("", key), |(domain, name)| (domain, name));
    let names_vendor = |text: &str| VENDORS.iter().any(|vendor| text.contains(vendor));
    let is_ours = domain == DOMAIN.trim_end_matches('/')
        || names_vendor(domain)
        || (domain.is_empty() && names_vendor(name));
    if !is_ours {
        return None;
    }
    let name = name.replace("load-balancer", "loadbalancer");
    if let Some(suffix) = bare_suffix(&name) {
        let exact = find_known(&suffix);
        let close = || {
            let limit = if suffix.len() < INFIX.len() + 6 { 1 } else { 2 };
            KNOWN_ANNOTATIONS
                .iter()
                .map(|known| (edit_distance(known.suffix, &suffix), known))
                .filter(|(distance, _)| *distance <= limit)
                .min_by_key(|(distance, _)| *distance)
                .map(|(_, known)| known)
        };
        return exact.or_else(close).map(|known| format!("{PREFIX}{}", known.suffix));
    }
    let vendorless = name.strip_prefix("alibaba-cloud-").or_else(|| name.strip_prefix("alicloud-"));
    let name = vendorless.unwrap_or(&name);
    let plain = BACKEND_TYPE.trim_start_matches(DOMAIN);
    (edit_distance(plain, name) <= 2).then(|| BACKEND_TYPE.to_owned())
}

/// Whether CCM reads `key`.
fn is_known(key: &str) -> bool {
    key == BACKEND_TYPE
        || key == CLASS
        || suffix_of(key).is_some_and(|suffix| find_known(suffix).is_some())
}

/// `loadbalancer-…` out of a name whose vendor part may be missing or another's.
fn bare_suffix(name: &str) -> Option<String> {
    if let Some(start) = name.find(INFIX) {
        let vendor = name.get(..start)?;
        let is_vendor = ["", "alibaba-cloud-", "alicloud-", "aliyun-", "alibabacloud-", "ali-"]
            .iter()
            .any(|known| edit_distance(known, vendor) <= 1);
        return is_vendor.then(|| name.get(start..).unwrap_or_default().to_owned());
    }
    // `alibaba-cloud-loadbalncer-weight`: the infix itself is misspelt.
    let vendor = [PREFIX, LEGACY_PREFIX].map(|prefix| prefix.trim_start_matches(DOMAIN));
    let rest = vendor.iter().find_map(|vendor| name.strip_prefix(vendor))?;
    let (infix, _) = rest.split_once('-')?;
    (edit_distance(infix, INFIX.trim_end_matches('-')) <= 2).then(|| rest.to_owned())
}

/// How many edits make one short text of the other: a character added, removed or replaced, or two
/// neighbours swapped.
#[expect(clippy::indexing_slicing, reason = "each row has one entry more than `b` has characters")]
pub fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            let mut cost = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == b[j] && a[i] == b[j - 1] {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("alibaba-cloud-loadbalancer-id", "alibaba-cloud-loadbalancer-id")]
    #[case(
        "service.beta.kubernetes.io/alibaba-cloud-load-balancer-spec",
        "alibaba-cloud-loadbalancer-spec"
    )]
    #[case("service.beta.kubernetes.io/aliyun-loadbalancer-id", "alibaba-cloud-loadbalancer-id")]
    #[case(
        "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-wieght",
        "alibaba-cloud-loadbalancer-weight"
    )]
    #[case(
        "service.beta.kubernetes.io/alicloud-loadbalancer-health-check-tag",
        "alibaba-cloud-loadbalancer-health-check-flag"
    )]
    #[case(
        "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-health-check-http-code",
        "alibaba-cloud-loadbalancer-health-check-httpcode"
    )]
    #[case("service.beta.kubernetes.io/loadbalancer-id", "alibaba-cloud-loadbalancer-id")]
    #[case("service.beta.kubernetes.io/alibaba-cloud-backend-type", "backend-type")]
    fn a_key_that_nobody_reads_is_traced_to_the_one_that_was_meant(
        #[case] key: &str,
        #[case] meant: &str,
    ) {
        assert_eq!(nearest_known_key(key), Some(format!("{DOMAIN}{meant}")));
    }

    #[rstest]
    #[case("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight")]
    #[case("service.beta.kubernetes.io/alicloud-loadbalancer-id")]
    #[case("service.beta.kubernetes.io/backend-type")]
    #[case("service.beta.kubernetes.io/class")]
    #[case("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-ids")]
    #[case("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-brand-new-thing")]
    #[case("service.beta.kubernetes.io/aws-load-balancer-type")]
    #[case("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-cacert-id")]
    #[case("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-xforwardedfor-clientsrcport")]
    #[case("quality.example.com/backend-type")]
    #[case("prometheus.io/scrape")]
    #[case("nginx.ingress.kubernetes.io/load-balance")]
    #[case("")]
    fn a_key_that_is_right_or_somebody_elses_is_left_alone(#[case] key: &str) {
        assert_eq!(nearest_known_key(key), None);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_key_makes_the_search_panic(key in any::<String>()) {
                let _ = nearest_known_key(&key);
            }

            #[test]
            fn one_slip_in_a_long_suffix_is_found(
                known in proptest::sample::select(KNOWN_ANNOTATIONS.to_vec()),
                at in any::<proptest::sample::Index>(),
            ) {
                let tail = known.suffix.trim_start_matches(INFIX);
                prop_assume!(tail.len() > 4);
                let cut = at.index(tail.len());
                let slipped = format!("{}{}", &tail[..cut], &tail[cut + 1..]);
                let key = format!("{PREFIX}{INFIX}{slipped}");
                prop_assume!(!is_known(&key));
                prop_assert!(nearest_known_key(&key).is_some(), "{}", key);
            }
        }
    }
}
