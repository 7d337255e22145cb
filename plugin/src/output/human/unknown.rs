//! What is not known of a route, and the command that would tell it.

use crate::output::{
    json::{Need, UnknownPart},
    style::{PLAIN, WARNING},
    text::Text,
};

/// Where a route's answers come from.
#[derive(Debug, Clone, Copy)]
pub struct AskedRoute<'r> {
    /// The CLB's id; empty where nothing names it.
    pub clb: &'r str,
    /// The group's id; empty where nothing names it.
    pub vgroup: &'r str,
    /// Whether clusters were read, not files.
    pub is_live: bool,
}

/// The order in which things are named.
const ORDER: [Need; 5] =
    [Need::ClearInput, Need::BackendType, Need::ClusterId, Need::ClusterObjects, Need::ClbApi];

/// A line that says what was not read, with the command that reads it; and a line for each thing that
/// nothing would tell.
pub fn unknown_lines(parts: &[UnknownPart], route: AskedRoute<'_>) -> Vec<Text> {
    let by_need = ORDER.into_iter().filter_map(|need| {
        let of_need = parts.iter().filter(|of| of.need == Some(need)).map(what);
        let whats = of_need.collect::<Vec<_>>().join(", ");
        let way = route.way(need).map(|way| format!(" ({way})")).unwrap_or_default();
        (!whats.is_empty()).then(|| format!("{whats}{way}"))
    });
    let unread = by_need.collect::<Vec<_>>().join("; ");
    let others = parts.iter().filter(|of| of.need.is_none()).map(what);
    let lines = Some(unread).filter(|line| !line.is_empty()).into_iter().chain(others);
    lines.map(|line| Text::styled(WARNING, "unknown").and(PLAIN, format!(": {line}"))).collect()
}

/// What is unknown, without what goes without saying beside the way to read it.
fn what(part: &UnknownPart) -> String {
    let UnknownPart { what, why, need } = part;
    match need {
        Some(Need::ClbApi) => what.clone(),
        Some(Need::BackendType) => format!("whether pods or nodes are the backends of {what}"),
        Some(Need::ClusterId) => format!("which backends are those of {what}"),
        _ => format!("{what}: {why}"),
    }
}

impl AskedRoute<'_> {
    /// How to read what was not read.
    fn way(&self, need: Need) -> Option<String> {
        match need {
            Need::ClusterId => Some("--cluster-id tells".to_owned()),
            Need::BackendType => Some("--backend-type tells".to_owned()),
            Need::ClusterObjects if self.is_live => None,
            Need::ClusterObjects => {
                Some("dump for -f: kubectl get nodes,endpointslices -A -o json".to_owned())
            }
            Need::ClbApi if self.is_live => Some("--clb-profile NAME asks the CLB API".to_owned()),
            Need::ClbApi => Some(format!("answer for -f: {}", self.command())),
            Need::ClearInput => None,
        }
    }

    /// The command that asks the CLB API about the group, or which group it is.
    fn command(&self) -> String {
        match self.vgroup {
            "" => format!("aliyun slb DescribeVServerGroups --LoadBalancerId {}", self.clb),
            vgroup => format!("aliyun slb DescribeVServerGroupAttribute --VServerGroupId {vgroup}"),
        }
    }
}
