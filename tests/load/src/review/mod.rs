//! Reviews as an API server posts them: updates of a migrated Service that keeps its binding.

mod objects;

pub use objects::{manifest, stored_service};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use self::objects::stored;

/// The namespace of all Services.
pub const NAMESPACE: &str = "load";
/// Services are numbered from 0 to one less than this, always with five digits.
pub const MOST_SERVICES: u32 = 100_000;

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

/// Which reviews are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReviewKind {
    /// All are to be allowed.
    Allowed,
    /// All are to be refused.
    Denied,
    /// Every second one is to be refused.
    Mixed,
}

impl ReviewKind {
    /// The decision on the review with this number.
    pub fn decision(self, number: u64) -> Decision {
        let is_denied = match self {
            Self::Allowed => false,
            Self::Denied => true,
            Self::Mixed => !number.is_multiple_of(2),
        };
        if is_denied { Decision::Denied } else { Decision::Allowed }
    }
}

/// How much the Services of a review carry that no rule reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReviewSize {
    /// Little: created by server-side apply, and written by nobody else. A review has 3.4 kB.
    #[value(name = "3k")]
    Small,
    /// As in clusters: written by `kubectl apply`, which keeps all of it in an annotation, by CCM, by
    /// `kubectl annotate` and by Argo CD. A review has 8 kB.
    #[value(name = "8k")]
    Usual,
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
    pub fn new(host: &str, path: &str, decision: Decision, size: ReviewSize) -> Result<Self> {
        let body = body(decision, size);
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

fn body(decision: Decision, size: ReviewSize) -> String {
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
            "object": stored(NUMBER, weight, size, "2026-01-06T10:40:07Z"),
            "oldObject": stored(NUMBER, WEIGHT, size, "2026-01-05T08:31:19Z"),
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
    use rstest::rstest;
    use serde_json::Value;

    use super::objects::PREFIX;
    use super::{Decision, MOST_SERVICES, NAMESPACE, Review, ReviewKind, ReviewSize, manifest};

    fn review(decision: Decision, size: ReviewSize) -> Review {
        Review::new("127.0.0.1:9443", "/validate-services", decision, size).expect("a review")
    }

    fn body(review: &Review) -> Value {
        let request = str::from_utf8(review.request()).expect("text");
        let (head, body) = request.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("POST /validate-services?timeout=5s HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        serde_json::from_str(body).expect("JSON")
    }

    #[rstest]
    fn a_review_is_about_one_service_of_which_only_the_weight_changes(
        #[values(ReviewSize::Small, ReviewSize::Usual)] size: ReviewSize,
    ) {
        let mut review = review(Decision::Denied, size);
        review.fill(7, 9, 42).expect("a Service");
        let body = body(&review);
        let request = &body["request"];
        assert_eq!(request["uid"], "00000007-0000-4000-8000-000000000009");
        assert_eq!(review.uid(), "00000007-0000-4000-8000-000000000009");
        assert_eq!(request["name"], "web-00042");
        assert_eq!(request["namespace"], NAMESPACE);
        let made = manifest(42);
        let old = &request["oldObject"];
        let made_annotations = made["metadata"]["annotations"].as_object().expect("a map");
        for (key, value) in made_annotations {
            assert_eq!(&old["metadata"]["annotations"][key], value, "{key}");
        }
        assert_eq!(old["spec"]["selector"], made["spec"]["selector"]);
        let mut new = request["object"].clone();
        let weight = &mut new["metadata"]["annotations"][format!("{PREFIX}weight")];
        assert_eq!(weight, "101");
        *weight = "60".into();
        if size == ReviewSize::Usual {
            // The API server notes when it was written, too.
            let fields = |of: &Value| of["metadata"]["managedFields"][3].clone();
            assert_eq!(fields(&new)["manager"], "kubectl-annotate");
            assert_ne!(fields(&new)["time"], fields(old)["time"]);
            new["metadata"]["managedFields"][3] = fields(old);
        }
        assert_eq!(&new, old);
    }

    #[rstest]
    fn no_slot_stays_open_and_a_review_can_be_filled_again(
        #[values(ReviewSize::Small, ReviewSize::Usual)] size: ReviewSize,
    ) {
        let mut review = review(Decision::Allowed, size);
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
    fn a_body_has_the_size_that_it_is_named_for() {
        let sizes = [(ReviewSize::Small, 3_300..=3_600), (ReviewSize::Usual, 7_700..=8_300)];
        for (size, range) in sizes {
            for decision in [Decision::Allowed, Decision::Denied] {
                let body = body(&review(decision, size)).to_string().len();
                assert!(range.contains(&body), "{size:?}: {body}");
            }
        }
    }

    #[test]
    fn of_mixed_reviews_every_second_one_is_to_be_refused() {
        let decisions = |kind: ReviewKind| [0, 1, 2].map(|number| kind.decision(number));
        let (allowed, denied) = (Decision::Allowed, Decision::Denied);
        assert_eq!(decisions(ReviewKind::Mixed), [allowed, denied, allowed]);
        assert_eq!(decisions(ReviewKind::Allowed), [allowed; 3]);
        assert_eq!(decisions(ReviewKind::Denied), [denied; 3]);
    }
}
