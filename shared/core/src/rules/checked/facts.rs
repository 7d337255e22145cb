//! What is computed of a Service for all rules together, each thing once.

use std::cell::OnceCell;

use super::BackendCounts;
use crate::{
    annotation::{self, EffectiveValue, KnownAnnotation},
    backends::{self, Mode},
    index::{Index, ServiceRef, routes_of},
    mapping::Mapping,
    object::Service,
    outcome::ServiceOutcome,
    prediction::Prediction,
    round::Failure,
    route::{Route, RouteKey},
    weight::WeightSetting,
};

/// A Service that rules judge, with everything that is at hand about it. A rule sees the part that it
/// declares, through [`CheckedService`](super::CheckedService).
pub(in crate::rules) struct ServiceFacts<'s, 'a> {
    /// The snapshot that the Service is in.
    pub index: &'s Index<'a>,
    /// The Service and its cluster.
    pub service_ref: ServiceRef<'a>,
    /// The Service before the change that is judged; `None` without a change, or where the change
    /// creates it.
    pub old: Option<&'a Service>,
    /// The rounds of CCM that follow from the change.
    pub prediction: &'s Prediction,
    /// Whether it is the new version of a Service that the change creates or edits.
    pub is_in_change: bool,
    /// The backends behind each CLB; `None` of a Service before a change.
    pub counts: Option<&'s BackendCounts<'a>>,
    mode: OnceCell<Option<Mode>>,
    mapping: OnceCell<Option<Mapping<'a>>>,
    setting: OnceCell<Option<WeightSetting>>,
    known: OnceCell<Vec<(&'static KnownAnnotation, EffectiveValue<'a>)>>,
    round: OnceCell<ServiceOutcome<'a>>,
    old_round: OnceCell<Option<ServiceOutcome<'a>>>,
    routes: OnceCell<Vec<Route<'a>>>,
}

impl<'s, 'a> ServiceFacts<'s, 'a> {
    pub fn new(
        index: &'s Index<'a>,
        service_ref: ServiceRef<'a>,
        old: Option<&'a Service>,
        prediction: &'s Prediction,
    ) -> Self {
        Self {
            index,
            service_ref,
            old,
            prediction,
            is_in_change: false,
            counts: None,
            mode: OnceCell::new(),
            mapping: OnceCell::new(),
            setting: OnceCell::new(),
            known: OnceCell::new(),
            round: OnceCell::new(),
            old_round: OnceCell::new(),
            routes: OnceCell::new(),
        }
    }

    /// The same of a Service that stands in the judged snapshot, with the backends behind each CLB.
    pub fn in_run(self, is_in_change: bool, counts: &'s BackendCounts<'a>) -> Self {
        Self { is_in_change, counts: Some(counts), ..self }
    }

    /// The id of its CLB; empty without one.
    pub fn clb(&self) -> &'a str {
        self.service_ref.service.metadata.annotations.text(annotation::ID)
    }

    /// The mapping that CCM honours, see [`backends::mapping`].
    pub fn mapping(&self) -> Option<&Mapping<'a>> {
        self.mapping.get_or_init(|| backends::mapping(self.service_ref.service)).as_ref()
    }

    /// Its annotations that CCM reads.
    pub fn known(&self) -> &[(&'static KnownAnnotation, EffectiveValue<'a>)] {
        let annotations = &self.service_ref.service.metadata.annotations;
        self.known.get_or_init(|| annotation::known_in(annotations))
    }

    /// The weights in effect; `None` where CCM refuses a value.
    pub fn weight_setting(&self) -> Option<WeightSetting> {
        let ServiceRef { service, cluster, .. } = self.service_ref;
        let read = || backends::weight_setting(service, cluster.ccm_version).ok();
        *self.setting.get_or_init(read)
    }

    /// The mode CCM uses; `None` where nothing tells.
    pub fn mode(&self) -> Option<Mode> {
        *self.mode.get_or_init(|| self.index.mode(&self.service_ref))
    }

    /// What a round of CCM does about it.
    pub fn round(&self) -> &ServiceOutcome<'a> {
        self.round.get_or_init(|| self.index.outcome_of(&self.service_ref, self.prediction))
    }

    /// What a round of CCM did about it before the change, beside what is at hand now; `None` where
    /// there was none.
    pub fn old_round(&self) -> Option<&ServiceOutcome<'a>> {
        let old_round = || {
            let before = ServiceRef { service: self.old?, ..self.service_ref };
            Some(self.index.outcome_of(&before, &Prediction::default()))
        };
        self.old_round.get_or_init(old_round).as_ref()
    }

    /// Why the round over it fails, or the round that a change has it go through.
    pub fn failures(&self) -> &[Failure] {
        let predicted = self.prediction.of(&self.service_ref);
        match predicted.and_then(|predicted| predicted.failures.as_ref()) {
            Some(failures) => failures,
            None => &self.round().failures,
        }
    }

    /// The routes that it is in; after the change, where one is judged.
    pub fn routes(&self) -> &[Route<'a>] {
        self.routes.get_or_init(|| {
            let routes = routes_of(self.service_ref.service).into_iter();
            let key = |(vgroup, port)| RouteKey { clb: self.clb(), vgroup, port: Some(port) };
            routes.map(|at| Route::build(self.index, key(at), self.prediction)).collect()
        })
    }
}
