//! How many backends stand behind a CLB.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use crate::{
    backends::Mode,
    index::{Index, ServiceRef},
    object::EndpointSlice,
    outcome::{PortResult, ServiceOutcome},
    prediction::Prediction,
    route::Route,
};

/// The backends behind a CLB, its known groups together.
#[derive(Debug, Default)]
pub(in crate::rules) struct ClbBackends {
    /// How many each Service at hand has or gets, by cluster, namespace and name.
    by_service: BTreeMap<(usize, String, String), usize>,
    /// How many others there are.
    others: usize,
    total: usize,
    /// The Service that has most; of several the first by name.
    largest: Option<(usize, String, String)>,
}

impl ClbBackends {
    /// How many there are in all.
    pub fn total(&self) -> usize {
        self.total
    }

    /// How many a Service has or gets.
    pub fn of(&self, service_ref: &ServiceRef<'_>) -> usize {
        self.by_service.get(&name(service_ref)).copied().unwrap_or_default()
    }

    /// Whether no other Service has more. Of several with as many it is the first by name.
    pub fn is_largest(&self, service_ref: &ServiceRef<'_>) -> bool {
        self.largest.as_ref() == Some(&name(service_ref))
    }

    /// The same with what follows from the parts.
    fn summed(mut self) -> Self {
        self.total = self.by_service.values().sum::<usize>() + self.others;
        let most = self.by_service.values().max();
        let largest = self.by_service.iter().find(|(_, count)| Some(*count) == most);
        self.largest = largest.map(|(name, _)| name.clone());
        self
    }
}

fn name(service_ref: &ServiceRef<'_>) -> (usize, String, String) {
    let meta = &service_ref.service.metadata;
    (service_ref.cluster_index, meta.namespace().to_owned(), meta.name.clone())
}

/// The backends behind each CLB, counted once a run of the rules.
#[derive(Default)]
pub(in crate::rules) struct BackendCounts<'a>(RefCell<HashMap<&'a str, BackendCount>>);

/// What is known of the backends behind a CLB.
struct BackendCount {
    /// No fewer than there can be.
    most: usize,
    /// What they are, once they are counted.
    counted: Option<Rc<ClbBackends>>,
}

impl<'a> BackendCounts<'a> {
    /// The backends behind a CLB. Where there cannot be more than `most`, nothing is counted, and the
    /// result is empty.
    pub fn behind(
        &self,
        index: &Index<'a>,
        clb: &'a str,
        prediction: &Prediction,
        most: usize,
    ) -> Rc<ClbBackends> {
        let mut all = self.0.borrow_mut();
        let known = all
            .entry(clb)
            .or_insert_with(|| BackendCount { most: most_behind(index, clb), counted: None });
        if known.most <= most {
            return Rc::default();
        }
        Rc::clone(known.counted.get_or_insert_with(|| Rc::new(count(index, clb, prediction))))
    }
}

/// No fewer backends than there can be behind a CLB: all nodes and pods behind each port, and what
/// the answers show.
fn most_behind(index: &Index<'_>, clb: &str) -> usize {
    let services = index.on_clb(clb).map(|of| {
        let slices = of.cluster.slices_of(of.service).unwrap_or_default();
        let pods = EndpointSlice::addresses_in(slices);
        let nodes = match index.mode(of) {
            Some(Mode::Eni) => 0,
            _ => of.cluster.nodes().len(),
        };
        (pods + nodes) * of.service.spec.ports.len()
    });
    let mut known: Vec<&str> = index.routes_behind(clb).map(|route| route.vgroup).collect();
    known.dedup();
    let answers = known.iter().filter_map(|id| index.snapshot.clb_answers.groups.get(*id));
    services.sum::<usize>() + answers.map(|answer| answer.backends.len()).sum::<usize>()
}

/// Counts what the groups of a CLB hold, or what its Services get where that is more.
fn count<'a>(index: &Index<'a>, clb: &'a str, prediction: &Prediction) -> ClbBackends {
    let mut counted = ClbBackends::default();
    let mut last = None;
    for key in index.routes_behind(clb) {
        // A group is reached by several routes where Services map it for several ports.
        if !key.vgroup.is_empty() && last == Some(key.vgroup) {
            continue;
        }
        last = Some(key.vgroup);
        let is_shown = prediction.contents(key.vgroup).is_some()
            || index.snapshot.clb_answers.groups.contains_key(key.vgroup);
        if !is_shown {
            continue;
        }
        let route = Route::build(index, key, prediction);
        for (at, participant) in route.participants.iter().enumerate() {
            let backends = route.backends_of(at).count();
            match &participant.service_ref {
                Some(service_ref) => {
                    *counted.by_service.entry(name(service_ref)).or_default() += backends;
                }
                None => counted.others += backends,
            }
        }
    }
    for service_ref in index.on_clb(clb) {
        let computed = backends_of(&index.outcome_of(service_ref, prediction)).count();
        let held = counted.by_service.entry(name(service_ref)).or_default();
        *held = computed.max(*held);
    }
    counted.summed()
}

/// The backends that CCM computes for a Service, by port: what they are, and the port on them.
pub(super) fn backends_of<'o>(
    outcome: &'o ServiceOutcome<'_>,
) -> impl Iterator<Item = (u16, &'o str, u16)> {
    outcome.ports.iter().flat_map(|of| {
        let group = match &of.result {
            PortResult::Applied(group) | PortResult::Own(group) => Some(group),
            _ => None,
        };
        let backends = group.into_iter().flat_map(|group| group.backends.iter());
        backends.map(|backend| (of.port.port, backend.target.id(), backend.port))
    })
}
