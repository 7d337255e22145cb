//! Reviews of Services.

use std::sync::Arc;

use clbmigrate_core::{annotation, object::Service, rules};

use super::{
    Admission, Request, Response,
    evidence::Evidence,
    pair::{Judged, Pair},
    ratchet,
    ruling::Rulings,
    scene::{Around, Ground},
};
use crate::{
    bare::BareService,
    claims::{Claims, Settlement, joined},
    config::Config,
    metrics::Verdict,
};

impl<C: Claims, E: Evidence> Admission<C, E> {
    /// Judges a change of a Service.
    pub(super) async fn judge_service(
        &self,
        mut request: Request<'_, BareService>,
    ) -> (Response, Verdict) {
        let config = self.config.load();
        let (old, new) = (request.old_object.take(), request.object.take());
        let (old, new) = (old.map(|bare| bare.0), new.map(|bare| bare.0));
        let is_going = |service: &Option<Service>| {
            service.as_ref().is_some_and(|it| it.metadata.deletion_timestamp.is_some())
        };
        if let Some(verdict) = Self::passes(&config, &request) {
            return (Response::allow(), verdict);
        }
        let is_candidate = [&old, &new].into_iter().flatten().any(Service::is_candidate);
        let is_unchanged = match (&old, &new) {
            (Some(old), Some(new)) => ratchet::is_unchanged(old, new),
            _ => false,
        };
        if is_going(&new) || (new.is_none() && is_going(&old)) || !is_candidate || is_unchanged {
            return (Response::allow(), Verdict::Allowed);
        }
        let mut unknown = Vec::new();
        let mut prepared = |service: Option<Service>| {
            service.map(|mut service| {
                let meta = &mut service.metadata;
                if meta.namespace.is_none() {
                    meta.namespace = Some(request.namespace.clone().into_owned());
                }
                if meta.name.is_empty() {
                    meta.name = request.name.clone().into_owned();
                }
                unknown = permit(&mut service, &config);
                Arc::new(service)
            })
        };
        let pair = Pair::new(prepared(old), prepared(new));
        let (mut response, rulings) = self.answer_for(&config, &pair, request.is_dry_run()).await;
        for id in unknown {
            let key = annotation::ALLOW;
            response = response.warn(format!("{key}: there is no rule {id:?} to be exempt from"));
        }
        if !response.is_allowed() {
            self.log_denial(&request.user_info.username, &pair.label(), &rulings);
        }
        let verdict = response.verdict();
        (response, verdict)
    }

    async fn answer_for(
        &self,
        config: &Config,
        pair: &Pair,
        is_dry_run: bool,
    ) -> (Response, Rulings) {
        let mut around =
            Around { services: self.cache.neighbours(pair.bound()), ..Around::default() };
        let joins = pair.new.as_ref().filter(|new| {
            pair.is_bound_anew
                && new.is_taken_by_ccm()
                && !joined(pair.old.as_deref(), new).is_empty()
        });
        if let Some(new) = joins {
            match self.claims.settle(pair.old.as_deref(), new, is_dry_run).await {
                Settlement::Granted => {}
                Settlement::TakenBy(others) => around.services.extend(others),
                Settlement::Unsettled(why) => {
                    let label = pair.label();
                    let message = format!(
                        "{label}: whether its vServer groups are free cannot be told: {why}. Fix: try again."
                    );
                    return (Response::deny(message), Rulings::default());
                }
            }
        }
        let rulings = self.judge_pair(config, pair, around).await;
        if let (true, Some(new)) = (rulings.denies(), joins) {
            self.claims.release(new);
        }
        (rulings.answer(&self.metrics, &|| pair.label()), rulings)
    }

    /// Judges with what is in the cache, and once more with what only the API server knows where a
    /// refusal hangs on that.
    async fn judge_pair(&self, config: &Config, pair: &Pair, mut around: Around) -> Rulings {
        let ground = Ground { cache: &self.cache, config };
        if pair.is_bound_anew {
            around.workloads =
                pair.both().flat_map(|service| self.cache.workloads_of(service)).collect();
        }
        let Judged { rulings, wants_slices } = pair.judge(ground, &around);
        let Some(old) = pair.old.as_ref().filter(|_| wants_slices) else { return rulings };
        let meta = &old.metadata;
        match self.evidence.slices(meta.namespace(), &meta.name).await {
            Ok(slices) => {
                around.slices = Some(slices);
                pair.judge(ground, &around).rulings
            }
            Err(error) => {
                tracing::warn!(
                    service = pair.label(),
                    %error,
                    "its EndpointSlices cannot be read, so CLB412 is silent"
                );
                rulings
            }
        }
    }
}

/// Keeps of the rules that an object wants to be exempt from those that the administrator leaves to
/// objects. Gives the ids that are no rule's.
pub(super) fn permit(service: &mut Service, config: &Config) -> Vec<String> {
    let annotations = &mut service.metadata.annotations;
    let Some(text) = annotations.get(annotation::ALLOW) else { return Vec::new() };
    let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty());
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        ids.partition(|id| rules::find(id).is_some_and(|rule| rule.id == *id));
    let permitted: Vec<&str> = known.into_iter().filter(|id| config.may_allow(id)).collect();
    let permitted = permitted.join(",");
    let unknown = unknown.into_iter().map(str::to_owned).collect();
    annotations.set(annotation::ALLOW, permitted);
    unknown
}
