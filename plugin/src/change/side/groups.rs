//! Reads the CLB's groups until they hold what CCM should have written.

use std::{collections::BTreeSet, time::Duration};

use clbmigrate_clb::{Error as ApiError, ErrorKind};
use clbmigrate_core::agreement::{Comparison, Difference, Expectation};
use tokio::time::Instant;

use super::ServiceSide;
use crate::{change::Deadline, output::Printer};

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
        printer: &Printer,
    ) -> Option<GroupCheck> {
        if !self.has_cloud() {
            return None;
        }
        let label = self.service_ref.label();
        let progress = printer.progress(format!("{label}: reading {}", self.groups_in_words()));
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
                let left = deadline.left_in_words();
                progress.set(format!("{label}: {}; looking again{left}", words(differences)));
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

    /// The groups that the Service is in, in words: `group rsp-a`.
    pub(super) fn groups_in_words(&self) -> String {
        let keys = self.before.routes_with(&self.service_ref);
        let groups: BTreeSet<&str> = keys.into_iter().map(|key| key.vgroup).collect();
        let names = groups.into_iter().collect::<Vec<_>>().join(", ");
        if names.is_empty() { "its groups".to_owned() } else { format!("group {names}") }
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
        let differences = expected.compare(&missing);
        if differences.as_ref().is_ok_and(Vec::is_empty) || !self.refresh(expected).await {
            return Ok(differences);
        }
        Ok(expected.compare(&missing))
    }

    /// Reads the groups into the expectation, and gives those that do not exist.
    async fn read_groups(
        &self,
        expected: &mut Expectation,
        deadline: Deadline,
    ) -> Result<Vec<String>, ApiError> {
        let mut missing = Vec::new();
        let Some(cloud) = &self.cloud else { return Ok(missing) };
        for vgroup in expected.groups() {
            match cloud.group(&vgroup, deadline).await {
                Ok(group) => expected.insert(&group),
                Err(error) if error.kind == ErrorKind::NotFound => missing.push(vgroup),
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }

    /// Reads anew what the backends hang on; `false` where that cannot be read. Where the Service is
    /// gone, the wait for CCM finds that out.
    async fn refresh(&self, expected: &mut Expectation) -> bool {
        let meta = &self.service_ref.service.metadata;
        let Ok(state) = self.cluster.backends(meta.namespace(), &meta.name).await else {
            return false;
        };
        let fresh = state.loaded.snapshot.clusters.first();
        fresh.is_some_and(|fresh| expected.refresh(fresh))
    }
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
