//! How many reviews are answered at once, and what becomes of the rest.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Limits, Reply};
use crate::Hook;

/// How long API servers wait if they do not say, in seconds.
const PATIENCE: u64 = 5;

/// The longest that any API server waits, in seconds.
const LONGEST: u64 = 30;

/// Places for reviews. A storm of Pods takes none of those for Services.
#[derive(Debug)]
pub(super) struct Places {
    services: Kind,
    workloads: Kind,
    pods: Kind,
}

#[derive(Debug)]
struct Kind {
    taken: AtomicUsize,
    limit: usize,
}

/// A place, which is free again when this value ends.
#[derive(Debug)]
pub(super) struct Place<'p>(&'p Kind);

impl Places {
    pub fn new(limits: &Limits) -> Self {
        let kind = |limit| Kind { taken: AtomicUsize::new(0), limit };
        Self {
            services: kind(limits.services),
            workloads: kind(limits.workloads),
            pods: kind(limits.pods),
        }
    }

    /// Takes a place, if there is one.
    pub fn take(&self, hook: Hook) -> Option<Place<'_>> {
        let kind = match hook {
            Hook::ValidateServices => &self.services,
            Hook::ValidateWorkloads | Hook::MutateWorkloads => &self.workloads,
            Hook::MutatePods => &self.pods,
        };
        let place = Place(kind);
        // Dropping the place gives back what is taken here.
        let before = kind.taken.fetch_add(1, Ordering::Relaxed);
        (before < kind.limit).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long an answer may take: a fifth less than the API server waits, which says so in the query
/// in whole seconds.
pub(super) fn patience(query: Option<&str>) -> Duration {
    let said = query.and_then(|query| {
        let mut pairs = query.split('&');
        let timeout = pairs.find_map(|pair| pair.strip_prefix("timeout="))?;
        timeout.strip_suffix('s')?.parse::<u64>().ok()
    });
    Duration::from_secs(said.unwrap_or(PATIENCE).clamp(1, LONGEST)) * 4 / 5
}

/// The answer to a Pod's review that nobody has looked at: it goes in without a hook, because what
/// it gets with a hook is not worth that it does not start. None for what is no review.
pub(super) fn unjudged(body: &[u8]) -> Option<Reply> {
    #[derive(Deserialize)]
    struct Review<'b> {
        #[serde(borrow)]
        request: Request<'b>,
    }
    #[derive(Deserialize)]
    struct Request<'b> {
        #[serde(borrow)]
        uid: Cow<'b, str>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer<'b> {
        api_version: &'static str,
        kind: &'static str,
        response: Response<'b>,
    }
    #[derive(Serialize)]
    struct Response<'b> {
        uid: &'b str,
        allowed: bool,
    }

    let review: Review<'_> = serde_json::from_slice(body).ok()?;
    let answer = Answer {
        api_version: "admission.k8s.io/v1",
        kind: "AdmissionReview",
        response: Response { uid: &review.request.uid, allowed: true },
    };
    serde_json::to_vec(&answer).ok().map(Reply::review)
}

/// The refusal of any other review.
pub(super) fn busy() -> Reply {
    Reply::error(StatusCode::TOO_MANY_REQUESTS, "too many reviews at once; try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_pods_takes_no_place_of_a_service() {
        let places = Places::new(&Limits { pods: 2, ..Limits::default() });
        let taken: Vec<_> = (0..3).map(|_| places.take(Hook::MutatePods)).collect();
        assert_eq!(taken.iter().flatten().count(), 2);
        assert!(places.take(Hook::ValidateServices).is_some());
        drop(taken);
        assert!(places.take(Hook::MutatePods).is_some());
    }

    #[test]
    fn refused_places_do_not_add_up() {
        let places = Places::new(&Limits { services: 1, ..Limits::default() });
        let first = places.take(Hook::ValidateServices);
        for _ in 0..10 {
            assert!(places.take(Hook::ValidateServices).is_none());
        }
        drop(first);
        assert!(places.take(Hook::ValidateServices).is_some());
    }

    #[test]
    fn an_answer_comes_before_the_api_server_gives_up() {
        assert_eq!(patience(Some("timeout=2s")), Duration::from_millis(1600));
        assert_eq!(patience(Some("a=b&timeout=30s")), Duration::from_secs(24));
        for odd in [None, Some(""), Some("timeout=2m"), Some("timeout=s"), Some("timeout=-1s")] {
            assert_eq!(patience(odd), Duration::from_secs(4), "{odd:?}");
        }
        assert_eq!(patience(Some("timeout=0s")), Duration::from_millis(800));
        assert_eq!(patience(Some("timeout=99999999999s")), Duration::from_secs(24));
    }

    #[test]
    fn an_unjudged_pod_goes_in_by_its_own_uid() {
        let reply = unjudged(br#"{"kind":"AdmissionReview","request":{"uid":"a\u0041-1","x":[]}}"#);
        let body = reply.expect("an answer").body;
        let expected = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"aA-1","allowed":true}}"#;
        assert_eq!(String::from_utf8_lossy(&body), expected);
        assert_eq!(unjudged(b"{}"), None);
        assert_eq!(unjudged(b"\xff"), None);
    }
}
