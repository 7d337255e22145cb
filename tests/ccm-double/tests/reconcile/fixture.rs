//! A cluster with one Service `default/web`, and a cloud with one CLB `lb-a`.

use std::sync::Arc;

use clbmigrate_ccm_double::behaviour::{Behaviour, SharedBehaviour};
use clbmigrate_ccm_double::cloud_client::memory::{Logged, Memory};
use clbmigrate_ccm_double::cloud_client::{ApiProduct, ApiRequest, CloudClient, Transport};
use clbmigrate_ccm_double::reconcile::{Reconciled, Reconciler};
use clbmigrate_ccm_double::service::Key;
use serde_json::{Map, Value, json};

use crate::fake_kubernetes::FakeKubernetes;

const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";
pub const ENI: &str = "service.beta.kubernetes.io/backend-type";

pub struct Fixture {
    pub reconciler: Reconciler<FakeKubernetes>,
    pub cloud: Arc<Memory>,
}

impl Fixture {
    /// A healthy Service with ports 80 and 443 in groups `rsp-a` and `rsp-b`, one node, and these annotations
    /// beside; `null` takes one away, and a key with a slash is a whole key.
    pub fn new(annotations: &Value) -> Self {
        Self::over(Arc::new(Memory::logging()), |cloud| cloud, annotations)
    }

    /// The same with something between the double and the cloud.
    pub fn over<A: Transport + 'static>(
        cloud: Arc<Memory>,
        between: impl FnOnce(Arc<Memory>) -> Arc<A>,
        annotations: &Value,
    ) -> Self {
        cloud.put_balancer("lb-a", "a", "192.0.2.10");
        for group in ["rsp-a", "rsp-b"] {
            cloud.put_group("lb-a", group, &format!("name of {group}"));
        }
        let kubernetes = FakeKubernetes::default();
        kubernetes.put(&service(annotations));
        kubernetes.put(&node("node-1"));
        let control = SharedBehaviour::new(Behaviour::default());
        let clb = CloudClient::new(between(Arc::clone(&cloud)), "vpc-test");
        Self { reconciler: Reconciler { kubernetes, cloud: clb, control, standalone: None }, cloud }
    }

    pub fn kubernetes(&self) -> &FakeKubernetes {
        &self.reconciler.kubernetes
    }

    pub fn annotate(&self, annotations: &Value) {
        let patch = json!({"metadata": {"annotations": keys(annotations)}});
        self.kubernetes().patch("Service", "web", &patch);
    }

    /// A round, with the calls it made.
    pub async fn round(&self) -> (Reconciled, Vec<Logged>) {
        let key = Key { namespace: "default".to_owned(), name: "web".to_owned() };
        let ended = self.reconciler.reconcile(&key).await.expect("a Service");
        (ended, self.cloud.take_calls())
    }

    /// The actions that a round asks for.
    pub async fn actions(&self) -> Vec<&'static str> {
        actions(&self.round().await.1)
    }

    /// The writes that a round asks for.
    pub async fn writes(&self) -> Vec<&'static str> {
        let is_write =
            |action: &&str| !action.starts_with("Describe") && !action.starts_with("List");
        self.actions().await.into_iter().filter(is_write).collect()
    }
}

pub fn actions(calls: &[Logged]) -> Vec<&'static str> {
    calls.iter().map(|logged| logged.call.action).collect()
}

/// Asks the cloud for something by hand.
pub async fn by_hand(cloud: &Memory, action: &'static str, parameters: &[(&str, &str)]) -> Value {
    let parameters =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let call = ApiRequest { product: ApiProduct::Slb, action, parameters };
    let answer = cloud.call(call).await.expect("an answer");
    cloud.take_calls();
    answer
}

fn keys(annotations: &Value) -> Map<String, Value> {
    let annotations = annotations.as_object().expect("annotations");
    let whole =
        |key: &String| if key.contains('/') { key.clone() } else { format!("{PREFIX}{key}") };
    annotations.iter().map(|(key, value)| (whole(key), value.clone())).collect()
}

fn service(annotations: &Value) -> Value {
    let mut healthy = json!({"id": "lb-a", "vgroup-port": "rsp-a:80,rsp-b:443", "weight": "60"});
    json_patch::merge(&mut healthy, annotations);
    json!({
        "kind": "Service",
        "metadata": {
            "name": "web", "namespace": "default", "uid": "0000-11-22",
            "annotations": keys(&healthy),
        },
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Cluster",
            "ports": [
                {"port": 80, "protocol": "TCP", "targetPort": 8080, "nodePort": 30080},
                {"port": 443, "protocol": "TCP", "targetPort": 8443, "nodePort": 30443},
            ],
        },
    })
}

pub fn node(name: &str) -> Value {
    json!({
        "kind": "Node",
        "metadata": {"name": name, "labels": {"zone": "a"}},
        "spec": {"providerID": format!("cn-example.i-{name}")},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// An EndpointSlice of the Service: addresses with their Pods, and whether they are ready.
pub fn slice(endpoints: &[(&str, &str, bool)]) -> Value {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|(address, pod, is_ready)| {
            json!({
                "addresses": [address],
                "conditions": {"ready": is_ready},
                "nodeName": "node-1",
                "targetRef": {"kind": "Pod", "namespace": "default", "name": pod},
            })
        })
        .collect();
    json!({
        "kind": "EndpointSlice",
        "addressType": "IPv4",
        "metadata": {
            "name": "web-1", "namespace": "default",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "endpoints": endpoints,
        "ports": [],
    })
}
