//! Limits how many reviews are answered at once, and sheds the rest.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Limits, Reply};
use crate::{Webhook, metrics::ShedReason};

/// How many seconds API servers wait if the URL does not say.
const DEFAULT_TIMEOUT: u64 = 5;

/// The longest that any API server waits, in seconds.
const MAX_TIMEOUT: u64 = 30;

/// How many reviews of each sort are answered at once. A storm of Pods leaves those of Services alone.
#[derive(Debug)]
pub(super) struct ConcurrencyLimits {
    services: ConcurrencyLimit,
    workloads: ConcurrencyLimit,
    cascading_deletions: ConcurrencyLimit,
    pods: ConcurrencyLimit,
}

#[derive(Debug)]
struct ConcurrencyLimit {
    running: AtomicUsize,
    max: usize,
}

/// The permit to answer one review. It is given back when this value is dropped.
#[derive(Debug)]
pub(super) struct ConcurrencyPermit<'p>(&'p ConcurrencyLimit);

impl ConcurrencyLimits {
    pub fn new(limits: &Limits) -> Self {
        let limit = |max| ConcurrencyLimit { running: AtomicUsize::new(0), max };
        Self {
            services: limit(limits.services),
            workloads: limit(limits.workloads),
            cascading_deletions: limit(limits.cascading_deletions),
            pods: limit(limits.pods),
        }
    }

    /// A permit for one more review of a webhook; `None` if as many as allowed are running.
    pub fn try_acquire(&self, webhook: Webhook) -> Option<ConcurrencyPermit<'_>> {
        let limit = match webhook {
            Webhook::ValidateServices => &self.services,
            Webhook::ValidateWorkloads | Webhook::MutateWorkloads => &self.workloads,
            Webhook::ValidateCascadingDeletion => &self.cascading_deletions,
            Webhook::MutatePods => &self.pods,
        };
        let permit = ConcurrencyPermit(limit);
        // Dropping the permit takes back what is added here.
        let before = limit.running.fetch_add(1, Ordering::Relaxed);
        (before < limit.max).then_some(permit)
    }
}

impl Drop for ConcurrencyPermit<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long an answer may take: a fifth less than the API server waits, whose time-out stands in the
/// query in whole seconds: `timeout=10s`. Between 0.8 s and 24 s; 4 s without a time-out in the query.
pub(super) fn review_timeout(query: Option<&str>) -> Duration {
    let seconds = query.and_then(|query| {
        let mut pairs = query.split('&');
        let timeout = pairs.find_map(|pair| pair.strip_prefix("timeout="))?;
        timeout.strip_suffix('s')?.parse::<u64>().ok()
    });
    Duration::from_secs(seconds.unwrap_or(DEFAULT_TIMEOUT).clamp(1, MAX_TIMEOUT)) * 4 / 5
}

/// The answer that allows a Pod without judging it: a preStop hook is not worth that the Pod does not
/// start. `None` if the body is no review.
pub(super) fn allow_unjudged(body: &[u8]) -> Option<Reply> {
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
    struct AnsweredReview<'b> {
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
    let answer = AnsweredReview {
        api_version: "admission.k8s.io/v1",
        kind: "AdmissionReview",
        response: Response { uid: &review.request.uid, allowed: true },
    };
    serde_json::to_vec(&answer).ok().map(Reply::review)
}

/// The answer that sheds any other review: 503 from a server that has just started, else 429.
pub(super) fn try_again(why: ShedReason) -> Reply {
    match why {
        ShedReason::Unsynced => Reply::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "just started, and what reviews are judged by is not known yet; try again",
        ),
        ShedReason::Busy | ShedReason::Late => {
            Reply::error(StatusCode::TOO_MANY_REQUESTS, "too many reviews at once; try again")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_pods_takes_no_permit_of_a_service() {
        let concurrency = ConcurrencyLimits::new(&Limits { pods: 2, ..Limits::default() });
        let taken: Vec<_> = (0..3).map(|_| concurrency.try_acquire(Webhook::MutatePods)).collect();
        assert_eq!(taken.iter().flatten().count(), 2);
        assert!(concurrency.try_acquire(Webhook::ValidateServices).is_some());
        drop(taken);
        assert!(concurrency.try_acquire(Webhook::MutatePods).is_some());
    }

    #[test]
    fn refused_permits_do_not_add_up() {
        let concurrency = ConcurrencyLimits::new(&Limits { services: 1, ..Limits::default() });
        let first = concurrency.try_acquire(Webhook::ValidateServices);
        for _ in 0..10 {
            assert!(concurrency.try_acquire(Webhook::ValidateServices).is_none());
        }
        drop(first);
        assert!(concurrency.try_acquire(Webhook::ValidateServices).is_some());
    }

    #[test]
    fn an_answer_comes_before_the_api_server_gives_up() {
        assert_eq!(review_timeout(Some("timeout=2s")), Duration::from_millis(1600));
        assert_eq!(review_timeout(Some("a=b&timeout=30s")), Duration::from_secs(24));
        for odd in [None, Some(""), Some("timeout=2m"), Some("timeout=s"), Some("timeout=-1s")] {
            assert_eq!(review_timeout(odd), Duration::from_secs(4), "{odd:?}");
        }
        assert_eq!(review_timeout(Some("timeout=0s")), Duration::from_millis(800));
        assert_eq!(review_timeout(Some("timeout=99999999999s")), Duration::from_secs(24));
    }

    #[test]
    fn an_unjudged_pod_is_allowed_by_its_own_uid() {
        let reply =
            allow_unjudged(br#"{"kind":"AdmissionReview","request":{"uid":"a\u0041-1","x":[]}}"#);
        let body = reply.expect("an answer").body;
        let expected = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"aA-1","allowed":true}}"#;
        assert_eq!(String::from_utf8_lossy(&body), expected);
        assert_eq!(allow_unjudged(b"{}"), None);
        assert_eq!(allow_unjudged(b"\xff"), None);
    }
}
