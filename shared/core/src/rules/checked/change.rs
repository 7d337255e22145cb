//! A change that a rule judges.

use super::{CheckedService, ServiceFacts};
use crate::{
    clb_answers::GroupAnswer,
    index::Index,
    mapping::Mapping,
    object::Service,
    prediction::{Prediction, ServicePrediction},
    route::Route,
    rules::{Evidence, FindingBuilder, Findings},
};

/// The sum of a Service's weights in a route, before and after a change.
pub struct RouteSums<'a> {
    /// Before; `None` where it is not known.
    pub before: Option<u64>,
    /// After; `None` where it is not known.
    pub after: Option<u64>,
    /// The route after the change.
    pub route: Route<'a>,
}

/// A change of a migrated Service that a rule judges.
pub struct CheckedChange<'s, 'a> {
    /// The Service before the change, in its snapshot.
    pub before: CheckedService<'s, 'a>,
    /// The Service after the change; `None` where CCM does not take it any more.
    pub after: Option<CheckedService<'s, 'a>>,
    /// The object after the change, whoever takes it; `None` where it is deleted.
    pub next: Option<&'a Service>,
    /// The snapshot after the change.
    index: &'s Index<'a>,
    /// The rounds of CCM that follow.
    prediction: &'s Prediction,
}

impl<'s, 'a> CheckedChange<'s, 'a> {
    pub(in crate::rules) fn new(
        before: CheckedService<'s, 'a>,
        after: Option<CheckedService<'s, 'a>>,
        next: Option<&'a Service>,
        index: &'s Index<'a>,
        prediction: &'s Prediction,
    ) -> Self {
        Self { before, after, next, index, prediction }
    }

    /// The Service before the change.
    pub fn old(&self) -> &'a Service {
        self.before.service()
    }

    /// The Service after the change; `None` where CCM does not take it any more.
    pub fn present(&self) -> Option<&'a Service> {
        self.after.map(|checked| checked.service())
    }

    /// The mapping that CCM honours after the change.
    pub fn mapping_after(&self) -> Option<&Mapping<'a>> {
        self.after.and_then(|after| after.mapping())
    }

    /// Begins a finding about the Service: about its new version where CCM takes that, else about
    /// the old one.
    pub fn finding<'f>(&self, out: &'f mut Findings<'_>) -> FindingBuilder<'f>
    where
        'a: 'f,
    {
        self.after.unwrap_or(self.before).finding(out)
    }

    /// The sums of the Service's weights in the routes that it was in, before and after the change.
    pub fn sums(&self) -> Vec<RouteSums<'a>> {
        let of = |route: &Route<'_>| {
            route.participants.iter().find(|of| self.before.is(of)).map(|of| of.weight_sum)
        };
        let pairs = self.before.routes().iter().zip(self.routes_after());
        let sums = pairs.map(|(before, route)| RouteSums {
            before: of(before).flatten(),
            after: of(&route).unwrap_or(Some(0)),
            route,
        });
        sums.collect()
    }

    /// What follows for the Service; `None` where CCM makes no round over it.
    pub fn predicted(&self) -> Option<&ServicePrediction> {
        let ServiceFacts { service_ref, .. } = self.before.facts;
        self.before.sees(Evidence::OldObject).then(|| self.prediction.of(service_ref)).flatten()
    }

    /// Whether any group's answer is at hand after the change.
    pub fn has_answers(&self) -> bool {
        self.before.sees(Evidence::ClbApi) && !self.index.snapshot.clb_answers.groups.is_empty()
    }

    /// The answer about a group after the change; `None` where it is not at hand.
    pub fn answer_at_hand(&self, vgroup: &str) -> Option<&'a GroupAnswer> {
        let answers =
            self.before.sees(Evidence::ClbApi).then_some(&self.index.snapshot.clb_answers);
        answers?.groups.get(vgroup)
    }

    /// The routes that the Service was in before the change, as they are after it.
    pub fn routes_after(&self) -> Vec<Route<'a>> {
        let keys = self.before.routes().iter().map(|route| route.key);
        keys.map(|key| Route::build(self.index, key, self.prediction)).collect()
    }
}
