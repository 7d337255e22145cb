//! Saved answers of the CLB API. The keys of an answer say which action it is of.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::parse::{LoadError, RawObject, fields, typed};
use clbmigrate_core::{
    annotation,
    clb_answers::{ClbAnswer, GroupAnswer, GroupList, HealthAnswer, ListenerList, LoadBalancer},
    object::{Origin, SourceLocation},
    snapshot::{Cluster, Snapshot},
};

/// Answers with the files that they were read from, in the order of reading.
#[derive(Default)]
pub(super) struct ReadAnswers(Vec<(ClbAnswer, PathBuf)>);

impl ReadAnswers {
    /// Adds an answer.
    pub(super) fn push(&mut self, answer: ClbAnswer, file: &Path) {
        self.0.push((answer, file.to_owned()));
    }

    /// Inserts all answers into a snapshot. Those that name no CLB are taken to be about the one in
    /// their file's name: an id that the snapshot or another answer names, else what looks like one.
    pub(super) fn insert_into(self, snapshot: &mut Snapshot) {
        let services = snapshot.clusters.iter().flat_map(Cluster::services);
        let named = services.map(|service| service.metadata.annotations.text(annotation::ID));
        let answered = self.0.iter().flat_map(|(answer, _)| clbs_of(answer));
        let known: BTreeSet<String> =
            named.chain(answered).filter(|id| !id.is_empty()).map(str::to_owned).collect();
        for (mut answer, file) in self.0 {
            let clb = known_clb_of_name(&file, &known).or_else(|| clb_of_name(&file));
            match &mut answer {
                ClbAnswer::GroupList(list) => list.clb = list.clb.take().or(clb),
                ClbAnswer::Listeners(list) if list.listeners.iter().all(|l| l.clb.is_empty()) => {
                    list.clb = clb;
                }
                ClbAnswer::Health(health) => health.clb = clb,
                ClbAnswer::Listeners(_) | ClbAnswer::Group(_) | ClbAnswer::LoadBalancer(_) => {}
            }
            snapshot.clb_answers.insert(answer);
        }
    }
}

/// The CLBs that an answer names.
fn clbs_of(answer: &ClbAnswer) -> Vec<&str> {
    match answer {
        ClbAnswer::Group(group) => group.clb.as_deref().into_iter().collect(),
        ClbAnswer::GroupList(list) => list.clb.as_deref().into_iter().collect(),
        ClbAnswer::Listeners(list) => list.listeners.iter().map(|l| l.clb.as_str()).collect(),
        ClbAnswer::LoadBalancer(balancer) => vec![&balancer.id],
        ClbAnswer::Health(_) => Vec::new(),
    }
}

/// Parses an answer.
pub(super) fn read(raw: &RawObject<'_>, file: &Arc<str>) -> Result<ClbAnswer, LoadError> {
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
        let list: GroupList = typed(&named("DescribeVServerGroups"))?;
        Ok(ClbAnswer::GroupList(list))
    } else if has("Listeners") {
        let list: ListenerList = typed(&named("DescribeLoadBalancerListeners"))?;
        Ok(ClbAnswer::Listeners(list))
    } else if has("LoadBalancerId") && (has("Address") || has("LoadBalancerName")) {
        // Before the health: this answer too has BackendServers, those of the default group.
        let balancer: Box<LoadBalancer> = typed(&named("DescribeLoadBalancerAttribute"))?;
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

/// The longest of these CLB ids that is a word of a file's name.
fn known_clb_of_name(path: &Path, known: &BTreeSet<String>) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let is_word = |id: &&String| {
        name.match_indices(id.as_str()).any(|(start, _)| {
            let (before, after) = (name.get(..start), name.get(start + id.len()..));
            !before.is_some_and(|text| text.ends_with(|c: char| c.is_ascii_alphanumeric()))
                && !after.is_some_and(|text| text.starts_with(|c: char| c.is_ascii_alphanumeric()))
        })
    };
    known.iter().filter(is_word).max_by_key(|id| id.len()).cloned()
}

/// What looks like a CLB id in a file's name, as in `groups-lb-bp1example.json`.
fn clb_of_name(path: &Path) -> Option<String> {
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

    #[rstest]
    #[case("DescribeHealthStatus-lb-a.json", Some("lb-a"))]
    #[case("lb-a.json", Some("lb-a"))]
    #[case("health_lb-a-tls.json", Some("lb-a-tls"))]
    #[case("health-shop.json", Some("shop"))]
    #[case("health-lb-ab.json", None)]
    #[case("club-a.json", None)]
    #[case("lb-a/health.json", None)]
    fn a_file_name_tells_a_clb_that_is_known(#[case] path: &str, #[case] clb: Option<&str>) {
        let known = ["lb-a", "lb-a-tls", "shop"].map(str::to_owned).into();
        assert_eq!(known_clb_of_name(Path::new(path), &known).as_deref(), clb);
    }
}
