//! Listeners, where CCM may touch them: on its own CLB, or with `force-override-listeners` (CCM 2.14:
//! `listeners.go`, `model_applier.go`). Whose a listener was before does not matter.

use std::collections::HashMap;

use futures::future::join_all;
use tokio::sync::watch;

use super::Context;
use super::errors::aggregate;
use super::groups::ExistingGroup;
use crate::cloud_client::listener::Listener;
use crate::model::listeners::DesiredListener;
use crate::model::named_key::NamedKey;

/// The ids of groups that are made in this round, by name.
pub(super) type CreatedGroups = watch::Sender<HashMap<String, String>>;

/// What has to be done about one listener.
enum ListenerAction<'a> {
    Create(&'a DesiredListener),
    Update(&'a DesiredListener, &'a Listener),
}

/// Makes the listeners what they shall be: superfluous ones of this Service go, then the others are made and
/// changed at the same time, each as soon as its group is there; those that only forward come last.
pub(super) async fn apply_all(
    context: &Context<'_>,
    clb: &str,
    wanted: &[DesiredListener],
    found: &[Listener],
    groups: &[ExistingGroup],
    made: &CreatedGroups,
) -> Result<(), String> {
    let superfluous = found.iter().filter(|there| {
        let is_wanted = wanted.iter().any(|one| is_at(one, there));
        !is_wanted
            && NamedKey::parse(&there.description)
                .is_some_and(|named| named.belongs_to(&context.key, context.cluster_id))
    });
    let gone = join_all(superfluous.map(|there| async move {
        delete(context, clb, there).await.map_err(|error| format!("delete listener error: {error}"))
    }))
    .await;
    let actions = wanted.iter().map(|one| match found.iter().find(|there| is_at(one, there)) {
        None => ListenerAction::Create(one),
        Some(there) => ListenerAction::Update(one, there),
    });
    let (last, first): (Vec<_>, Vec<_>) = actions.partition(|action| {
        let (ListenerAction::Create(one) | ListenerAction::Update(one, _)) = action;
        one.forwards_to.is_some()
    });
    let mut errors: Vec<String> = gone.into_iter().filter_map(Result::err).collect();
    for some in [first, last] {
        let done =
            join_all(some.into_iter().map(|action| apply_one(context, clb, action, groups, made)));
        errors.extend(done.await.into_iter().filter_map(Result::err));
    }
    aggregate(errors)
}

fn is_at(wanted: &DesiredListener, there: &Listener) -> bool {
    wanted.port == there.port && wanted.protocol == there.protocol
}

async fn apply_one(
    context: &Context<'_>,
    clb: &str,
    action: ListenerAction<'_>,
    groups: &[ExistingGroup],
    made: &CreatedGroups,
) -> Result<(), String> {
    let (ListenerAction::Create(wanted) | ListenerAction::Update(wanted, _)) = action;
    let group = if wanted.forwards_to.is_some() {
        String::new()
    } else {
        group_of(wanted, groups, made).await?
    };
    match action {
        ListenerAction::Create(wanted) => create(context, clb, wanted, &group)
            .await
            .map_err(|error| format!("create listener error: {error}")),
        ListenerAction::Update(wanted, there) => update(context, clb, wanted, there, &group)
            .await
            .map_err(|error| format!("update listener error: {error}")),
    }
}

/// The group of a listener; waits for one that is being made.
async fn group_of(
    wanted: &DesiredListener,
    groups: &[ExistingGroup],
    made: &CreatedGroups,
) -> Result<String, String> {
    if !wanted.group.is_empty() {
        return Ok(wanted.group.clone());
    }
    if let Some(there) = groups.iter().find(|there| there.name == wanted.group_name) {
        return Ok(there.id.clone());
    }
    let mut made = made.subscribe();
    let known =
        made.wait_for(|made| made.contains_key(&wanted.group_name) || made.contains_key(NO_MORE));
    let id = known.await.ok().and_then(|made| made.get(&wanted.group_name).cloned());
    id.ok_or_else(|| format!("there are unprocessed listeners in reconcile: {}", wanted.group_name))
}

/// The name under which it is told that no more groups are made.
pub(super) const NO_MORE: &str = "";

async fn create(
    context: &Context<'_>,
    clb: &str,
    wanted: &DesiredListener,
    group: &str,
) -> Result<(), String> {
    let action = match wanted.protocol.as_str() {
        "udp" => "CreateLoadBalancerUDPListener",
        "http" => "CreateLoadBalancerHTTPListener",
        "https" => "CreateLoadBalancerHTTPSListener",
        _ => "CreateLoadBalancerTCPListener",
    };
    let mut parameters = parameters(wanted, group);
    // What CCM sets where nobody says; with equal weights it holds rr for better than wrr.
    let mut defaults = vec![("Scheduler", "rr")];
    if wanted.protocol != "http" {
        defaults.push(("Bandwidth", "-1"));
    }
    if wanted.protocol.starts_with("http") {
        defaults.extend([("HealthCheck", "off"), ("StickySession", "off")]);
    }
    for (name, value) in defaults {
        if parameters.iter().all(|(set, _)| *set != name) {
            parameters.push((name, value.to_owned()));
        }
    }
    let said = |error: &dyn std::fmt::Display| {
        format!("create {} listener {} error: {error}", wanted.protocol, wanted.port)
    };
    change(context, action, clb, &parameters).await.map_err(|error| said(&error))?;
    start(context, clb, wanted).await
}

fn parameters(wanted: &DesiredListener, group: &str) -> Vec<(&'static str, String)> {
    let mut parameters = vec![
        ("ListenerPort", wanted.port.to_string()),
        ("Description", wanted.description.clone()),
    ];
    match wanted.forwards_to {
        None => parameters.push(("VServerGroupId", group.to_owned())),
        Some(port) => parameters
            .extend([("ListenerForward", "on".to_owned()), ("ForwardPort", port.to_string())]),
    }
    parameters.extend(wanted.attributes.iter().cloned());
    parameters
}

async fn update(
    context: &Context<'_>,
    clb: &str,
    wanted: &DesiredListener,
    there: &Listener,
    group: &str,
) -> Result<(), String> {
    if there.status == "stopped" {
        start(context, clb, wanted).await?;
    }
    let forwards = there.attribute("ListenerForward") == "on";
    if wanted.protocol == "http" && forwards != wanted.forwards_to.is_some() {
        // The cloud cannot change this about a listener.
        delete(context, clb, there).await?;
        return create(context, clb, wanted, group).await;
    }
    let mut parameters = parameters(wanted, group);
    let is_equal = parameters.iter().skip(1).all(|(name, value)| there.attribute(name) == value);
    if forwards || is_equal {
        return Ok(());
    }
    let action = match wanted.protocol.as_str() {
        "udp" => "SetLoadBalancerUDPListenerAttribute",
        "http" => "SetLoadBalancerHTTPListenerAttribute",
        "https" => "SetLoadBalancerHTTPSListenerAttribute",
        _ => "SetLoadBalancerTCPListenerAttribute",
    };
    parameters.push(("VServerGroup", "on".to_owned()));
    change(context, action, clb, &parameters).await
}

async fn start(context: &Context<'_>, clb: &str, wanted: &DesiredListener) -> Result<(), String> {
    let parameters = of(wanted.port, &wanted.protocol);
    change(context, "StartLoadBalancerListener", clb, &parameters).await
}

async fn delete(context: &Context<'_>, clb: &str, there: &Listener) -> Result<(), String> {
    let parameters = of(there.port, &there.protocol);
    change(context, "DeleteLoadBalancerListener", clb, &parameters).await
}

fn of(port: i32, protocol: &str) -> Vec<(&'static str, String)> {
    vec![("ListenerPort", port.to_string()), ("ListenerProtocol", protocol.to_owned())]
}

async fn change(
    context: &Context<'_>,
    action: &'static str,
    clb: &str,
    parameters: &[(&'static str, String)],
) -> Result<(), String> {
    let parameters: Vec<_> =
        parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    context.cloud.change(action, clb, &parameters).await.map_err(|error| error.to_string())
}
