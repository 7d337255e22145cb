//! What is not known of a route, and the command that would tell it.

use std::io::{self, Write};

use crate::output::{
    json::{Need, UnknownPart},
    style::{PLAIN, Terminal, WARNING},
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

/// Writes a line that says what was not read, with the commands that read it, and a line for each thing
/// that nothing would tell. A command that does not fit keeps a line to itself, whole: it is copied.
pub fn write_unknown(
    parts: &[UnknownPart],
    route: AskedRoute<'_>,
    terminal: Terminal,
    out: &mut dyn Write,
) -> io::Result<()> {
    let unread = |need: Need| {
        let of_need = parts.iter().filter(move |of| of.need == Some(need)).map(what);
        let whats = of_need.collect::<Vec<_>>().join(", ");
        (!whats.is_empty()).then(|| match route.tells(need) {
            Some(how) => format!("{whats} ({how})"),
            None => whats,
        })
    };
    let whats = ORDER.into_iter().filter_map(unread).collect::<Vec<_>>().join("; ");
    let is_missing = |need: &Need| parts.iter().any(|of| of.need == Some(*need));
    let commands = ORDER.into_iter().filter(is_missing).filter_map(|need| route.command(need));
    let commands: Vec<String> = commands.collect();
    if !whats.is_empty() {
        let head = unknown(&whats);
        let fits = |text: &Text| terminal.width.is_none_or(|width| text.width() <= width);
        let whole = head.clone().and(PLAIN, format!("; for -f: {}", commands.join("; ")));
        if commands.is_empty() {
            head.write_lines(out, 0, terminal.width)?;
        } else if fits(&whole) {
            whole.write_lines(out, 0, None)?;
        } else {
            head.and(PLAIN, "; for -f:").write_lines(out, 0, terminal.width)?;
            for command in &commands {
                Text::plain(command).write_lines(out, 2, None)?;
            }
        }
    }
    for part in parts.iter().filter(|of| of.need.is_none()) {
        unknown(&what(part)).write_lines(out, 0, terminal.width)?;
    }
    Ok(())
}

fn unknown(text: &str) -> Text {
    Text::styled(WARNING, "unknown").and(PLAIN, format!(": {text}"))
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
    /// The flag that tells it.
    fn tells(&self, need: Need) -> Option<&'static str> {
        match need {
            Need::ClusterId => Some("--cluster-id tells"),
            Need::BackendType => Some("--backend-type tells"),
            Need::ClbApi if self.is_live => Some("--clb-profile NAME asks the CLB API"),
            Need::ClbApi | Need::ClusterObjects | Need::ClearInput => None,
        }
    }

    /// The command that prints what `-f` takes for it.
    fn command(&self, need: Need) -> Option<String> {
        match need {
            _ if self.is_live => None,
            Need::ClusterObjects => Some("kubectl get nodes,endpointslices -A -o json".to_owned()),
            Need::ClbApi if self.vgroup.is_empty() => {
                Some(format!("aliyun slb DescribeVServerGroups --LoadBalancerId {}", self.clb))
            }
            Need::ClbApi => Some(format!(
                "aliyun slb DescribeVServerGroupAttribute --VServerGroupId {}",
                self.vgroup
            )),
            Need::ClusterId | Need::BackendType | Need::ClearInput => None,
        }
    }
}
