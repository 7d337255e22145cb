//! A cluster with one Service `default/web`, and a cloud with one CLB `lb-a`.

use std::sync::Arc;

use clbmigrate_ccm_double::behaviour::{Behaviour, SharedBehaviour};
use clbmigrate_ccm_double::cloud_client::{
    ApiProduct, ApiRequest, CloudClient, HttpTransport, Transport,
};
use clbmigrate_ccm_double::reconcile::{Reconciled, Reconciler};
use clbmigrate_ccm_double::service::Key;
use clbmigrate_clb_double::LoggedCall;
use serde_json::{Map, Value, json};

use crate::cloud::TestCloud;
use crate::fake_kubernetes::FakeKubernetes;

const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";
pub const ENI: &str = "service.beta.kubernetes.io/backend-type";

pub struct Fixture {
    pub reconciler: Reconciler<FakeKubernetes>,
    pub cloud: TestCloud,
}

impl Fixture {
    /// A healthy Service with ports 80 and 443 in groups `rsp-a` and `rsp-b`, one node, and these annotations
    /// beside; `null` takes one away, and a key with a slash is a whole key. The addresses 10.0.0.1 and 10.0.0.2
    /// have network interfaces.
    pub async fn new(annotations: &Value) -> Self {
        Self::through(Arc::new, annotations).await
    }

    /// The same with something between the double and the cloud.
    pub async fn through<T: Transport + 'static>(
        between: impl FnOnce(HttpTransport) -> Arc<T>,
        annotations: &Value,
    ) -> Self {
        let group = |id: &str| json!({"id": id, "name": format!("name of {id}")});
        let load_balancers = json!([{
            "id": "lb-a", "name": "a", "address": "192.0.2.10",
            "groups": [group("rsp-a"), group("rsp-b")],
        }]);
        let interface = |ip: &str| json!({"id": format!("eni-{ip}"), "ip": ip});
        let interfaces = json!([interface("10.0.0.1"), interface("10.0.0.2")]);
        let cloud = TestCloud::start(&load_balancers, &interfaces).await;
        let kubernetes = FakeKubernetes::default();
        kubernetes.put(&service(annotations));
        kubernetes.put(&node("node-1"));
        let reconciler = Reconciler {
            kubernetes,
            cloud: CloudClient::new(between(cloud.transport()), "vpc-test"),
            control: SharedBehaviour::new(Behaviour::default()),
            standalone: None,
        };
        Self { reconciler, cloud }
    }

    pub fn kubernetes(&self) -> &FakeKubernetes {
        &self.reconciler.kubernetes
    }

    pub fn annotate(&self, annotations: &Value) {
        let patch = json!({"metadata": {"annotations": keys(annotations)}});
        self.kubernetes().patch("Service", "web", &patch);
    }

    /// A round, with the calls it made.
    pub async fn round(&self) -> (Reconciled, Vec<LoggedCall>) {
        let key = Key { namespace: "default".to_owned(), name: "web".to_owned() };
        let ended = self.reconciler.reconcile(&key).await.expect("a Service");
        (ended, self.cloud.take_calls())
    }

    /// The actions that a round asks for.
    pub async fn actions(&self) -> Vec<String> {
        actions(&self.round().await.1)
    }

    /// The writes that a round asks for.
    pub async fn writes(&self) -> Vec<String> {
        let is_write =
            |action: &String| !action.starts_with("Describe") && !action.starts_with("List");
        self.actions().await.into_iter().filter(is_write).collect()
    }

    /// Asks the cloud for something by hand, as a call that no round has made.
    pub async fn by_hand(&self, action: &'static str, parameters: &[(&str, &str)]) -> Value {
        let parameters = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let request = ApiRequest { product: ApiProduct::Slb, action, parameters };
        let answer = self.cloud.transport().call(request).await.expect("an answer");
        self.cloud.take_calls();
        answer
    }
}

pub fn actions(calls: &[LoggedCall]) -> Vec<String> {
    calls.iter().map(|call| call.action.clone()).collect()
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
