//! 2xx: whose backend is whose.

use clbmigrate_core::annotation::{VGROUP_PORT, WEIGHT};
use serde_json::json;

use super::{Rule, rule};
use crate::support::{CLUSTER_ID, OTHER_ID, TestSnapshot, healthy, service, sibling};

fn id(id: &'static str) -> TestSnapshot {
    healthy().id(Some(id))
}

fn named(setup: TestSnapshot, name: &str) -> TestSnapshot {
    setup.edit("Service", &json!({"metadata": {"name": name}}))
}

/// Cluster `old` with suffix `-a` beside cluster `new` with suffix `-b`.
fn two_clusters(name: &str) -> TestSnapshot {
    let new = [sibling("web-b")];
    let setup = named(healthy(), name).context("old").suffix("-a").beside("new", OTHER_ID, &new);
    setup.within(1).suffix("-b").within(0)
}

pub fn rules() -> Vec<Rule> {
    vec![
        rule("CLB201")
            .error("the id that every CCM without its own has", id("clusterid"))
            .error("the id of another cluster at hand", {
                healthy().context("old").beside("new", CLUSTER_ID, &[service()])
            })
            .times(2)
            .error("the suffix of the cluster is not the name's", id("clusterid").suffix("-a"))
            .silent("an id of its own", healthy().beside("new", OTHER_ID, &[service()]))
            .silent("the name carries the cluster's suffix", {
                named(id("clusterid").suffix("-a"), "web-a")
            })
            .silent("a Service that reuses no group", {
                id("clusterid").bare(VGROUP_PORT).bare(WEIGHT)
            })
            .blind("the id is unknown", healthy().id(None)),
        rule("CLB202")
            .error("a slash", id("shop/production"))
            .error("empty parts", id("shop//production"))
            .error("nothing", id(""))
            .error("a space", id("shop production"))
            .error("too long", id("c0123456789abcdef0123456789abcdef0123456789abcdef"))
            .silent("as ACK gives it", healthy())
            .silent("a UUID", id("8c5f6f0a-1b1c-4f6e-9d55-8d1f4c1f8a11"))
            .silent("the id that every CCM without its own has", id("clusterid"))
            .blind("the id is unknown", healthy().id(None)),
        rule("CLB203")
            .error("the other cluster's suffix", two_clusters("web-b"))
            .saying("\"-b\"")
            .silent("this cluster's suffix", two_clusters("web-a"))
            .silent("no suffix", two_clusters("web"))
            .silent("this cluster's suffix ends in the other's", {
                two_clusters("web-a-b").suffix("-a-b")
            })
            .silent("no other cluster is known", named(healthy().suffix("-a"), "web-b")),
    ]
}
