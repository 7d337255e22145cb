//! From what is wanted to what is: everything a round asks of the cloud, in CCM's order (CCM 2.14:
//! `model_builder.go`, `model_applier.go`).
//!
//! What CCM does at the same time is done at the same time here: reading tags, groups and listeners; then
//! changing the load balancer, its groups and its listeners.

use std::collections::{BTreeMap, HashMap};

use tokio::sync::watch;

use super::errors::aggregate;
use super::{Context, groups, listeners, load_balancer};
use crate::cloud_client::listener::Listener;
use crate::cloud_client::load_balancer::LoadBalancer;
use crate::events::ServiceEvent;
use crate::model::named_key::{CREATED_BY_CCM, load_balancer_name};
use crate::model::{self, BuildError, Inputs, Model};

/// What a Service wants.
#[derive(Debug, Default)]
pub(super) struct DesiredState {
    balancer: load_balancer::DesiredLoadBalancer,
    pub(super) model: Model,
    listeners: Vec<model::listeners::DesiredListener>,
}

/// Why a round did not get to its end.
#[derive(Debug)]
pub(super) struct SyncError {
    /// The CLB, as far as it was known.
    pub(super) clb: String,
    pub(super) message: String,
}

/// Computes what a Service wants; nothing but the CLB's end if it is over.
pub(super) async fn build(
    context: &Context<'_>,
    inputs: &Inputs<'_>,
    events: &mut Vec<ServiceEvent>,
) -> Result<DesiredState, SyncError> {
    if context.needs_cleanup {
        let balancer = load_balancer::DesiredLoadBalancer::for_cleanup(context.annotations());
        return Ok(DesiredState { balancer, ..DesiredState::default() });
    }
    let in_part = |part: &'static str| {
        move |BuildError(error)| SyncError {
            clb: String::new(),
            message: format!("build lb local model error: {part}: {error}"),
        }
    };
    let balancer = load_balancer::DesiredLoadBalancer::of(context.annotations())
        .map_err(in_part("build lb attribute error"))?;
    let model = model::build(inputs, context.cloud, events)
        .await
        .map_err(in_part("build vserver groups error"))?;
    // The misspelling is CCM's.
    let listeners = model::listeners::build(inputs).map_err(in_part("builid lb listener error"))?;
    Ok(DesiredState { balancer, model, listeners })
}

/// Makes the cloud what a Service wants, and gives its CLB; empty if it is gone.
pub(super) async fn apply(
    context: &Context<'_>,
    local: &mut DesiredState,
    events: &mut Vec<ServiceEvent>,
) -> Result<LoadBalancer, SyncError> {
    let mut clb = context.annotations().get("id").to_owned();
    let applied = apply_to(context, local, events, &mut clb).await;
    applied.map_err(|error| SyncError { clb, message: format!("apply model error: {error}") })
}

async fn apply_to(
    context: &Context<'_>,
    local: &mut DesiredState,
    events: &mut Vec<ServiceEvent>,
    clb: &mut String,
) -> Result<LoadBalancer, String> {
    let touches_listeners = context.hash_changed
        && (!local.balancer.is_reused
            || context.annotations().get("force-override-listeners") == "true");

    let mut balancer = load_balancer::find(context).await?;
    clb.clone_from(&balancer.id);
    let (mut tags, mut found, mut there) = Default::default();
    if !balancer.id.is_empty() {
        (tags, found, there) = read(context, &balancer.id, touches_listeners).await?;
        if local.balancer.outlives_service {
            let event = format!("The lb [{clb}] will be preserved after the service is deleted.");
            events.push(ServiceEvent::warning("PreservedOnDelete", event));
        }
    }
    if context.hash_changed {
        let ensured = load_balancer::ensure(context, &local.balancer, balancer, &mut tags).await;
        balancer = ensured.map_err(|error| format!("update lb attribute error: {error}"))?;
        clb.clone_from(&balancer.id);
    }
    if balancer.id.is_empty() {
        return if context.needs_cleanup {
            Ok(balancer)
        } else {
            Err(format!(
                "alicloud: can not find loadbalancer by tag [{}:{}]",
                CREATED_BY_CCM,
                load_balancer_name(context.uid())
            ))
        };
    }

    let actions = groups::plan(&mut local.model.groups, &found, events);
    if touches_listeners {
        listeners::associate(&mut local.listeners, &local.model.groups)
            .map_err(|error| format!("merge listener: {error}"))?;
    }
    let made = watch::Sender::new(HashMap::new());
    let of_balancer = async {
        if !context.hash_changed {
            return Ok(());
        }
        load_balancer::update(context, &local.balancer, &balancer, &tags)
            .await
            .map_err(|error| format!("update lb attribute error: {error}"))
    };
    let of_groups = async {
        let tell = |name: &str, id: &str| {
            made.send_modify(|made| {
                made.insert(name.to_owned(), id.to_owned());
            });
        };
        let done = groups::apply_all(context, &balancer.id, actions, tell).await;
        tell(listeners::NO_MORE, "");
        done
    };
    let of_listeners = async {
        if !touches_listeners {
            return Ok(());
        }
        let id = &balancer.id;
        listeners::apply_all(context, id, &local.listeners, &there, &made).await
    };
    let (first, second, third) = futures::join!(of_balancer, of_groups, of_listeners);
    aggregate([first, second, third].into_iter().filter_map(Result::err).collect())?;

    if context.hash_changed {
        groups::clean_up(context, &local.model.groups, &found)
            .await
            .map_err(|error| format!("cleanup lb error: {error}"))?;
    }
    Ok(balancer)
}

/// Tags, groups and listeners.
type RemoteState = (BTreeMap<String, String>, Vec<groups::ExistingGroup>, Vec<Listener>);

/// Reads everything about a CLB at the same time.
async fn read(
    context: &Context<'_>,
    id: &str,
    with_listeners: bool,
) -> Result<RemoteState, String> {
    let tags =
        async { context.cloud.tags(id).await.map_err(|error| format!("DescribeTags: {error}")) };
    let there = async {
        if !with_listeners {
            return Ok(Vec::new());
        }
        context.cloud.listeners(id).await.map_err(|error| {
            format!(
                "get lb listeners from cloud, error: DescribeLoadBalancerListeners error:{error}"
            )
        })
    };
    let (tags, found, there) = futures::join!(tags, groups::find(context, id), there);
    let errors = [tags.as_ref().err(), found.as_ref().err(), there.as_ref().err()];
    aggregate(errors.into_iter().flatten().cloned().collect())?;
    Ok((tags?, found?, there?))
}

impl DesiredState {
    /// Whether listeners lead to groups of CCM's own: on a CLB whose listeners it leaves alone none does.
    pub(super) fn lacks_listeners(&self, context: &Context<'_>) -> bool {
        self.balancer.is_reused && context.annotations().get("force-override-listeners") != "true"
    }
}
