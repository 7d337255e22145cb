//! Whose a group, a backend or a listener is, told by its name alone: `k8s/<port>/<service>/<namespace>/<cluster id>`.

use std::fmt::{self, Display};

use crate::service::Key;

const PREFIX: &str = "k8s";

/// The tag of a CLB that CCM created; its value is [`load_balancer_name`].
pub(crate) const CREATED_BY_CCM: &str = "kubernetes.do.not.delete";

/// The name that CCM gives to what is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedKey<'a> {
    /// The node port, the target port, or the port of a listener.
    pub port: &'a str,
    /// The Service's name.
    pub service: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its cluster.
    pub cluster: &'a str,
}

impl<'a> NamedKey<'a> {
    /// Reads a name; `None` for a person's (CCM 2.14: five parts exactly, `load_balancer.go:306-341`).
    pub fn parse(name: &'a str) -> Option<Self> {
        match name.split('/').collect::<Vec<_>>().as_slice() {
            [PREFIX, port, service, namespace, cluster] => {
                Some(Self { port, service, namespace, cluster })
            }
            _ => None,
        }
    }

    /// Whether it names a Service of a cluster. The port does not count (CCM 2.14: `vgroups.go:460-469`).
    pub fn belongs_to(&self, service: &Key, cluster: &str) -> bool {
        self.service == service.name
            && self.namespace == service.namespace
            && self.cluster == cluster
    }
}

impl Display for NamedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, service, namespace, cluster } = self;
        write!(f, "{PREFIX}/{port}/{service}/{namespace}/{cluster}")
    }
}

/// The name of the CLB that CCM makes for a Service: of its uid (CCM 2.14: `annotations.go:216-225`).
pub(crate) fn load_balancer_name(uid: &str) -> String {
    let mut name = format!("a{}", uid.replace('-', ""));
    name.truncate(32);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_five_parts_and_the_port_does_not_count() {
        let web = Key { namespace: "shop".to_owned(), name: "web".to_owned() };
        let read = NamedKey::parse("k8s/30080/web/shop/c1").expect("five parts");
        assert!(read.belongs_to(&web, "c1") && !read.belongs_to(&web, "c2"));
        assert_eq!(read.to_string(), "k8s/30080/web/shop/c1");
        for name in
            ["k8s/30080/web/shop", "k8s/30080/web/shop/c1/", "mine", "", "K8s/1/web/shop/c1"]
        {
            assert_eq!(NamedKey::parse(name), None, "{name}");
        }
    }
}
