//! How CCM reads a Service's annotations.

use std::collections::BTreeMap;

/// The prefix that wins wherever both are present, even with an empty value (CCM 2.14: `annotations.go`).
const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";
const LEGACY_PREFIX: &str = "service.beta.kubernetes.io/alicloud-loadbalancer-";

/// Any value but the empty one: the Service is another controller's.
pub(crate) const CLASS: &str = "service.beta.kubernetes.io/class";
/// Present, whatever the value: the Service is another controller's.
pub(crate) const TUNNEL_TYPE: &str =
    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-tunnel-type";
/// `eni` for Pods as backends, any other value for nodes.
pub(crate) const BACKEND_TYPE: &str = "service.beta.kubernetes.io/backend-type";

/// The annotations of one Service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Annotations<'a>(Option<&'a BTreeMap<String, String>>);

impl<'a> Annotations<'a> {
    pub(crate) fn new(map: Option<&'a BTreeMap<String, String>>) -> Self {
        Self(map)
    }

    /// The value of a load balancer key, `weight` for `…-loadbalancer-weight`; empty if there is none.
    pub(crate) fn get(self, suffix: &str) -> &'a str {
        [PREFIX, LEGACY_PREFIX]
            .into_iter()
            .find_map(|prefix| self.exact(&format!("{prefix}{suffix}")))
            .unwrap_or_default()
    }

    /// The value of a key written out.
    pub(crate) fn exact(self, key: &str) -> Option<&'a str> {
        self.0.and_then(|map| map.get(key)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(entries: &[(&str, &str)]) -> String {
        let map =
            entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Annotations::new(Some(&map)).get("weight").to_owned()
    }

    const NEW: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight";
    const LEGACY: &str = "service.beta.kubernetes.io/alicloud-loadbalancer-weight";

    #[test]
    fn both_prefixes_are_read_and_the_new_one_wins() {
        assert_eq!(weight(&[(LEGACY, "40")]), "40");
        assert_eq!(weight(&[(NEW, "60"), (LEGACY, "40")]), "60");
        assert_eq!(weight(&[]), "");
    }

    #[test]
    fn an_empty_new_key_hides_the_legacy_one() {
        assert_eq!(weight(&[(NEW, ""), (LEGACY, "40")]), "");
    }
}
