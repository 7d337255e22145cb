//! Admission reviews: how they are read, judged and answered.

mod api_reader;
mod context;
mod decision;
mod inject;
mod ratcheting;
mod response;
mod review;
mod service_versions;
mod services;
mod workloads;

pub use api_reader::{ApiReadError, ApiReader, LiveApiReader, NoApiReader, WorkloadRef};
pub use response::AdmissionResponse;
pub use review::{
    API_VERSION, AdmissionRequest, CowStr, GroupKind, GroupResource, Operation, ReviewError,
    UserInfo,
};

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;

use self::{api_reader::ServiceLists, decision::AdmissionDecision};
use crate::{
    Webhook,
    cache::Cache,
    claims::{ClaimStore, Claims, LeaseStore},
    config::{Config, SharedConfig},
    log::RateLimit,
    metrics::{Metrics, ReviewResult},
    serve::{Reply, ReviewHandler},
    stripped::StrippedService,
};

/// The users that delete on behalf of Kubernetes itself: what belongs to a namespace or to an owner
/// that is deleted.
const SYSTEM_USERS: [&str; 3] = [
    "system:serviceaccount:kube-system:namespace-controller",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:kube-controller-manager",
];

/// How many denials are logged a second.
const LOGGED_DENIALS: u32 = 10;

/// Answers the reviews of all four webhooks.
pub struct AdmissionHandler<C = Arc<Claims<LeaseStore>>, R = LiveApiReader> {
    cache: Arc<Cache>,
    config: SharedConfig,
    metrics: Arc<Metrics>,
    claims: C,
    api_reader: Arc<R>,
    service_lists: ServiceLists<R>,
    denial_log: RateLimit,
}

impl<C: ClaimStore, R: ApiReader> AdmissionHandler<C, R> {
    /// A handler that judges by `cache` and `config`, asks `claims` before a Service joins a vServer
    /// group, asks `api_reader` for what the cache does not hold, and counts in `metrics`.
    pub fn new(
        cache: Arc<Cache>,
        config: SharedConfig,
        metrics: Arc<Metrics>,
        claims: C,
        api_reader: R,
    ) -> Self {
        let denial_log = RateLimit::new(LOGGED_DENIALS);
        let api_reader = Arc::new(api_reader);
        let service_lists = ServiceLists::new(Arc::clone(&api_reader));
        Self { cache, config, metrics, claims, api_reader, service_lists, denial_log }
    }

    /// Answers one review of a webhook: takes the `AdmissionReview` that the API server posted, and
    /// returns the one to send back, both as JSON. An object that cannot be read is allowed with a
    /// warning.
    ///
    /// # Errors
    /// When the body is no review: without its uid there is no answer to give.
    pub async fn review(&self, webhook: Webhook, body: &[u8]) -> Result<Bytes, ReviewError> {
        let (uid, (response, result)) = match webhook {
            Webhook::ValidateServices => {
                match AdmissionRequest::<'_, StrippedService>::parse(body) {
                    Ok(request) => (request.uid.clone(), self.validate_service(request).await),
                    Err(_) => {
                        let request: AdmissionRequest<'_> = AdmissionRequest::parse(body)?;
                        let error = parse_error::<StrippedService>(&request);
                        let reviewed = self.allow_unreadable(webhook, &request, error);
                        (request.uid, reviewed)
                    }
                }
            }
            Webhook::ValidateWorkloads => {
                let request: AdmissionRequest<'_> = AdmissionRequest::parse(body)?;
                let reviewed = match self.validate_workload(&request).await {
                    Ok(reviewed) => reviewed,
                    Err(error) => self.allow_unreadable(webhook, &request, Some(error)),
                };
                (request.uid, reviewed)
            }
            Webhook::MutateWorkloads | Webhook::MutatePods => {
                let request: AdmissionRequest<'_> = AdmissionRequest::parse(body)?;
                let reviewed = match self.inject_pre_stop(webhook, &request).await {
                    Ok(reviewed) => reviewed,
                    Err(error) => self.allow_unreadable(webhook, &request, Some(error)),
                };
                (request.uid, reviewed)
            }
        };
        self.metrics.count_review(webhook, result);
        Ok(response.to_bytes(&uid))
    }

    /// Allows an object that cannot be read although the API server could: to refuse what nobody
    /// here understands would be an outage of our making.
    fn allow_unreadable(
        &self,
        webhook: Webhook,
        request: &AdmissionRequest<'_>,
        error: Option<serde_json::Error>,
    ) -> (AdmissionResponse, ReviewResult) {
        let AdmissionRequest { namespace, name, kind, .. } = request;
        let why = error.map(|error| error.to_string()).unwrap_or_default();
        if self.denial_log.check().is_ok() {
            tracing::warn!(
                hook = webhook.name(),
                object = format!("{} {namespace}/{name}", kind.kind),
                error = why,
                "an object cannot be read and passes unjudged"
            );
        }
        let warning = self.config.load().lang.pick(
            format!("clbmigrate: this {} was not judged, for it cannot be read: {why}", kind.kind),
            format!("clbmigrate：该 {} 无法读取，未做检查。详情：{why}", kind.kind),
        );
        (AdmissionResponse::allow().warn(warning), ReviewResult::Failed)
    }

    /// The result of a request that is allowed whatever it changes: one of an exempt user, group or
    /// namespace, a deletion by Kubernetes itself, or an operation that no webhook is for. `None` for
    /// every other request, which must be judged.
    fn allowed_unjudged<O>(
        config: &Config,
        request: &AdmissionRequest<'_, O>,
    ) -> Option<ReviewResult> {
        let user = &request.user_info;
        let groups = user.groups.iter().map(|group| &*group.0);
        if config.exempt.covers(&user.username, groups, &request.namespace) {
            return Some(ReviewResult::Exempt);
        }
        let is_system = request.operation == Operation::Delete
            && SYSTEM_USERS.contains(&user.username.as_ref());
        (is_system || request.operation == Operation::Other).then_some(ReviewResult::Allowed)
    }

    fn log_denial(&self, user: &str, object: &str, decision: &AdmissionDecision) {
        match self.denial_log.check() {
            Ok(suppressed) => tracing::info!(
                object,
                user,
                rules = decision.denying_rules().join(","),
                suppressed,
                "refused"
            ),
            Err(_) => self.metrics.count_suppressed_lines(1),
        }
    }
}

/// Why an object of a review cannot be read as a `T`; `None` if all of them can.
fn parse_error<T: for<'a> serde::Deserialize<'a>>(
    request: &AdmissionRequest<'_>,
) -> Option<serde_json::Error> {
    let objects = [request.object, request.old_object];
    objects.into_iter().flatten().find_map(|raw| serde_json::from_str::<T>(raw.get()).err())
}

impl<C: ClaimStore, R: ApiReader> ReviewHandler for AdmissionHandler<C, R> {
    async fn handle(&self, webhook: Webhook, body: Bytes) -> Reply {
        match self.review(webhook, &body).await {
            Ok(review) => Reply::review(review),
            Err(error) => {
                self.metrics.count_review(webhook, ReviewResult::Failed);
                Reply::error(StatusCode::BAD_REQUEST, error.to_string())
            }
        }
    }
}
