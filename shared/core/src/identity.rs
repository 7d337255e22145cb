//! Whom a backend belongs to: the description `k8s/<port>/<service>/<namespace>/<cluster id>`.

use std::fmt;

/// The id of a cluster whose CCM was given none (CCM 2.14: `metadata.go`). Every such cluster has
/// it.
pub const DEFAULT_CLUSTER_ID: &str = "clusterid";

/// The longest description that the CLB's documents allow, in characters. What happens to a longer
/// one is not verified.
pub const MAX_DESCRIPTION: usize = 80;

/// A stand-in for the id of a cluster that is not known, as long as the ids that ACK gives out.
pub const UNKNOWN_CLUSTER_ID: &str = "ccccccccccccccccccccccccccccccccc";

/// The description of a backend, or the name of a group, that CCM wrote (CCM 2.14:
/// `load_balancer.go`, `VGroupNamedKey`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedKey<'a> {
    /// The node port; in ENI mode the target port's number or name.
    pub port: &'a str,
    /// The Service's name.
    pub service: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The cluster's id.
    pub cluster_id: &'a str,
}

impl<'a> NamedKey<'a> {
    /// Reads a description. `None` unless it has exactly five parts of which the first is `k8s`:
    /// CCM takes anything else for the user's own.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('/');
        let mut next = || parts.next();
        let (prefix, port, service, namespace, cluster_id) =
            (next()?, next()?, next()?, next()?, next()?);
        (prefix == "k8s" && parts.next().is_none()).then_some(Self {
            port,
            service,
            namespace,
            cluster_id,
        })
    }

    /// Whether both name the same Service of the same cluster. CCM does not compare the port.
    pub fn is_same_service(&self, other: &NamedKey<'_>) -> bool {
        self.service == other.service
            && self.namespace == other.namespace
            && self.cluster_id == other.cluster_id
    }
}

impl NamedKey<'_> {
    /// How many characters the text has.
    pub fn length(&self) -> usize {
        let Self { port, service, namespace, cluster_id } = self;
        let parts = [port, service, namespace, cluster_id];
        "k8s".len() + parts.iter().map(|part| 1 + part.chars().count()).sum::<usize>()
    }
}

impl fmt::Display for NamedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, service, namespace, cluster_id } = self;
        write!(f, "k8s/{port}/{service}/{namespace}/{cluster_id}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_four_parts_is_the_users() {
        assert_eq!(NamedKey::parse("k8s/a/b/c"), None);
        assert_eq!(NamedKey::parse("k8s/a/b/c/d/e"), None);
        assert_eq!(NamedKey::parse("K8s/a/b/c/d"), None);
        assert!(NamedKey::parse("k8s/a/b/c/d").is_some());
    }

    #[test]
    fn the_port_does_not_decide_ownership() {
        let a = NamedKey::parse("k8s/30080/web/shop/c1").expect("a description");
        let b = NamedKey::parse("k8s/30443/web/shop/c1").expect("a description");
        let c = NamedKey::parse("k8s/30080/web/shop/c2").expect("a description");
        assert!(a.is_same_service(&b));
        assert!(!a.is_same_service(&c));
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn a_description_is_read_back(parts in proptest::array::uniform4("[^/]*")) {
                let [port, service, namespace, cluster_id] = &parts;
                let key = NamedKey { port, service, namespace, cluster_id };
                let text = key.to_string();
                prop_assert_eq!(NamedKey::parse(&text), Some(key));
            }

            #[test]
            fn no_text_makes_the_reader_panic(text in any::<String>()) {
                let _ = NamedKey::parse(&text);
            }
        }
    }
}
