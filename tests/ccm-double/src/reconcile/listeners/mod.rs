//! Listeners, where CCM may touch them: on its own CLB, or with `force-override-listeners` (CCM 2.14:
//! `listeners.go`, `model_applier.go`). Whose a listener was before does not matter.

mod update;

use std::collections::HashMap;

use futures::future::join_all;
use tokio::sync::watch;

use super::Context;
use super::errors::aggregate;
use crate::cloud_client::listener::Listener;
use crate::model::Group;
use crate::model::listeners::DesiredListener;
use crate::model::named_key::NamedKey;
use crate::number::atoi;

/// The ids of groups that are made in this round, by name.
pub(super) type CreatedGroups = watch::Sender<HashMap<String, String>>;

/// Gives every listener without a mapped group the one of its port, as far as it has an id already. A port without
/// a group is an error.
pub(super) fn associate(wanted: &mut [DesiredListener], groups: &[Group]) -> Result<(), String> {
    for listener in wanted.iter_mut().filter(|listener| listener.group.is_empty()) {
        let name = &listener.group_name;
        let group = groups.iter().find(|group| group.name == *name).ok_or_else(|| {
            format!("find vservergroup error: can not find vgroup by name {name}")
        })?;
        listener.group.clone_from(&group.id);
    }
    Ok(())
}

/// What has to be done about one listener.
#[derive(Clone, Copy)]
enum ListenerAction<'a> {
    Create(&'a DesiredListener),
    Update(&'a DesiredListener, &'a Listener),
    Delete(&'a Listener),
}

/// What has to be done, by when it is done.
#[derive(Default)]
struct ListenerActions<'a> {
    /// At once.
    first: Vec<ListenerAction<'a>>,
    /// As soon as the listener's group is made.
    with_group: Vec<ListenerAction<'a>>,
    /// After all others.
    last: Vec<ListenerAction<'a>>,
}

/// Makes the listeners what they shall be. All is done at the same time, but what needs a group or another listener
/// waits for it. An error stops nothing.
pub(super) async fn apply_all(
    context: &Context<'_>,
    clb: &str,
    wanted: &[DesiredListener],
    found: &[Listener],
    made: &CreatedGroups,
) -> Result<(), String> {
    let ListenerActions { first, with_group, last } = plan(context, wanted, found);
    let apply = |action| apply_one(context, clb, action, made);
    let mut done = join_all(first.into_iter().chain(with_group).map(apply)).await;
    done.extend(join_all(last.into_iter().map(apply)).await);
    aggregate(done.into_iter().filter_map(Result::err).collect())
}

fn plan<'a>(
    context: &Context<'_>,
    wanted: &'a [DesiredListener],
    found: &'a [Listener],
) -> ListenerActions<'a> {
    let mut actions = ListenerActions::default();
    let is_wanted = |there: &Listener| wanted.iter().any(|one| is_at(one, there));
    let superfluous = found.iter().filter(|there| !is_wanted(there) && is_ours(context, there));
    let superfluous: Vec<&Listener> = superfluous.collect();
    for there in &superfluous {
        let port = there.port.to_string();
        let leads_here =
            |other: &&Listener| other.forwards() && other.attribute("ForwardPort") == port;
        let list =
            if superfluous.iter().any(leads_here) { &mut actions.last } else { &mut actions.first };
        list.push(ListenerAction::Delete(there));
    }
    for one in wanted {
        let there = found.iter().find(|there| is_at(one, there));
        let takes_over = superfluous.iter().any(|gone| gone.port == one.port);
        let has_group = !one.group.is_empty();
        let waits = there.is_none() && (one.forwards_to.is_some() || (takes_over && has_group));
        let list = if waits {
            &mut actions.last
        } else if has_group {
            &mut actions.first
        } else {
            &mut actions.with_group
        };
        list.push(match there {
            None => ListenerAction::Create(one),
            Some(there) => ListenerAction::Update(one, there),
        });
    }
    actions
}

/// Whether CCM made it for this Service.
fn is_ours(context: &Context<'_>, there: &Listener) -> bool {
    NamedKey::parse(&there.description).is_some_and(|named| {
        atoi(named.port).is_ok() && named.belongs_to(&context.key, context.cluster_id)
    })
}

fn is_at(wanted: &DesiredListener, there: &Listener) -> bool {
    wanted.port == there.port && wanted.protocol == there.protocol
}

async fn apply_one(
    context: &Context<'_>,
    clb: &str,
    action: ListenerAction<'_>,
    made: &CreatedGroups,
) -> Result<(), String> {
    match action {
        ListenerAction::Delete(there) => delete(context, clb, there)
            .await
            .map_err(|error| format!("delete listener error: {error}")),
        ListenerAction::Create(wanted) => {
            let group = group_of(wanted, made).await?;
            create(context, clb, wanted, &group)
                .await
                .map_err(|error| format!("create listener error: {error}"))
        }
        ListenerAction::Update(wanted, there) => {
            let group = group_of(wanted, made).await?;
            update(context, clb, wanted, there, &group)
                .await
                .map_err(|error| format!("update listener error: {error}"))
        }
    }
}

/// The group of a listener; waits for one that is being made. One that only forwards has none.
async fn group_of(wanted: &DesiredListener, made: &CreatedGroups) -> Result<String, String> {
    if wanted.forwards_to.is_some() || !wanted.group.is_empty() {
        return Ok(wanted.group.clone());
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
    let to = wanted.forwards_to.map(|to| to.to_string()).unwrap_or_default();
    let leads = if there.forwards() { there.attribute("ForwardPort") } else { "" };
    if wanted.protocol == "http" && leads != to {
        // The cloud cannot change this about a listener.
        delete(context, clb, there).await?;
        return create(context, clb, wanted, group).await;
    }
    if there.forwards() || !update::is_needed(wanted, there, group) {
        return Ok(());
    }
    let action = match wanted.protocol.as_str() {
        "udp" => "SetLoadBalancerUDPListenerAttribute",
        "http" => "SetLoadBalancerHTTPListenerAttribute",
        "https" => "SetLoadBalancerHTTPSListenerAttribute",
        _ => "SetLoadBalancerTCPListenerAttribute",
    };
    change(context, action, clb, &update::parameters(wanted, there, group)).await
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
