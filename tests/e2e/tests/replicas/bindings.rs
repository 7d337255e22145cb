//! Services of many groups, and what of them the API server has stored.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use clbmigrate_testkit::manifests::{key, service};
use serde_json::{Value, json};

use crate::test_cluster::TestCluster;

const BACKEND_TYPE: &str = "service.beta.kubernetes.io/backend-type";

/// A port of a CLB.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    pub clb: String,
    pub port: u16,
}

/// A vServer group of a test.
#[derive(Debug, Clone)]
pub struct Group {
    /// The test's word and a number, in its names.
    name: String,
}

impl Group {
    pub fn new(test: &str, number: usize) -> Self {
        Self { name: format!("{test}{number}") }
    }

    pub fn id(&self) -> String {
        format!("rsp-bp1{}", self.name)
    }

    /// What most Services want.
    pub fn binding(&self, port: u16) -> Binding {
        Binding { clb: format!("lb-bp1{}", self.name), port }
    }

    /// The bindings that 20 Services want: half of them what is usual, the others another port or
    /// another CLB.
    pub fn wanted(&self, number: usize) -> Binding {
        match number % 4 {
            0 | 2 => self.binding(80),
            1 => self.binding(90),
            _ => Binding { clb: format!("lb-bp1{}other", self.name), port: 80 },
        }
    }

    /// A Service with a binding to this group. It has two ports, so that it can move.
    pub fn service(&self, name: &str, binding: &Binding) -> Value {
        let mapping = self.mapping(binding.port);
        let annotations =
            [("id", binding.clb.as_str()), ("vgroup-port", &mapping), ("weight", "20")];
        let mut service = service(name, &annotations);
        let port =
            |port: u16| json!({"name": format!("p{port}"), "port": port, "targetPort": 8080});
        service["spec"]["ports"] = json!([port(80), port(90)]);
        // There are not as many node ports as Services, and pods need none.
        service["metadata"]["annotations"][BACKEND_TYPE] = "eni".into();
        service["spec"]["allocateLoadBalancerNodePorts"] = false.into();
        service
    }

    /// The value of `vgroup-port`.
    pub fn mapping(&self, port: u16) -> String {
        format!("{}:{port}", self.id())
    }
}

/// What the Services of a namespace bind as CCM reads them, by group: those of type `LoadBalancer`,
/// without class and tunnel. Each of these tests' mappings has one entry.
pub fn stored(cluster: &TestCluster<'_>, namespace: &str) -> Result<BTreeMap<String, Bound>> {
    let list = cluster.kubectl_ok(&format!("get services -n {namespace} -o json"), "")?.json()?;
    let mut groups: BTreeMap<String, Bound> = BTreeMap::new();
    for service in list["items"].as_array().context("a list")? {
        let annotations = &service["metadata"]["annotations"];
        let text = |suffix: &str| annotations[key(suffix)].as_str();
        let kept_away = annotations["service.beta.kubernetes.io/class"].as_str().is_some()
            || text("tunnel-type").is_some();
        let (Some(clb), Some(mapping)) = (text("id"), text("vgroup-port")) else { continue };
        if service["spec"]["type"] != "LoadBalancer" || kept_away {
            continue;
        }
        let (group, port) = mapping.split_once(':').context("a mapping")?;
        let bound = groups.entry(group.to_owned()).or_default();
        bound.bindings.insert(Binding { clb: clb.to_owned(), port: port.parse()? });
        bound.services += 1;
    }
    Ok(groups)
}

/// What Services bind a group to.
#[derive(Debug, Default, Clone)]
pub struct Bound {
    pub bindings: BTreeSet<Binding>,
    pub services: usize,
}

/// Demands that no group has two ports or two CLBs.
pub fn ensure_unique(groups: &BTreeMap<String, Bound>) -> Result<()> {
    for (group, bound) in groups {
        ensure!(bound.bindings.len() == 1, "{group} has {:?}", bound.bindings);
    }
    Ok(())
}
