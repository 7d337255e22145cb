//! Whether the CLB holds what CCM should have written for a Service, and whether its backends are
//! healthy. The module does no I/O: it takes the answers of the CLB API and of the API server, and says
//! what they prove. No answer never proves anything.

mod health;

pub use health::{
    HealthVerdict, abnormal_in_words, health_of, silent_in_words, unchecked_listeners,
    unknown_in_words,
};

use crate::{
    annotation,
    clb_answers::{ClbAnswer, GroupAnswer},
    index::{Index, RouteKey, ServiceRef, routes_of},
    mapping::Mapping,
    object::Service,
    patch::ServiceEdit,
    prediction::Prediction,
    route::Route,
    snapshot::{Cluster, Snapshot},
};

/// What the groups of one Service should hold.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The Service as it is to be, with what its backends hang on, and the groups as they were read.
    snapshot: Snapshot,
    /// The index of its cluster, its namespace and its name.
    cluster: usize,
    namespace: String,
    name: String,
    /// The edit that makes the Service so. It is made again of what is read anew.
    edit: ServiceEdit,
    /// The snapshot with a mapping to the groups that the Service leaves, where it leaves any.
    left: Option<Snapshot>,
    /// Whether its backends must be in the groups even without weight: it joins them.
    joins: bool,
}

/// How a group differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What the group holds and what it should hold, in words.
    pub words: String,
    /// Whether none of the Service's backends is in it.
    pub is_empty: bool,
    /// Whether another round of CCM may help.
    pub may_help: bool,
}

/// What a comparison came to: every difference, or why nothing can be said.
pub type Comparison = Result<Vec<Difference>, String>;

impl Expectation {
    /// What the groups should hold after an edit of `before`. `joins` is whether the Service's backends
    /// must be there even without weight.
    pub fn after(
        service_ref: &ServiceRef<'_>,
        before: &Snapshot,
        edit: &ServiceEdit,
        joins: bool,
    ) -> Self {
        let meta = &service_ref.service.metadata;
        let cluster = service_ref.cluster_index;
        let snapshot = before.with_edit(cluster, meta.namespace(), &meta.name, edit);
        let mut expectation = Self {
            snapshot,
            cluster,
            namespace: meta.namespace().to_owned(),
            name: meta.name.clone(),
            edit: edit.clone(),
            left: None,
            joins,
        };
        let new = expectation.groups_in(&expectation.snapshot);
        let leaves = expectation.groups_in(before).iter().any(|group| !new.contains(group));
        // Without any that it leaves now, there may be groups that were released before.
        expectation.left =
            if leaves { Some(before.clone()) } else { expectation.with_releases_mapped() };
        expectation
    }

    /// The snapshot, with what was read last.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The snapshot, for more answers of the CLB API.
    pub fn snapshot_mut(&mut self) -> &mut Snapshot {
        &mut self.snapshot
    }

    /// Every group that the Service should be in, or should have left, each once.
    pub fn groups(&self) -> Vec<String> {
        let mut groups = self.groups_in(&self.snapshot);
        groups.extend(self.left.iter().flat_map(|left| self.groups_in(left)));
        groups.sort();
        groups.dedup();
        groups
    }

    /// The groups that the Service should be in, each with its CLB.
    pub fn groups_with_clb(&self) -> Vec<(String, String)> {
        let index = Index::new(&self.snapshot);
        let keys = self.keys(&index).into_iter();
        keys.map(|key| (key.clb.to_owned(), key.vgroup.to_owned())).collect()
    }

    /// Takes note of what a group holds.
    pub fn insert(&mut self, group: &GroupAnswer) {
        for snapshot in [Some(&mut self.snapshot), self.left.as_mut()].into_iter().flatten() {
            snapshot.clb_answers.insert(ClbAnswer::Group(group.clone()));
        }
    }

    /// Takes note of what the Service's backends hang on, as it was read anew. `false` where the
    /// Service is not among it: then nothing is changed.
    pub fn refresh(&mut self, fresh: &Cluster) -> bool {
        if fresh.service(&self.namespace, &self.name).is_none() {
            return false;
        }
        let fresh = self.snapshot.with_fresh_backends(self.cluster, fresh);
        self.snapshot = fresh.with_edit(self.cluster, &self.namespace, &self.name, &self.edit);
        true
    }

    /// Compares the groups with what they should hold. `missing` are those that do not exist.
    ///
    /// # Errors
    /// Where a group was not read, or where it is not known what it should hold.
    pub fn compare(&self, missing: &[String]) -> Comparison {
        let now = self.groups_in(&self.snapshot);
        let is_missing = |key: &RouteKey<'_>| missing.iter().any(|vgroup| *vgroup == key.vgroup);
        let mut differences: Vec<Difference> = missing
            .iter()
            .filter(|vgroup| now.contains(vgroup))
            .map(|vgroup| Difference {
                words: format!("group {vgroup} does not exist"),
                is_empty: false,
                may_help: false,
            })
            .collect();
        let mut compared = differences.len();
        let index = Index::new(&self.snapshot);
        for key in self.keys(&index).into_iter().filter(|key| !is_missing(key)) {
            differences.extend(self.in_route(&index, key)?);
            compared += 1;
        }
        if let Some(left) = &self.left {
            let index = Index::new(left);
            let keys = self.keys(&index).into_iter();
            let keys = keys.filter(|key| !now.iter().any(|vgroup| *vgroup == key.vgroup));
            for key in keys {
                // A group that is gone holds nothing.
                if !is_missing(&key) {
                    differences.extend(self.in_left(&index, key)?);
                }
                compared += 1;
            }
        }
        if compared == 0 {
            return Err("the Service names no group that could be read".to_owned());
        }
        Ok(differences)
    }

    /// The Service, where CCM takes it.
    fn service<'i>(&self, index: &Index<'i>) -> Option<ServiceRef<'i>> {
        index.services().find(|of| {
            let meta = &of.service.metadata;
            of.cluster_index == self.cluster
                && meta.name == self.name
                && meta.namespace() == self.namespace
        })
    }

    /// The routes that the Service is in.
    fn keys<'i>(&self, index: &Index<'i>) -> Vec<RouteKey<'i>> {
        self.service(index).map(|of| index.routes_with(&of).collect()).unwrap_or_default()
    }

    fn service_in<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Service> {
        snapshot.clusters.get(self.cluster)?.service(&self.namespace, &self.name)
    }

    /// The groups that CCM maps the Service's ports to, in a snapshot.
    fn groups_in(&self, snapshot: &Snapshot) -> Vec<String> {
        let service = self.service_in(snapshot).filter(|service| service.is_taken_by_ccm());
        let routes = service.map(routes_of).unwrap_or_default();
        routes.into_iter().map(|(vgroup, _)| vgroup.to_owned()).collect()
    }

    /// How a group differs that the Service should be in.
    fn in_route(&self, index: &Index<'_>, key: RouteKey<'_>) -> Result<Option<Difference>, String> {
        let route = Route::build(index, key, &Prediction::default());
        let service_ref = self.service(index);
        let of = service_ref.and_then(|of| route.participant_of(&of)).filter(|of| of.is_measured);
        let unknown = || {
            let why = route.unknown.first().map(ToString::to_string);
            why.unwrap_or_else(|| format!("what group {} holds is not known", key.vgroup))
        };
        let of = of.ok_or_else(unknown)?;
        let (Some(held), Some(backends)) = (of.weight_sum, of.backends) else {
            return Err(unknown());
        };
        // At weight 0 nothing else matters: the Service gets no traffic. Where it joins the group, it
        // must be there.
        let is_silent = held == 0 && (of.weight == Some(0) || of.expected_weight_sum == Some(0));
        if is_silent && !self.joins {
            return Ok(None);
        }
        match (backends, of.expected_weight_sum) {
            (0, _) if is_silent && of.expected_backends == 0 => {
                return Err(format!(
                    "it has no backends yet as far as is known, so that nothing in group {} shows that it has joined",
                    key.vgroup
                ));
            }
            // Where it is not known how many there should be, those that are there have joined.
            (_, None) if is_silent && of.expected_backends == 0 => return Ok(None),
            _ => {}
        }
        let wanted = of.expected_weight_sum.or((of.weight == Some(0)).then_some(0));
        let wanted = wanted.ok_or_else(unknown)?;
        let agrees = held == wanted && backends == of.expected_backends;
        Ok((!agrees).then(|| Difference {
            words: format!(
                "group {} holds {backends} of its backends with a sum of {held}, and should hold {} with {wanted}",
                key.vgroup, of.expected_backends
            ),
            is_empty: backends == 0,
            may_help: true,
        }))
    }

    /// How a group differs that the Service should have left.
    fn in_left(&self, index: &Index<'_>, key: RouteKey<'_>) -> Result<Option<Difference>, String> {
        let route = Route::build(index, key, &Prediction::default());
        let service_ref = self.service(index);
        let of = service_ref.and_then(|of| route.participant_of(&of)).filter(|of| of.is_measured);
        match of.and_then(|of| of.backends) {
            Some(0) => Ok(None),
            Some(left) => Ok(Some(Difference {
                words: format!(
                    "group {} still holds {left} of its backends, and should hold none",
                    key.vgroup
                ),
                is_empty: false,
                may_help: true,
            })),
            None => Err(format!("whose backends group {} holds is not known", key.vgroup)),
        }
    }

    /// The snapshot with the Service mapped to the groups that it has release entries for; `None` where
    /// it has none.
    fn with_releases_mapped(&self) -> Option<Snapshot> {
        let service = self.service_in(&self.snapshot)?;
        let (ports, annotations) = (&service.spec.ports, &service.metadata.annotations);
        let mapping = Mapping::parse(annotations.text(annotation::VGROUP_PORT));
        let released: Vec<&str> =
            mapping.entries().iter().filter(|of| of.is_release()).map(|of| of.group).collect();
        // CCM maps a port to one group, so that a Service has not left more groups than it has ports.
        if released.is_empty() || released.len() > ports.len() {
            return None;
        }
        let mapped = released.iter().zip(ports);
        let mapped: Vec<String> =
            mapped.map(|(group, port)| format!("{group}:{}", port.port)).collect();
        let (key, mapped) = (annotations.key_of(annotation::VGROUP_PORT), mapped.join(","));
        let (cluster, namespace) = (self.cluster, self.namespace.as_str());
        Some(self.snapshot.with_annotation(cluster, namespace, &self.name, &key, Some(&mapped)))
    }
}
