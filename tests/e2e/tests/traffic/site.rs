//! A CLB, and what is behind it in one namespace of both clusters.

use anyhow::{Context, Result};
use clbmigrate_e2e::{CcmDouble, DataPlane, Listener};
use clbmigrate_testbed::Testbed;
use clbmigrate_testkit::manifests::{self, list};
use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, Pod},
    route::{NEW, OLD, POD_PORT, Route},
};

/// A CLB on a machine of its own, with Services in a namespace that no other CLB has, and a CCM for
/// them in each cluster that has some.
#[derive(Debug)]
pub struct Site {
    pub namespace: &'static str,
    pub clb: DataPlane,
    ccms: Vec<(&'static str, CcmDouble)>,
}

/// The machine that the CLB of a namespace is.
pub fn machine(namespace: &str) -> String {
    format!("clb-{namespace}")
}

impl Site {
    /// Makes the Services of these routes, whose endpoints are all pods of their clusters, and starts
    /// the CLB and CCM; `listener` makes a route's listener.
    pub fn start(
        testbed: &Testbed,
        fixture: &Fixture,
        namespace: &'static str,
        routes: &[&Route],
        listener: impl Fn(&Route) -> Listener,
    ) -> Result<Self> {
        let (machine, id) = (machine(namespace), format!("lb-bp1{namespace}"));
        let listeners: Vec<Listener> = routes.iter().map(|route| listener(route)).collect();
        let pods: Vec<String> = fixture.pods().map(|pod| pod.address.clone()).collect();
        let clb = DataPlane::start(testbed, (&machine, &id), &listeners, &pods)?;
        let mut ccms = Vec::new();
        let has_services = |name: &&str| routes.iter().any(|route| route.mode(name).is_some());
        for name in [OLD, NEW].into_iter().filter(has_services) {
            let cluster = testbed.cluster(name)?;
            let pods: Vec<&Pod> = fixture.pods().filter(|pod| pod.cluster == name).collect();
            let mut items = vec![manifests::namespace(namespace, &json!({}))];
            for route in routes {
                let Some(service) = route.service(name, (namespace, &id)) else { continue };
                items.extend([endpoint_slice(namespace, route.name, &pods), service]);
            }
            cluster.apply(&list(&items).to_string())?;
            let tools = &fixture.tools;
            ccms.push((name, CcmDouble::with_endpoint(&cluster, namespace, tools, &clb.url())?));
        }
        Ok(Self { namespace, clb, ccms })
    }

    /// CCM of a cluster.
    pub fn ccm(&self, cluster: &str) -> Result<&CcmDouble> {
        let found = self.ccms.iter().find(|(name, _)| *name == cluster);
        Ok(&found.with_context(|| format!("no CCM of {cluster}"))?.1)
    }
}

/// The endpoints of a Service that has no selector.
fn endpoint_slice(namespace: &str, service: &str, pods: &[&Pod]) -> Value {
    let nodes: Vec<&str> = pods.iter().map(|pod| pod.node.as_str()).collect();
    let mut slice = manifests::endpoint_slice(namespace, service, &nodes);
    slice["ports"][0]["port"] = POD_PORT.into();
    for (at, pod) in pods.iter().enumerate() {
        slice["endpoints"][at]["addresses"] = json!([pod.address]);
    }
    slice
}
