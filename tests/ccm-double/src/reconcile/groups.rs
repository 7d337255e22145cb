//! vServer groups: what is found, what differs, and the calls that make it equal (CCM 2.14: `vgroups.go`,
//! `model_applier.go`).

use super::errors::aggregate;
use super::{Context, run_concurrently};
use crate::cloud_client::backend::Backend;
use crate::events::ServiceEvent;
use crate::model::named_key::NamedKey;
use crate::model::{Group, interfaces, mapping};

/// Backends in one call.
const BATCH: usize = 40;

/// A group that was found on the CLB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExistingGroup {
    pub(super) id: String,
    pub(super) name: String,
    /// Whether the name says that it is this Service's.
    is_named_ours: bool,
    ours: Vec<Backend>,
    others: Vec<Backend>,
}

impl ExistingGroup {
    /// Whether it goes when it is not wanted any more: one that a person put something into stays.
    fn is_ours(&self) -> bool {
        self.is_named_ours && self.others.is_empty()
    }
}

/// Looks at all groups of a CLB; the backends are read of this Service's own and of those in its mapping.
///
/// A group whose backends cannot be read counts as empty: CCM drops that error.
pub(super) async fn find(context: &Context<'_>, clb: &str) -> Result<Vec<ExistingGroup>, String> {
    let said = |error: String| {
        format!("get lb backend from remote error: DescribeVServerGroups error: {error}")
    };
    let listed = context.cloud.groups(clb).await.map_err(|error| said(error.to_string()))?;
    let mapping = context.annotations().get("vgroup-port");
    let mapped = mapping::groups(mapping).map_err(|error| said(error.to_string()))?;
    let found = listed.into_iter().map(|group| {
        let is_ours = |name: &str| {
            NamedKey::parse(name)
                .is_some_and(|named| named.belongs_to(&context.key, context.cluster_id))
        };
        let is_named_ours = is_ours(&group.name);
        let is_read = is_named_ours || mapped.contains(&group.id.as_str());
        async move {
            let backends = if is_read {
                context.cloud.backends(&group.id).await.unwrap_or_default()
            } else {
                Vec::new()
            };
            let (ours, others) = backends.into_iter().partition(|one| is_ours(&one.description));
            ExistingGroup { id: group.id, name: group.name, is_named_ours, ours, others }
        }
    });
    Ok(run_concurrently(found.collect()).await)
}

/// What has to be done about one group.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GroupAction {
    /// Make one of CCM's own, and fill it.
    Create { name: String, backends: Vec<Backend> },
    /// Change one that is there.
    Update { id: String, difference: Difference },
}

/// What differs between a group as it is and as it shall be.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Difference {
    add: Vec<Backend>,
    remove: Vec<Backend>,
    set: Vec<Backend>,
}

impl Difference {
    /// Compares as CCM does. Changes are looked for by server without port, so that a second port of the same
    /// machine is found changed in every round.
    fn between(found: &ExistingGroup, group: &Group) -> Self {
        let all = || found.ours.iter().chain(&found.others);
        let is_wanted = |there: &&Backend| !group.backends.iter().any(|one| one.is_at(there));
        let has_changed = |wanted: &&Backend| {
            all().any(|there| {
                wanted.is_on_server_of(there)
                    && (wanted.port != there.port
                        || (!group.ignores_weights && wanted.weight != there.weight)
                        || wanted.description != there.description)
            })
        };
        let is_missing = |wanted: &&Backend| !all().any(|there| wanted.is_at(there));
        Self {
            add: group.backends.iter().filter(is_missing).cloned().collect(),
            remove: found.ours.iter().filter(is_wanted).cloned().collect(),
            set: group.backends.iter().filter(has_changed).cloned().collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty() && self.set.is_empty()
    }
}

/// What has to be done about the groups. Gives CCM's own groups that were found their ids.
///
/// Of two ports with one group the first that differs wins, the other waits for another round.
pub(super) fn plan(
    groups: &mut [Group],
    found: &[ExistingGroup],
    events: &mut Vec<ServiceEvent>,
) -> Vec<GroupAction> {
    let mut actions = Vec::new();
    let mut taken = Vec::new();
    for group in groups {
        let place = if group.id.is_empty() { group.name.clone() } else { group.id.clone() };
        let there = found.iter().find(|there| {
            if group.id.is_empty() { there.name == group.name } else { there.id == group.id }
        });
        if let Some(there) = there {
            group.id.clone_from(&there.id);
        }
        if taken.contains(&place) {
            continue;
        }
        let action = match there {
            None => {
                GroupAction::Create { name: group.name.clone(), backends: group.backends.clone() }
            }
            Some(there) => {
                let mut difference = Difference::between(there, group);
                if difference.is_empty() {
                    continue;
                }
                if !group.unknown.is_empty() {
                    events.push(ServiceEvent::warning(
                        "SkipSyncBackends",
                        format!(
                            "Skip delete and update backends to vgroup {} due to invalid backends: {}",
                            there.name,
                            interfaces::listed(&group.unknown)
                        ),
                    ));
                    difference = Difference { add: difference.add, ..Difference::default() };
                }
                GroupAction::Update { id: there.id.clone(), difference }
            }
        };
        actions.push(action);
        taken.push(place);
    }
    actions
}

/// Carries actions out, several at a time. `made` is told the name and id of every group made.
pub(super) async fn apply_all(
    context: &Context<'_>,
    clb: &str,
    actions: Vec<GroupAction>,
    made: impl Fn(&str, &str),
) -> Result<(), String> {
    let made = &made;
    let done = actions.into_iter().map(|action| async move {
        match action {
            GroupAction::Update { id, difference } => update(context, &id, &difference).await,
            GroupAction::Create { name, backends } => {
                let id = context
                    .cloud
                    .create_group(clb, &name)
                    .await
                    .map_err(|error| error.to_string())?;
                let filled = batches(context, ADD, &id, &backends).await;
                if filled.is_ok() {
                    made(&name, &id);
                }
                filled
            }
        }
    });
    let done = run_concurrently(done.collect()).await;
    aggregate(done.into_iter().filter_map(Result::err).collect())
}

const ADD: &str = "AddVServerGroupBackendServers";
const REMOVE: &str = "RemoveVServerGroupBackendServers";
const SET: &str = "SetVServerGroupAttribute";

/// Add, then remove, then set, so that the group is never empty in between. An error stops none of them, and
/// if there was no room before the removal, adding is tried again after it.
async fn update(context: &Context<'_>, id: &str, difference: &Difference) -> Result<(), String> {
    let Difference { add, remove, set } = difference;
    let added = batches(context, ADD, id, add).await;
    let lacks_room = |error: &String| error.contains("InstanceBackendServerNumberOverLimit");
    let tries_again = added.as_ref().is_err_and(lacks_room);
    let mut errors: Vec<String> = added.err().into_iter().filter(|one| !lacks_room(one)).collect();
    errors.extend(batches(context, REMOVE, id, remove).await.err());
    errors.extend(batches(context, SET, id, set).await.err());
    if tries_again {
        errors.extend(batches(context, ADD, id, add).await.err());
    }
    aggregate(errors)
}

async fn batches(
    context: &Context<'_>,
    action: &'static str,
    group: &str,
    backends: &[Backend],
) -> Result<(), String> {
    for batch in backends.chunks(BATCH) {
        let done = context.cloud.change_backends(action, group, batch).await;
        done.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Takes away what is not wanted any more: the Service's backends from others' groups, and its own groups.
pub(super) async fn clean_up(
    context: &Context<'_>,
    groups: &[Group],
    found: &[ExistingGroup],
) -> Result<(), String> {
    let unwanted = found.iter().filter(|there| groups.iter().all(|group| group.id != there.id));
    let (ours, others): (Vec<&ExistingGroup>, Vec<&ExistingGroup>) =
        unwanted.partition(|there| there.is_ours());
    for there in others {
        batches(context, REMOVE, &there.id, &there.ours).await?;
    }
    let deleted = ours.into_iter().map(|there| async move {
        context.cloud.delete_group(&there.id).await.map_err(|error| error.to_string())
    });
    let deleted = run_concurrently(deleted.collect()).await;
    aggregate(deleted.into_iter().filter_map(Result::err).collect())
}
