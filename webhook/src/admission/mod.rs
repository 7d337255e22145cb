//! Admission reviews: how they are read, judged and answered.

mod api_reader;
mod cascading_deletion;
mod context;
mod decision;
mod exemptions;
mod inject;
mod namespace_mode;
mod ratcheting;
mod response;
mod review;
mod review_log;
mod service_versions;
mod services;
mod stored;
mod workloads;

pub use api_reader::{ApiReadError, ApiReader, LiveApiReader, NoApiReader, WorkloadRef};
pub(crate) use context::LastBaseCluster;
pub(crate) use decision::problem_text;
pub(crate) use response::truncated;
pub use response::{AdmissionResponse, AuditAnnotation};
pub use review::{
    API_VERSION, AdmissionRequest, CowStr, GroupKind, GroupResource, Operation, ReviewError,
    UserInfo,
};
pub(crate) use stored::{judge_service, judge_workload};

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;

use self::{
    api_reader::ServiceLists,
    review_log::{LoggedRequest, ReviewLog},
};
use crate::{
    Webhook,
    cache::Cache,
    claims::{ClaimStore, Claims, LeaseStore},
    config::{Config, SharedConfig},
    metrics::{Metrics, ReviewResult},
    serve::{Reply, ReviewHandler},
    stripped::{PostedService, StrippedService},
};

/// How many fields that cannot be read are told of one object.
const MAX_TOLD_FIELDS: usize = 4;

/// Answers the reviews of all webhooks.
pub struct AdmissionHandler<C = Arc<Claims<LeaseStore>>, R = LiveApiReader> {
    cache: Arc<Cache>,
    config: SharedConfig,
    metrics: Arc<Metrics>,
    claims: C,
    api_reader: Arc<R>,
    service_lists: ServiceLists<R>,
    base: LastBaseCluster,
    log: ReviewLog,
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
        let api_reader = Arc::new(api_reader);
        let service_lists = ServiceLists::new(Arc::clone(&api_reader));
        Self {
            cache,
            config,
            metrics,
            claims,
            api_reader,
            service_lists,
            base: LastBaseCluster::default(),
            log: ReviewLog::new(),
        }
    }

    /// Answers one review of a webhook: takes the `AdmissionReview` that the API server posted, and
    /// returns the one to send back, both as JSON. An object that cannot be read is allowed with a
    /// warning.
    ///
    /// # Errors
    /// When the body is no review: without its uid there is no answer to give.
    pub async fn review(&self, webhook: Webhook, body: &[u8]) -> Result<Bytes, ReviewError> {
        let (uid, namespace, (response, result)) = match webhook {
            Webhook::ValidateServices => match read_service_review(body) {
                Ok((request, versions)) => {
                    let reviewed = self.validate_service(&request, versions).await;
                    (request.uid, request.namespace, reviewed)
                }
                Err(_) => {
                    let request: AdmissionRequest<'_> = AdmissionRequest::parse(body)?;
                    let (uid, namespace) = (request.uid.clone(), request.namespace.clone());
                    (uid, namespace, self.validate_unknown_service(request).await)
                }
            },
            Webhook::ValidateWorkloads => {
                let request: AdmissionRequest<'_> = AdmissionRequest::parse(body)?;
                let reviewed = match self.validate_workload(&request).await {
                    Ok(reviewed) => reviewed,
                    Err(error) => self.allow_unreadable(&request, &error.to_string()),
                };
                (request.uid, request.namespace, reviewed)
            }
            Webhook::ValidateCascadingDeletion => {
                let request: AdmissionRequest<'_> = AdmissionRequest::parse(body)?;
                let reviewed = match self.validate_cascading_deletion(&request) {
                    Ok(reviewed) => reviewed,
                    Err(error) => self.allow_unreadable(&request, &error.to_string()),
                };
                (request.uid, request.namespace, reviewed)
            }
            Webhook::MutateWorkloads | Webhook::MutatePods => {
                let request: AdmissionRequest<'_> = AdmissionRequest::parse(body)?;
                let reviewed = match self.inject_pre_stop(webhook, &request).await {
                    Ok(reviewed) => reviewed,
                    Err(error) => self.allow_unreadable(&request, &error.to_string()),
                };
                (request.uid, request.namespace, reviewed)
            }
        };
        let (response, result) = self.in_mode(&namespace, response, result);
        self.metrics.count_review(webhook, result);
        Ok(response.to_bytes(&uid))
    }

    /// Allows an object that cannot be read although the API server could: to refuse what nobody
    /// here understands would be an outage of our making.
    fn allow_unreadable(
        &self,
        request: &AdmissionRequest<'_>,
        why: &str,
    ) -> (AdmissionResponse, ReviewResult) {
        let kind = &request.kind;
        let logged = LoggedRequest::new(request, &request.name);
        self.log.log_unread(logged, false, why, &self.metrics);
        let warning = self.config.load().lang.pick(
            format!("clbmigrate: this {} was not judged, for it cannot be read: {why}", kind.kind),
            format!("clbmigrate：该 {} 无法读取，未做检查。详情：{why}", kind.kind),
        );
        (AdmissionResponse::allow().warn(warning), ReviewResult::Failed)
    }

    /// The result of a request that is allowed whatever it changes: one of an exempt user, group or
    /// namespace, a deletion by Kubernetes itself or by another system, or an operation that no webhook is for. `None` for
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
            && config.exempt.covers_deletions_by(&user.username);
        (is_system || request.operation == Operation::Other).then_some(ReviewResult::Allowed)
    }

    /// Decides on a change of a Service that a later Kubernetes writes otherwise: without the fields
    /// that cannot be read, which are told.
    async fn validate_unknown_service(
        &self,
        request: AdmissionRequest<'_>,
    ) -> (AdmissionResponse, ReviewResult) {
        let mut unread: Vec<String> = Vec::new();
        let read = request.clone().try_map(|raw| {
            let (service, fields) = StrippedService::read_leniently(raw.get())?;
            unread.extend(fields.iter().map(ToString::to_string));
            Ok::<_, String>(service)
        });
        let mut readable = match read {
            Ok(readable) => readable,
            Err(why) => return self.allow_unreadable(&request, &why),
        };
        let versions = [readable.old_object.take(), readable.object.take()];
        let (mut response, result) = self.validate_service(&readable, versions).await;
        if result == ReviewResult::Exempt {
            return (response, result);
        }
        unread.sort_unstable();
        unread.dedup();
        unread.truncate(MAX_TOLD_FIELDS);
        let logged = LoggedRequest::new(&request, &request.name);
        self.log.log_unread(logged, true, &unread.join("; "), &self.metrics);
        let language = self.config.load().lang;
        for field in unread {
            response = response.warn(language.pick(
                format!("clbmigrate: this Service was judged without what cannot be read: {field}"),
                format!("clbmigrate：该 Service 的部分字段无法读取，检查时未予考虑。详情：{field}"),
            ));
        }
        let result = response.result();
        (response, result)
    }
}

/// Reads a review of a Service: the request without its objects, and these, the old one first.
fn read_service_review(
    body: &[u8],
) -> Result<(AdmissionRequest<'_, PostedService<'_>>, [Option<StrippedService>; 2]), ReviewError> {
    let mut request = AdmissionRequest::<'_, PostedService<'_>>::parse(body)?;
    let versions = PostedService::read_both(request.old_object.take(), request.object.take())?;
    Ok((request, versions))
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
