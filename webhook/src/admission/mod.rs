//! Reviews: how they are read, judged and answered.

mod evidence;
mod inject;
mod pair;
mod ratchet;
mod response;
mod review;
mod ruling;
mod scene;
mod services;
mod workloads;

pub use evidence::{Ancestor, Evidence, EvidenceError, Live, NoEvidence};
pub use response::Response;
pub use review::{API_VERSION, Kind, Operation, Request, Resource, ReviewError, Text, UserInfo};

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;

use self::ruling::Rulings;
use crate::{
    Hook,
    bare::BareService,
    cache::Cache,
    claims::{Claims, InMemory},
    config::{self, Config},
    log::Cap,
    metrics::{Metrics, Verdict},
    serve::{Answer, Reply},
};

/// Who deletes on behalf of the system itself: what belongs to a namespace or an owner that goes.
const SYSTEM: [&str; 3] = [
    "system:serviceaccount:kube-system:namespace-controller",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:kube-controller-manager",
];

/// How many refusals are logged a second.
const LOGGED: u32 = 10;

/// Everything that is needed to answer reviews.
pub struct Admission<C = InMemory, E = Live> {
    cache: Arc<Cache>,
    config: config::Live<Config>,
    metrics: Arc<Metrics>,
    claims: C,
    evidence: E,
    log: Cap,
}

impl<C: Claims, E: Evidence> Admission<C, E> {
    /// Puts it together.
    pub fn new(
        cache: Arc<Cache>,
        config: config::Live<Config>,
        metrics: Arc<Metrics>,
        claims: C,
        evidence: E,
    ) -> Self {
        Self { cache, config, metrics, claims, evidence, log: Cap::new(LOGGED) }
    }

    /// Answers a review.
    ///
    /// # Errors
    /// When the body is no review: without its uid there is no answer to give.
    pub async fn review(&self, hook: Hook, body: &[u8]) -> Result<Bytes, ReviewError> {
        let (uid, (response, verdict)) = match hook {
            Hook::ValidateServices => match Request::<'_, BareService>::parse(body) {
                Ok(request) => (request.uid.clone(), self.judge_service(request).await),
                Err(_) => {
                    let request: Request<'_> = Request::parse(body)?;
                    let error = unreadable::<BareService>(&request);
                    let answer = self.pass_unread(hook, &request, error);
                    (request.uid, answer)
                }
            },
            Hook::ValidateWorkloads => {
                let request: Request<'_> = Request::parse(body)?;
                let answer = match self.judge_workload(&request).await {
                    Ok(answer) => answer,
                    Err(error) => self.pass_unread(hook, &request, Some(error)),
                };
                (request.uid, answer)
            }
            Hook::MutateWorkloads | Hook::MutatePods => {
                let request: Request<'_> = Request::parse(body)?;
                let answer = match self.give_hook(hook, &request).await {
                    Ok(answer) => answer,
                    Err(error) => self.pass_unread(hook, &request, Some(error)),
                };
                (request.uid, answer)
            }
        };
        self.metrics.answered(hook, verdict);
        Ok(response.to_bytes(&uid))
    }

    /// Lets an object pass that cannot be read although the API server could: to block what nobody
    /// here understands would be an outage of our making.
    fn pass_unread(
        &self,
        hook: Hook,
        request: &Request<'_>,
        error: Option<serde_json::Error>,
    ) -> (Response, Verdict) {
        let Request { namespace, name, kind, .. } = request;
        let why = error.map(|error| error.to_string()).unwrap_or_default();
        if self.log.admit().is_ok() {
            tracing::warn!(
                hook = hook.name(),
                object = format!("{} {namespace}/{name}", kind.kind),
                error = why,
                "an object cannot be read and passes unjudged"
            );
        }
        let warning =
            format!("clbmigrate: this {} was not judged, for it cannot be read: {why}", kind.kind);
        (Response::allow().warn(warning), Verdict::Failed)
    }

    /// Whether a request passes whatever it changes, and as what.
    fn passes<O>(config: &Config, request: &Request<'_, O>) -> Option<Verdict> {
        let user = &request.user_info;
        let groups = user.groups.iter().map(|group| &*group.0);
        if config.exempt.covers(&user.username, groups, &request.namespace) {
            return Some(Verdict::Exempt);
        }
        let is_system =
            request.operation == Operation::Delete && SYSTEM.contains(&user.username.as_ref());
        (is_system || request.operation == Operation::Other).then_some(Verdict::Allowed)
    }

    fn log_denial(&self, user: &str, object: &str, rulings: &Rulings) {
        match self.log.admit() {
            Ok(suppressed) => tracing::info!(
                object,
                user,
                rules = rulings.refusing().join(","),
                suppressed,
                "refused"
            ),
            Err(_) => self.metrics.suppressed(1),
        }
    }
}

/// Why an object of a review cannot be read.
fn unreadable<T: for<'a> serde::Deserialize<'a>>(
    request: &Request<'_>,
) -> Option<serde_json::Error> {
    let objects = [request.object, request.old_object];
    objects.into_iter().flatten().find_map(|raw| serde_json::from_str::<T>(raw.get()).err())
}

impl<C: Claims, E: Evidence> Answer for Admission<C, E> {
    async fn answer(&self, hook: Hook, body: Bytes) -> Reply {
        match self.review(hook, &body).await {
            Ok(answer) => Reply::review(answer),
            Err(error) => {
                self.metrics.answered(hook, Verdict::Failed);
                Reply::error(StatusCode::BAD_REQUEST, error.to_string())
            }
        }
    }
}
