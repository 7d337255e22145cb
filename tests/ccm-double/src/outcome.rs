//! How a round ended.

use k8s_openapi::api::core::v1::Service;
use serde::Serialize;

use crate::model::Model;
use crate::service::ServiceExt;

/// What a round means for the traffic of its Service, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every port goes where the annotations say.
    Applied,
    /// The Service was deleted or changed its type, and nothing of CCM is left on it.
    Cleaned,
    /// The backends of a port are in a group of CCM's own, which has no listener. CCM reports success.
    Misrouted,
    /// A port has lost its backends. CCM reports success.
    Drained,
    /// CCM wrote nothing but a Warning event, and tries again.
    Frozen,
    /// The API server refused a read or a write, and CCM tries again.
    Failed,
}

impl Outcome {
    /// Whether CCM regards the round as a success and does not try again.
    pub fn is_success(self) -> bool {
        !matches!(self, Self::Frozen | Self::Failed)
    }
}

/// What a successful round means for traffic: the worst of the ports, and why, a sentence a port.
pub(crate) fn classify(
    model: &Model,
    lacks_listeners: bool,
    service: &Service,
) -> (Outcome, Vec<String>) {
    let label = service.annotations().get("backend-label");
    let mut outcome = Outcome::Applied;
    let mut reasons = Vec::new();
    for port in service.ports().iter().map(|port| port.port) {
        let skipped = model.skipped.iter().find(|(skipped, _)| *skipped == port);
        let is_unlabelled = model.unlabelled.contains(&port);
        let group = model.groups.iter().find(|group| group.port == port);
        let (worse, why) = match (skipped, group) {
            (Some((_, why)), _) => (Outcome::Drained, why.to_string()),
            _ if is_unlabelled => (Outcome::Drained, format!("no node carries {label}")),
            (None, Some(group)) if lacks_listeners && !group.is_user_managed => {
                (Outcome::Misrouted, format!("goes to CCM's own group {}", group.name))
            }
            _ => continue,
        };
        outcome = outcome.max(worse);
        reasons.push(format!("port {port}: {why}"));
    }
    (outcome, reasons)
}
