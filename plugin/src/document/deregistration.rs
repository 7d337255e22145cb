//! How long CCM takes to notice the end of a Pod, as `webhook status` answers it.

use clbmigrate_cluster::live::{self, Deregistrations};
use clbmigrate_core::reconciliation::ENSURED;

use crate::output::json::{Deregistration, Recovery};

/// What was found, compared with the preStop hook that is configured; `hook` is `None` where there is
/// none, or nobody knows.
pub fn deregistration(
    found: &Result<Deregistrations, live::Error>,
    hook: Option<u32>,
    namespace: &str,
) -> Deregistration {
    let found = match found {
        Ok(found) => found,
        Err(error) => return unread(error.message.clone()),
    };
    let times = &found.times;
    let slowest = times.slowest();
    let needed = times.needed_seconds();
    let hook_is_long_enough = hook.zip(needed).map(|(hook, needed)| hook >= needed);
    let commands = match (needed, found.services.first()) {
        (Some(needed), _) if hook_is_long_enough == Some(false) => vec![set(namespace, needed)],
        (None, Some((namespace, name))) => measure(namespace, name),
        _ => Vec::new(),
    };
    Deregistration {
        services: Some(found.services.len()),
        in_cluster_mode: found.in_cluster_mode,
        of_unknown_mode: found.of_unknown_mode,
        measured: times.count(),
        median_seconds: times.median(),
        slowest_seconds: slowest.map(|(seconds, _)| seconds),
        slowest_service: slowest.map(|(_, service)| service.to_owned()),
        overlapping: times.overlapping,
        overwritten: times.overwritten,
        unanswered: times.unanswered,
        needed_seconds: needed,
        hook_is_long_enough,
        unread: found.unread.clone(),
        commands,
    }
}

fn unread(why: String) -> Deregistration {
    Deregistration {
        services: None,
        in_cluster_mode: 0,
        of_unknown_mode: 0,
        measured: 0,
        median_seconds: None,
        slowest_seconds: None,
        slowest_service: None,
        overlapping: 0,
        overwritten: 0,
        unanswered: 0,
        needed_seconds: None,
        hook_is_long_enough: None,
        unread: vec![why],
        commands: Vec::new(),
    }
}

fn set(namespace: &str, seconds: u32) -> Recovery {
    Recovery {
        does: "make the hook long enough; workloads get it with their next rollout".to_owned(),
        command: format!(
            "helm upgrade clbmigrate deploy/chart -n {namespace} --reuse-values --set preStopSeconds={seconds}"
        ),
    }
}

/// How to measure at one Service. CCM's recorder makes a new Event where the old one is gone (client-go:
/// `event.go`, `recordEvent`).
fn measure(namespace: &str, name: &str) -> Vec<Recovery> {
    vec![
        Recovery {
            does: format!(
                "to measure it: take away CCM's Event about {namespace}/{name}, so that the next success has a time of its own"
            ),
            command: format!(
                "kubectl delete events -n {namespace} --field-selector involvedObject.kind=Service,involvedObject.name={name},reason={ENSURED}"
            ),
        },
        Recovery {
            does: "end one Pod of it, while others are Ready and nothing is rolled out; a minute later, look again"
                .to_owned(),
            command: format!("kubectl delete pod POD -n {namespace}"),
        },
    ]
}
