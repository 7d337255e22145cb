//! The webhook's state in words.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::deregistration::deregistration;
use crate::output::{
    json::{HookStatus, WebhookConfiguration, WebhookStatus},
    style::{ERROR, FAINT, GOOD, PLAIN, STRONG, Terminal, WARNING},
    table::{Column, Table},
    text::Text,
};

/// Writes the table of the webhook's configuration objects, its state, its configuration, and
/// commands that help.
pub fn webhook(status: &WebhookStatus, terminal: Terminal, out: &mut dyn Write) -> io::Result<()> {
    let columns =
        vec![Column::text("HOOK"), Column::text("ON FAILURE"), Column::text("TRUSTED UNTIL")];
    let mut table = Table::new(columns, 1);
    for hook in &status.hooks {
        table.row(row(hook));
    }
    table.write(out, terminal, &table.widths())?;
    writeln!(out)?;
    for problem in &status.problems {
        Text::styled(ERROR, "problem").and(PLAIN, format!(": {problem}")).write_lines(
            out,
            0,
            terminal.width,
        )?;
    }
    let mut line = |name: &str, text: Text| {
        Text::styled(STRONG, name).and(PLAIN, ": ").join(text).write_lines(out, 0, terminal.width)
    };
    let ready = match status.ready {
        Some(ready) => format!("{ready} in {}", status.namespace),
        None => "unknown (EndpointSlices may not be listed)".to_owned(),
    };
    line("ready Pods", Text::plain(ready))?;
    let style = match status.answers {
        Some(true) => GOOD,
        Some(false) => ERROR,
        None => WARNING,
    };
    line("asked", Text::styled(style, &status.asked))?;
    match &status.configuration {
        Some(of) => configuration(of, status, &mut line)?,
        None => line("configuration", Text::styled(WARNING, "unknown"))?,
    }
    let hook = status.configuration.as_ref().and_then(|of| of.pre_stop_seconds);
    deregistration(&status.deregistration, hook, &mut line)?;
    let commands = status.recovery.iter().chain(&status.deregistration.commands);
    if commands.clone().next().is_some() {
        writeln!(out)?;
    }
    for recovery in commands {
        Text::styled(FAINT, format!("# {}", recovery.does)).write_lines(out, 0, terminal.width)?;
        // A command is copied: it is never broken into lines.
        writeln!(out, "{}", recovery.command)?;
    }
    Ok(())
}

fn row(hook: &HookStatus) -> Vec<Text> {
    let name = Text::plain(&hook.name);
    match hook.installed {
        None => vec![name, Text::styled(WARNING, "unknown"), Text::styled(WARNING, "unknown")],
        Some(false) => vec![name, Text::styled(FAINT, "not installed")],
        Some(true) => {
            let until = match &hook.trusted_until {
                Some(until) => Text::plain(until),
                None => Text::styled(ERROR, "nobody"),
            };
            vec![name, Text::plain(hook.failure_policy.clone().unwrap_or_default()), until]
        }
    }
}

fn configuration(
    of: &WebhookConfiguration,
    status: &WebhookStatus,
    line: &mut impl FnMut(&str, Text) -> io::Result<()>,
) -> io::Result<()> {
    let hook = match of.pre_stop_seconds {
        Some(seconds) => format!("sleep of {seconds} s"),
        None => "none".to_owned(),
    };
    line("preStop hook", Text::plain(hook).join(not_given(of, status)))?;
    let id = match &of.cluster_id {
        Some(id) => id.clone(),
        None => "that of ConfigMap kube-system/ack-cluster-profile; without it CLB201 and CLB202 are silent".to_owned(),
    };
    line("cluster id", Text::plain(id))?;
    let mut modes = vec!["errors deny, warnings warn, infos audit".to_owned()];
    modes.extend(listed(&of.rules));
    for (namespace, rules) in &of.namespaces {
        modes.push(format!("in {namespace} {}", listed(rules).join(" ")));
    }
    line("modes", Text::plain(modes.join(", ")))
}

/// That no workload is given its hook, for a node's kubelet does not know it.
fn not_given(of: &WebhookConfiguration, status: &WebhookStatus) -> Text {
    let nodes = status.nodes_without_hook.as_deref().unwrap_or_default();
    match (of.pre_stop_seconds, nodes.first()) {
        (Some(_), Some(first)) => Text::plain("; ").and(
            WARNING,
            format!(
                "given to no workload while a node's kubelet is older than 1.30: {first} ({} in all)",
                nodes.len()
            ),
        ),
        _ => Text::default(),
    }
}

fn listed(rules: &BTreeMap<String, String>) -> Vec<String> {
    rules.iter().map(|(rule, mode)| format!("{rule} {mode}")).collect()
}
