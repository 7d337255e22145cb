//! Tags of CLBs.

use serde_json::{Value, json};

use crate::state::{LoadBalancer, State};

use super::{Answer, ApiError, CallContext, TokenPage};

/// The cloud lets a resource have no more.
const MOST: usize = 20;

/// A CLB's tags as its own description tells them.
pub(super) fn describe(lb: &LoadBalancer) -> Vec<Value> {
    lb.tags.iter().map(|(key, value)| json!({"TagKey": key, "TagValue": value})).collect()
}

pub(super) fn list(state: &State, context: &CallContext<'_>) -> Answer {
    only_instances(context)?;
    let ids = context.params.list("ResourceId");
    let wanted = context.params.tags();
    if ids.is_empty() && wanted.is_empty() {
        return Err(ApiError::missing("ResourceId.1"));
    }
    let balancers = state
        .load_balancers
        .iter()
        .filter(|lb| ids.is_empty() || ids.contains(&lb.id.as_str()))
        .filter(|lb| {
            let has = |(key, value): &(&str, &str)| {
                lb.tags.get(*key).is_some_and(|own| value.is_empty() || own == value)
            };
            wanted.iter().all(has)
        });
    let tags = balancers
        .flat_map(|lb| lb.tags.iter().map(|(key, value)| (&lb.id, key, value)))
        .map(|(id, key, value)| {
            json!({
                "ResourceId": id,
                "ResourceType": "instance",
                "TagKey": key,
                "TagValue": value,
            })
        })
        .collect();
    let (tags, next) = TokenPage::from_params(context.params, 500)?.cut(tags);
    Ok(json!({"TagResources": {"TagResource": tags}, "NextToken": next}))
}

pub(super) fn tag(state: &mut State, context: &CallContext<'_>) -> Answer {
    let ids = resources(state, context)?;
    let tags = context.params.tags();
    if tags.is_empty() {
        return Err(ApiError::missing("Tag.1.Key"));
    }
    for id in &ids {
        let lb = state.load_balancer(id)?;
        let fresh = tags.iter().filter(|(key, _)| !lb.tags.contains_key(*key)).count();
        if lb.tags.len() + fresh > MOST {
            let message = format!("{id} would have more than {MOST} tags.");
            return Err(ApiError::new(400, "QuotaExceeded.TagsPerResource", message));
        }
    }
    for id in &ids {
        let own = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        state.load_balancer_mut(id)?.tags.extend(own);
    }
    Ok(json!({}))
}

pub(super) fn untag(state: &mut State, context: &CallContext<'_>) -> Answer {
    let ids = resources(state, context)?;
    let keys = context.params.list("TagKey");
    let all = context.params.optional("All") == Some("true");
    if keys.is_empty() && !all {
        return Err(ApiError::missing("TagKey.1"));
    }
    for id in &ids {
        let tags = &mut state.load_balancer_mut(id)?.tags;
        tags.retain(|key, _| !keys.is_empty() && !keys.contains(&key.as_str()));
    }
    Ok(json!({}))
}

/// The CLBs that are meant; every one of them is there.
fn resources(state: &State, context: &CallContext<'_>) -> Result<Vec<String>, ApiError> {
    only_instances(context)?;
    let ids = context.params.list("ResourceId");
    if ids.is_empty() {
        return Err(ApiError::missing("ResourceId.1"));
    }
    ids.into_iter().map(|id| Ok(state.load_balancer(id)?.id.clone())).collect()
}

fn only_instances(context: &CallContext<'_>) -> Result<(), ApiError> {
    match context.required("ResourceType")? {
        "instance" => Ok(()),
        other => {
            let message = format!("The double tags only ResourceType instance, not {other:?}.");
            Err(ApiError::invalid(message))
        }
    }
}
