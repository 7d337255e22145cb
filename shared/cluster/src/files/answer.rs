//! Saved answers of the CLB API. The keys of an answer say which action it is of.

use std::{path::Path, sync::Arc};

use crate::parse::{LoadError, RawObject, fields, typed};
use clbmigrate_core::{
    clb_answers::{ClbAnswer, GroupAnswer, GroupList, HealthAnswer, ListenerList, LoadBalancer},
    object::{Origin, SourceLocation},
};

/// Parses an answer. `clb` is the load balancer in the file's name; answers that name none are
/// taken to be about it.
pub(super) fn read(
    raw: &RawObject<'_>,
    file: &Arc<str>,
    clb: Option<&str>,
) -> Result<ClbAnswer, LoadError> {
    let fields = fields(raw.text);
    let has = |key| fields.contains_key(key);
    // `aliyun` prints an action's answer without its name.
    let named = |action| RawObject { kind: Some(action), ..*raw };
    if has("VServerGroupId") && has("BackendServers") {
        let mut group: GroupAnswer = typed(&named("DescribeVServerGroupAttribute"))?;
        let origin = Origin { file: Arc::clone(file), line: raw.line, keys: Vec::new() };
        group.origin = SourceLocation(Some(Arc::new(origin)));
        Ok(ClbAnswer::Group(group))
    } else if has("VServerGroups") {
        let mut list: GroupList = typed(&named("DescribeVServerGroups"))?;
        list.clb = list.clb.or_else(|| clb.map(str::to_owned));
        Ok(ClbAnswer::GroupList(list))
    } else if has("Listeners") {
        let mut list: ListenerList = typed(&named("DescribeLoadBalancerListeners"))?;
        if list.listeners.iter().all(|listener| listener.clb.is_empty()) {
            list.clb = clb.map(str::to_owned);
        }
        Ok(ClbAnswer::Listeners(list))
    } else if has("LoadBalancerId") && (has("Address") || has("LoadBalancerName")) {
        // Before the health: this answer too has BackendServers, those of the default group.
        let balancer: LoadBalancer = typed(&named("DescribeLoadBalancerAttribute"))?;
        Ok(ClbAnswer::LoadBalancer(balancer))
    } else if has("BackendServers") {
        let health: HealthAnswer = typed(&named("DescribeHealthStatus"))?;
        Ok(ClbAnswer::Health(health))
    } else if has("Code") && has("Message") {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Refusal {
            code: String,
            message: String,
        }
        let Refusal { code, message } = typed(&named("error answer"))?;
        Err(LoadError::Refused { code, message })
    } else {
        Err(LoadError::Unknown)
    }
}

/// The CLB id in a file's name, as in `groups-lb-bp1example.json`.
pub(super) fn clb_of_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let starts = name.match_indices("lb-").map(|(start, _)| start);
    let mut ids = starts.filter_map(|start| {
        let is_inside_word = name.get(..start)?.ends_with(|c: char| c.is_ascii_alphanumeric());
        let rest = name.get(start + 3..)?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let id = rest.get(..end)?;
        // Ids have digits, words such as `lb-groups` do not.
        let is_id = !is_inside_word && id.contains(|c: char| c.is_ascii_digit());
        is_id.then(|| format!("lb-{id}"))
    });
    ids.next()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("dir/groups-lb-bp1example.json", Some("lb-bp1example"))]
    #[case("lb-bp1a_listeners.json.gz", Some("lb-bp1a"))]
    #[case("clb-2024.json", None)]
    #[case("lb-groups.json", None)]
    #[case("lb-groups-lb-bp1a.json", Some("lb-bp1a"))]
    #[case("lb-bp1/groups.json", None)]
    #[case("-", None)]
    fn a_file_name_may_tell_the_clb(#[case] path: &str, #[case] clb: Option<&str>) {
        assert_eq!(clb_of_name(Path::new(path)).as_deref(), clb);
    }
}
