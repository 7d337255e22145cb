//! Compares the CLB's groups with what CCM should have written.

use std::time::Duration;

use clbmigrate_clb::{Error as ApiError, ErrorKind};
use clbmigrate_core::{
    annotation,
    clb_answers::ClbAnswer,
    index::{Index, RouteKey, ServiceRef, routes_of},
    mapping::Mapping,
    patch::ServiceEdit,
    prediction::Prediction,
    route::Route,
    snapshot::Snapshot,
};
use tokio::time::Instant;

use super::ServiceSide;
use crate::change::Deadline;

/// How often groups are read, by an API that throttles.
const PAUSE: Duration = Duration::from_secs(2);

/// How long one and the same difference is looked at: CCM writes the label last, so the groups should be
/// right by then. A group without a single backend is not waited for longer than the next look.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the groups compare with what CCM should have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GroupCheck {
    /// Every group was read, and carries what CCM should have written.
    Agrees,
    /// A group carries something else. Another round of CCM may help.
    Differs { how: String, may_help: bool },
    /// A group was not read, or what CCM should have written is not known; the reason in words.
    Unknown(String),
}

/// What the groups should hold.
pub(super) struct Expectation {
    /// The Service as it is to be, with what its backends hang on, and the groups as they were read.
    snapshot: Snapshot,
    /// The edit that makes the Service so. It is made again of what is read anew.
    edit: ServiceEdit,
    /// The snapshot with a mapping to the groups that the Service leaves, where it leaves any.
    left: Option<Snapshot>,
}

/// How a group differs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Difference {
    words: String,
    /// Whether none of the Service's backends is in it.
    is_empty: bool,
    may_help: bool,
}

/// What a comparison came to: every difference, or why nothing can be said.
type Comparison = Result<Vec<Difference>, String>;

impl Expectation {
    /// What the groups should hold after an edit of `before`.
    pub(super) fn after(
        service_ref: &ServiceRef<'_>,
        before: &Snapshot,
        edit: &ServiceEdit,
    ) -> Self {
        let meta = &service_ref.service.metadata;
        let at = service_ref.cluster_index;
        let snapshot = before.with_edit(at, meta.namespace(), &meta.name, edit);
        let groups = |snapshot: &Snapshot| groups_of(snapshot, service_ref);
        let (old, new) = (groups(before), groups(&snapshot));
        let left = if old.iter().any(|group| !new.contains(group)) {
            Some(before.clone())
        } else {
            // Groups that were released before.
            with_releases_mapped(&snapshot, service_ref)
        };
        Self { snapshot, edit: edit.clone(), left }
    }

    /// The snapshot, with what was read last.
    pub(super) fn snapshot_mut(&mut self) -> &mut Snapshot {
        &mut self.snapshot
    }

    /// The snapshot, with what was read last.
    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Every group that the Service should be in, or should have left.
    fn groups(&self, service_ref: &ServiceRef<'_>) -> Vec<String> {
        let mut groups = groups_of(&self.snapshot, service_ref);
        groups.extend(self.left.iter().flat_map(|left| groups_of(left, service_ref)));
        groups.sort();
        groups.dedup();
        groups
    }
}

impl ServiceSide<'_> {
    /// Reads the groups until they agree, or one and the same difference has stood for long enough;
    /// until the deadline where the API does not answer. `None` where the API is not connected.
    ///
    /// Nodes and Pods come and go while the groups are read, so that every difference is compared
    /// with what is read anew.
    pub(super) async fn check_groups(
        &self,
        expected: &mut Expectation,
        deadline: Deadline,
    ) -> Option<GroupCheck> {
        if !self.has_cloud() {
            return None;
        }
        let mut seen: Option<(Vec<Difference>, Instant)> = None;
        let mut is_seen_twice = false;
        loop {
            let result = match self.look(expected, deadline).await {
                Ok(Ok(differences)) if differences.is_empty() => return Some(GroupCheck::Agrees),
                Ok(Ok(differences)) => Ok(differences),
                Ok(Err(why)) => return Some(GroupCheck::Unknown(why)),
                Err(error) if error.is_transient() && !deadline.is_over() => Err(error.to_string()),
                Err(error) => {
                    // What was seen more than once is no less true for the last call.
                    let last = seen.filter(|_| is_seen_twice && deadline.is_over());
                    return Some(match last {
                        Some((differences, _)) => in_words(&differences),
                        None => GroupCheck::Unknown(error.to_string()),
                    });
                }
            };
            let mut standing = None;
            if let Ok(differences) = &result {
                match &seen {
                    Some((known, since)) if known == differences => {
                        is_seen_twice = true;
                        let is_empty = differences.iter().any(|of| of.is_empty);
                        standing = Some(is_empty || since.elapsed() >= PATIENCE);
                    }
                    _ => {
                        is_seen_twice = false;
                        seen = Some((differences.clone(), Instant::now()));
                    }
                }
            }
            if standing == Some(true) || deadline.is_over() {
                return Some(match (result, standing) {
                    (Ok(differences), Some(_)) => in_words(&differences),
                    (Ok(differences), None) => GroupCheck::Unknown(format!(
                        "nodes or Pods come and go, and time is over: {}",
                        words(&differences)
                    )),
                    (Err(error), _) => GroupCheck::Unknown(error),
                });
            }
            deadline.pause(PAUSE).await;
        }
    }

    /// Whether the groups agree at this moment.
    pub(super) async fn agrees_now(&self, expected: &mut Expectation, deadline: Deadline) -> bool {
        self.has_cloud()
            && matches!(self.look(expected, deadline).await, Ok(Ok(of)) if of.is_empty())
    }

    /// Reads the groups and compares them; with what is read anew where they differ.
    async fn look(
        &self,
        expected: &mut Expectation,
        deadline: Deadline,
    ) -> Result<Comparison, ApiError> {
        let missing = self.read_groups(expected, deadline).await?;
        let differences = self.compare(expected, &missing);
        if differences.as_ref().is_ok_and(Vec::is_empty) || !self.refresh(expected).await {
            return Ok(differences);
        }
        Ok(self.compare(expected, &missing))
    }

    /// Reads the groups into the expectation, and gives those that do not exist.
    async fn read_groups(
        &self,
        expected: &mut Expectation,
        deadline: Deadline,
    ) -> Result<Vec<String>, ApiError> {
        let mut missing = Vec::new();
        let Some(cloud) = &self.cloud else { return Ok(missing) };
        for vgroup in expected.groups(&self.service_ref) {
            match cloud.group(&vgroup, deadline).await {
                Ok(group) => {
                    let snapshots = [Some(&mut expected.snapshot), expected.left.as_mut()];
                    for snapshot in snapshots.into_iter().flatten() {
                        snapshot.clb_answers.insert(ClbAnswer::Group(group.clone()));
                    }
                }
                Err(error) if error.kind == ErrorKind::NotFound => missing.push(vgroup),
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }

    /// Reads anew what the backends hang on; `false` where that cannot be read.
    async fn refresh(&self, expected: &mut Expectation) -> bool {
        let meta = &self.service_ref.service.metadata;
        let (namespace, name) = (meta.namespace(), meta.name.as_str());
        let Ok(state) = self.cluster.backends(namespace, name).await else { return false };
        let at = self.service_ref.cluster_index;
        let Some(fresh) = state.loaded.snapshot.clusters.into_iter().next() else { return false };
        // Where the Service is gone, the wait for CCM finds that out.
        if fresh.service(namespace, name).is_none() {
            return false;
        }
        let fresh = expected.snapshot.with_fresh_backends(at, &fresh);
        expected.snapshot = fresh.with_edit(at, namespace, name, &expected.edit);
        true
    }

    fn compare(&self, expected: &Expectation, missing: &[String]) -> Comparison {
        let now = groups_of(&expected.snapshot, &self.service_ref);
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
        let index = Index::new(&expected.snapshot);
        for key in self.routes_in(&index) {
            if !missing.iter().any(|vgroup| *vgroup == key.vgroup) {
                differences.extend(self.in_route(&index, key)?);
                compared += 1;
            }
        }
        if let Some(left) = &expected.left {
            let index = Index::new(left);
            let keys = self.routes_in(&index).into_iter();
            let keys = keys.filter(|key| !now.iter().any(|vgroup| *vgroup == key.vgroup));
            for key in keys {
                // A group that is gone holds nothing.
                if !missing.iter().any(|vgroup| *vgroup == key.vgroup) {
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

    /// The routes that the Service is in.
    pub(super) fn routes_in<'i>(&self, index: &Index<'i>) -> Vec<RouteKey<'i>> {
        let service_ref = index.services().find(|of| of.is_same(&self.service_ref));
        service_ref.map(|of| index.routes_with(&of).collect()).unwrap_or_default()
    }

    /// How a group differs that the Service should be in.
    fn in_route(&self, index: &Index<'_>, key: RouteKey<'_>) -> Result<Option<Difference>, String> {
        let route = Route::build(index, key, &Prediction::default());
        let of = route.participant_of(&self.service_ref).filter(|of| of.is_measured);
        let unknown = || {
            let why = route.unknown.first().cloned();
            why.unwrap_or_else(|| format!("what group {} holds is not known", key.vgroup))
        };
        let of = of.ok_or_else(unknown)?;
        let (Some(held), Some(backends)) = (of.weight_sum, of.backends) else {
            return Err(unknown());
        };
        // At weight 0 nothing else matters: the Service gets no traffic. Where it joins the group, it
        // must be there.
        let is_silent = held == 0 && (of.weight == Some(0) || of.expected_weight_sum == Some(0));
        if is_silent && !self.must_register {
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
        let of = route.participant_of(&self.service_ref).filter(|of| of.is_measured);
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
}

/// A snapshot in which a Service is mapped to the groups that it has release entries for; `None` where
/// it has none.
fn with_releases_mapped(snapshot: &Snapshot, service_ref: &ServiceRef<'_>) -> Option<Snapshot> {
    let meta = &service_ref.service.metadata;
    let cluster = snapshot.clusters.get(service_ref.cluster_index)?;
    let service = cluster.service(meta.namespace(), &meta.name)?;
    let ports = &service.spec.ports;
    let annotations = &service.metadata.annotations;
    let mapping = Mapping::parse(annotations.text(annotation::VGROUP_PORT));
    let released: Vec<&str> =
        mapping.entries().iter().filter(|of| of.is_release()).map(|of| of.group).collect();
    // CCM maps a port to one group, so that a Service has not left more groups than it has ports.
    if released.len() > ports.len() {
        return None;
    }
    let mapped = released.iter().zip(ports).map(|(group, port)| format!("{group}:{}", port.port));
    let mapped = mapped.collect::<Vec<_>>().join(",");
    (!mapped.is_empty()).then(|| {
        let key = annotations.key_of(annotation::VGROUP_PORT);
        snapshot.with_annotation(
            service_ref.cluster_index,
            meta.namespace(),
            &meta.name,
            &key,
            Some(&mapped),
        )
    })
}

/// The groups that CCM maps the ports of a side's Service to, in a snapshot.
fn groups_of(snapshot: &Snapshot, service_ref: &ServiceRef<'_>) -> Vec<String> {
    let meta = &service_ref.service.metadata;
    let cluster = snapshot.clusters.get(service_ref.cluster_index);
    let service = cluster.and_then(|of| of.service(meta.namespace(), &meta.name));
    let service = service.filter(|service| service.is_taken_by_ccm());
    let routes = service.map(routes_of).unwrap_or_default();
    routes.into_iter().map(|(vgroup, _)| vgroup.to_owned()).collect()
}

fn words(differences: &[Difference]) -> String {
    differences.iter().map(|of| of.words.as_str()).collect::<Vec<_>>().join("; ")
}

fn in_words(differences: &[Difference]) -> GroupCheck {
    GroupCheck::Differs {
        how: words(differences),
        may_help: differences.iter().all(|of| of.may_help),
    }
}
