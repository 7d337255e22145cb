//! Reviews as an API server posts them: updates of a migrated Service that keeps its binding.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

/// The namespace of all Services.
pub const NAMESPACE: &str = "load";
/// Services are numbered from 0 to one less than this, always with five digits.
pub const MOST_SERVICES: u32 = 100_000;

const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";
/// Stands for the number of a Service in a review that is not filled in yet.
const NUMBER: &str = "#####";
/// Stands for the uid of a review that is not filled in yet.
const UID: &str = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@";
/// Of the Services as they are in the cluster.
const WEIGHT: &str = "60";

/// What the webhook must decide about a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The weight becomes 61.
    Allowed,
    /// The weight becomes 101, which CLB001 refuses.
    Denied,
}

/// The manifest of the Service with this number.
pub fn manifest(number: u32) -> Value {
    service(&format!("{number:05}"), WEIGHT)
}

fn service(number: &str, weight: &str) -> Value {
    let name = format!("web-{number}");
    let key = |name: &str| format!("{PREFIX}{name}");
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/name": name},
            "annotations": {
                key("id"): "lb-bp1example",
                key("vgroup-port"): format!("rsp-bp1example{number}:80"),
                key("weight"): weight,
            },
        },
        "spec": {
            "type": "LoadBalancer",
            "allocateLoadBalancerNodePorts": false,
            "externalTrafficPolicy": "Cluster",
            "selector": {"app.kubernetes.io/name": name},
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}],
        },
    })
}

/// A Service as an API server keeps it, with what it, kubectl and CCM have added.
fn stored(weight: &str, version: &str) -> Value {
    let mut service = service(NUMBER, weight);
    let ingress = json!([{"ip": "203.0.113.18", "ipMode": "VIP"}]);
    let added = json!({
        "metadata": {
            "uid": format!("0d9b6c1e-8f0a-4f5e-9d2c-0000000{NUMBER}"),
            "resourceVersion": version,
            "creationTimestamp": "2026-01-05T08:12:44Z",
            "finalizers": ["service.k8s.alibaba/resources"],
            "managedFields": [managed("kubectl", "2026-01-05T08:12:44Z")],
        },
        "spec": {
            "clusterIP": "172.16.58.214",
            "clusterIPs": ["172.16.58.214"],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "sessionAffinity": "None",
            "allocateLoadBalancerNodePorts": true,
            "ports": [{
                "name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080,
                "nodePort": 30080,
            }],
        },
        "status": {"loadBalancer": {"ingress": ingress}},
    });
    json_patch::merge(&mut service, &added);
    service
}

fn managed(manager: &str, time: &str) -> Value {
    let annotation = |name: &str| format!("f:{PREFIX}{name}");
    json!({
        "manager": manager,
        "operation": "Apply",
        "apiVersion": "v1",
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:annotations": {
            annotation("id"): {}, annotation("vgroup-port"): {}, annotation("weight"): {},
        }}},
    })
}

/// A request with a review that can be filled in again and again, which takes no more than copying
/// a few bytes: the client must need less than the server.
#[derive(Debug, Clone)]
pub struct Review {
    request: Vec<u8>,
    uid: usize,
    numbers: Vec<usize>,
    decision: Decision,
}

impl Review {
    /// A review that is posted to a path on a host, such as `/validate-services` on `127.0.0.1:9443`.
    pub fn new(host: &str, path: &str, decision: Decision) -> Result<Self> {
        let body = body(decision);
        // As the API server of Kubernetes 1.36 writes it.
        let head = format!(
            "POST {path}?timeout=5s HTTP/1.1\r\n\
             Host: {host}\r\n\
             User-Agent: kube-apiserver-admission\r\n\
             Content-Length: {}\r\n\
             Accept: application/json, */*\r\n\
             Content-Type: application/json\r\n\
             Accept-Encoding: gzip\r\n\r\n",
            body.len(),
        );
        let request = head + &body;
        let uids = request.match_indices(UID).map(|(at, _)| at).collect::<Vec<_>>();
        ensure!(uids.len() == 1, "a review has {} uids", uids.len());
        let uid = uids.first().copied().context("a review has a uid")?;
        let numbers = request.match_indices(NUMBER).map(|(at, _)| at).collect();
        let mut review = Self { request: request.into_bytes(), uid, numbers, decision };
        review.put(uid, b"00000000-0000-4000-8000-000000000000")?;
        review.fill(0, 0, 0)?;
        Ok(review)
    }

    /// Makes it the review of the Service with this number, with a uid from `run` and `id`. A number that
    /// is not below [`MOST_SERVICES`] is an error.
    pub fn fill(&mut self, run: u32, id: u64, service: u32) -> Result<()> {
        ensure!(service < MOST_SERVICES, "there is no Service {service}");
        self.put(self.uid, &digits::<8>(run.into(), 16))?;
        self.put(self.uid + UID.len() - 12, &digits::<12>(id, 16))?;
        let number = digits::<5>(service.into(), 10);
        for index in 0..self.numbers.len() {
            let at = self.numbers.get(index).copied().unwrap_or_default();
            self.put(at, &number)?;
        }
        Ok(())
    }

    fn put(&mut self, at: usize, text: &[u8]) -> Result<()> {
        let slot = self.request.get_mut(at..at + text.len());
        slot.context("a review ends before its slots")?.copy_from_slice(text);
        Ok(())
    }

    /// The request, head and body.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// The uid that was filled in last.
    pub fn uid(&self) -> &str {
        let uid = self.request.get(self.uid..self.uid + UID.len()).unwrap_or_default();
        str::from_utf8(uid).unwrap_or_default()
    }

    /// What the webhook must decide.
    pub fn decision(&self) -> Decision {
        self.decision
    }
}

/// The last digits of a number.
fn digits<const N: usize>(mut number: u64, base: u8) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        let value = u8::try_from(number % u64::from(base)).unwrap_or_default();
        *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
        number /= u64::from(base);
    }
    digits
}

fn body(decision: Decision) -> String {
    let weight = match decision {
        Decision::Allowed => "61",
        Decision::Denied => "101",
    };
    let kind = json!({"group": "", "version": "v1", "kind": "Service"});
    let resource = json!({"group": "", "version": "v1", "resource": "services"});
    let review = json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": UID,
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": format!("web-{NUMBER}"),
            "namespace": NAMESPACE,
            "operation": "UPDATE",
            "userInfo": {
                "username": "kubernetes-admin",
                "groups": ["system:masters", "system:authenticated"],
            },
            "object": stored(weight, "48213377"),
            "oldObject": stored(WEIGHT, "48213377"),
            "dryRun": false,
            "options": {
                "kind": "PatchOptions",
                "apiVersion": "meta.k8s.io/v1",
                "fieldManager": "kubectl-annotate",
            },
        },
    });
    review.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Decision, MOST_SERVICES, NAMESPACE, Review, manifest};

    fn review(decision: Decision) -> Review {
        Review::new("127.0.0.1:9443", "/validate-services", decision).expect("a review")
    }

    fn body(review: &Review) -> Value {
        let request = str::from_utf8(review.request()).expect("text");
        let (head, body) = request.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("POST /validate-services?timeout=5s HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        serde_json::from_str(body).expect("JSON")
    }

    #[test]
    fn a_review_is_about_one_service_of_which_only_the_weight_changes() {
        let mut review = review(Decision::Denied);
        review.fill(7, 9, 42).expect("a Service");
        let body = body(&review);
        let request = &body["request"];
        assert_eq!(request["uid"], "00000007-0000-4000-8000-000000000009");
        assert_eq!(review.uid(), "00000007-0000-4000-8000-000000000009");
        assert_eq!(request["name"], "web-00042");
        assert_eq!(request["namespace"], NAMESPACE);
        let made = manifest(42);
        let old = &request["oldObject"];
        assert_eq!(old["metadata"]["annotations"], made["metadata"]["annotations"]);
        assert_eq!(old["spec"]["selector"], made["spec"]["selector"]);
        let mut new = request["object"].clone();
        let weight = format!("{}weight", super::PREFIX);
        let weight = &mut new["metadata"]["annotations"][weight];
        assert_eq!(weight, "101");
        *weight = "60".into();
        assert_eq!(&new, old);
    }

    #[test]
    fn no_slot_stays_open_and_a_review_can_be_filled_again() {
        let mut review = review(Decision::Allowed);
        let length = review.request().len();
        for (id, service) in [(1, 99_999), (2, 0)] {
            review.fill(1, id, service).expect("a Service");
            let text = String::from_utf8_lossy(review.request()).into_owned();
            assert!(!text.contains(['#', '@']), "{text}");
            assert_eq!(body(&review)["request"]["name"], format!("web-{service:05}"));
        }
        assert_eq!(review.request().len(), length);
        assert!(review.fill(1, 3, MOST_SERVICES).is_err());
    }

    #[test]
    fn a_body_has_the_size_of_those_that_were_measured_before() {
        for decision in [Decision::Allowed, Decision::Denied] {
            let review = review(decision);
            let size = body(&review).to_string().len();
            assert!((3_300..=3_500).contains(&size), "{size}");
        }
    }
}
