//! The tables of `status` of CLBs.

use std::io::{self, Write};

use super::{
    TableOptions,
    shares::{share, weight},
    status::{backends, fitting, healthy, notes, or_dash, outcome_word, pods, problem_line, sum},
    unknown::{AskedRoute, write_unknown},
    write_parts,
};
use crate::output::{
    json::{
        DefaultServer, Group, Listener, LoadBalancer, LoadBalancerList, Mode, Need, Participant,
        RouteListener, Severity, Standing, Target, TargetKind,
    },
    style::{ERROR, FAINT, GOOD, PLAIN, STRONG, Terminal, WARNING},
    table::{Column, ItemColumns, Table},
    text::Text,
};

/// The schedulers that follow weights.
const WEIGHTED: [&str; 2] = ["wrr", "wlc"];

/// Writes CLBs, each with its listeners and its groups.
pub fn load_balancers(
    list: &LoadBalancerList,
    has_clusters: bool,
    (terminal, options): (Terminal, TableOptions),
    out: &mut dyn Write,
) -> io::Result<()> {
    let look = Look { terminal, options, has_clusters };
    for (index, clb) in list.load_balancers.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        look.load_balancer(clb, out)?;
    }
    Ok(())
}

/// How CLBs are shown.
#[derive(Clone, Copy)]
struct Look {
    terminal: Terminal,
    options: TableOptions,
    /// Whether clusters are at hand, so that there is something to say of Services.
    has_clusters: bool,
}

impl Look {
    fn load_balancer(self, clb: &LoadBalancer, out: &mut dyn Write) -> io::Result<()> {
        let width = self.terminal.width;
        write_parts(header(clb), self.terminal, out)?;
        for unknown in &clb.unknown {
            let line = Text::styled(WARNING, "not read").and(PLAIN, format!(": {unknown}"));
            line.write_lines(out, 0, width)?;
        }
        writeln!(out)?;
        self.listeners(clb.listeners.as_deref(), out)?;
        self.default_servers(clb, out)?;
        self.groups(clb, out)
    }

    fn listeners(self, listeners: Option<&[Listener]>, out: &mut dyn Write) -> io::Result<()> {
        let listeners = match listeners {
            None => return self.line(&Text::plain("listeners ").and(WARNING, "unknown"), out),
            Some([]) => return self.line(&Text::plain("no listeners"), out),
            Some(listeners) => listeners,
        };
        let is_wide = self.options.detail.is_wide;
        let columns = ItemColumns::<Listener>::new()
            .with(Column::text("LISTENER"), |of| {
                Text::plain(listener_name(of.protocol.as_deref(), of.port))
            })
            .with(Column::text("STATUS"), |of| status(of.status.as_deref()))
            .with(Column::text("SENDS TO"), |of| Text::plain(target(&of.target)))
            .with(Column::text("SCHEDULER"), |of| {
                if of.target.kind.is_redirect() {
                    dash()
                } else {
                    or_unknown(of.scheduler.as_deref())
                }
            })
            .with(Column::text("CHECK"), check)
            .with(Column::text("DRAIN"), drain)
            .with_if(is_wide, Column::text("CLIENTS"), |of| or_dash(of.persistence.as_deref()))
            .with_if(is_wide, Column::text("DESCRIPTION"), |of| {
                or_dash(Some(of.description.as_str()).filter(|text| !text.is_empty()))
            });
        let mut table = columns.table(1);
        for of in listeners {
            table.row(columns.cells(of));
            if let Some(scheduler) = of.scheduler.as_deref().filter(|of| !WEIGHTED.contains(of)) {
                let text = format!(" {scheduler} does not follow the weights");
                table.note(Text::styled(WARNING, "warning").and(PLAIN, text));
            }
        }
        table.write(out, self.terminal, &table.widths())
    }

    fn default_servers(self, clb: &LoadBalancer, out: &mut dyn Write) -> io::Result<()> {
        let listeners = clb.listeners.iter().flatten();
        let sending = listeners.filter(|of| of.target.kind == TargetKind::DefaultServerGroup);
        let sending: Vec<String> =
            sending.map(|of| listener_name(of.protocol.as_deref(), of.port)).collect();
        let servers = clb.default_servers.as_deref();
        if sending.is_empty() && servers.is_none_or(<[_]>::is_empty) {
            return Ok(());
        }
        let head = Text::styled(STRONG, "default servers").and(PLAIN, "   ");
        let head = match (clb.listeners.is_some(), sending.is_empty()) {
            (false, _) => head.and(WARNING, "listeners unknown"),
            (true, true) => head.and(FAINT, "no listener sends to them"),
            (true, false) => head.and(PLAIN, sending.join(", ")),
        };
        writeln!(out)?;
        let head = match servers {
            None => head.and(PLAIN, "   ").and(WARNING, "unknown"),
            Some([]) => head.and(PLAIN, "   ").and(ERROR, "there are none"),
            Some(_) => head,
        };
        self.line(&head, out)?;
        let Some(servers) = servers.filter(|servers| !servers.is_empty()) else { return Ok(()) };
        let columns = ItemColumns::<DefaultServer>::new()
            .with(Column::text("SERVER"), |of| Text::plain(&of.server))
            .with(Column::number("WEIGHT"), |of| Text::plain(of.weight.to_string()))
            .with(Column::text("HEALTHY"), |of| match of.healthy {
                Some(true) => Text::plain("yes"),
                Some(false) => Text::styled(ERROR, "no"),
                None => unknown(),
            })
            .with(Column::number("SHARE"), |of| Text::plain(format!("{:.1} %", of.share * 100.0)));
        let mut table = columns.table(1);
        for of in servers {
            table.row(columns.cells(of));
        }
        table.write(out, self.terminal, &table.widths())
    }

    fn groups(self, clb: &LoadBalancer, out: &mut dyn Write) -> io::Result<()> {
        if clb.groups.is_empty() {
            writeln!(out)?;
            let text = match clb.groups_left_out {
                Some(_) => Text::plain("no vServer groups"),
                None => Text::plain("vServer groups ").and(WARNING, "unknown"),
            };
            return self.line(&text, out);
        }
        let build = |bar: usize| -> Vec<Table> {
            clb.groups.iter().map(|group| self.group_table(group, bar)).collect()
        };
        let (tables, widths) = fitting(&build, self.terminal.width);
        for (group, table) in clb.groups.iter().zip(&tables) {
            writeln!(out)?;
            write_parts(group_header(group), self.terminal, out)?;
            for problem in &group.problems {
                problem_line(problem).write_lines(out, 2, self.terminal.width)?;
            }
            if !group.participants.is_empty() {
                table.write(out, self.terminal, &widths)?;
            }
            let asked = AskedRoute {
                clb: &clb.clb,
                vgroup: &group.vserver_group,
                is_live: self.options.is_live,
            };
            // What the CLB API did not tell is said of the whole CLB.
            let parts = group.unknown_parts.iter().filter(|of| of.need != Some(Need::ClbApi));
            write_unknown(&parts.cloned().collect::<Vec<_>>(), asked, self.terminal, out)?;
        }
        Ok(())
    }

    fn group_table(self, group: &Group, bar: usize) -> Table {
        let Self { terminal, options, has_clusters } = self;
        let is_checked = group.listeners.as_ref().is_none_or(|of| !of.is_empty());
        let columns = ItemColumns::<Participant>::new()
            .with(Column::text("NAME"), move |of| name(of, has_clusters))
            .with(Column::text("CLUSTER"), move |of| cluster(of, options.detail.is_wide, terminal))
            .with_if(has_clusters, Column::text("MODE"), |of| or_dash(of.mode.map(Mode::as_str)))
            .with_if(has_clusters, Column::number("WEIGHT"), weight)
            .with(Column::number("BACKENDS"), backends)
            .with_if(has_clusters, Column::number("READY"), |of| of.ready.map_or_else(dash, pods))
            .with(Column::number("HEALTHY"), move |of| match of.healthy {
                None if is_checked && of.backends != Some(0) => unknown(),
                _ => healthy(of),
            })
            .with(Column::number("SUM"), move |of| sum(of, options))
            .with_if(has_clusters && options.detail.is_wide, Column::text("OUTCOME"), |of| {
                of.outcome.map_or_else(dash, outcome_word)
            })
            .with(Column::text("SHARE"), move |of| {
                share(of, bar, options.detail.is_wide, terminal)
            });
        let mut table = columns.table(2);
        for of in &group.participants {
            table.row(columns.cells(of));
            // Which cluster it is of stands in its row.
            let own = if of.standing == Some(Standing::Remote) {
                without_cluster(of)
            } else {
                of.clone()
            };
            for note in notes(&own) {
                table.note(note);
            }
        }
        table
    }

    fn line(self, text: &Text, out: &mut dyn Write) -> io::Result<()> {
        text.write_lines(out, 0, self.terminal.width)
    }
}

/// `CLB lb-… (name, address)   internet   active   cn-hangzhou   slb.s1.small`.
fn header(clb: &LoadBalancer) -> Vec<Text> {
    let mut name = Text::styled(STRONG, format!("CLB {}", clb.clb));
    let known: Vec<&str> =
        [&clb.clb_name, &clb.clb_address].into_iter().flatten().map(String::as_str).collect();
    if !known.is_empty() {
        name = name.and(PLAIN, format!(" ({})", known.join(", ")));
    }
    let mut parts = vec![name];
    parts.extend(clb.address_type.iter().map(Text::plain));
    parts.push(match clb.status.as_deref() {
        Some("active") => Text::styled(GOOD, "active"),
        Some(status) => Text::styled(ERROR, status),
        None => Text::plain("status ").and(WARNING, "unknown"),
    });
    parts.extend([&clb.region, &clb.spec].into_iter().flatten().map(Text::plain));
    parts
}

/// `group rsp-… (name)   tcp/80, tcp/443   complete`.
fn group_header(group: &Group) -> Vec<Text> {
    let mut name = Text::styled(STRONG, format!("group {}", group.vserver_group));
    if let Some(known) = &group.vserver_group_name {
        name = name.and(PLAIN, format!(" ({known})"));
    }
    let listeners = match group.listeners.as_deref() {
        None => Text::styled(WARNING, "listeners unknown"),
        Some([]) => Text::styled(WARNING, "no running listener"),
        Some(listeners) => Text::plain(names(listeners)),
    };
    let is_reached = group.listeners.as_ref().is_none_or(|of| !of.is_empty());
    let state = match (group.backends, group.weight_sum) {
        (None, _) => Some(Text::styled(WARNING, "backends unknown")),
        (Some(0), _) if is_reached => Some(Text::styled(ERROR, "nobody serves: it has no backend")),
        (Some(0), _) => Some(Text::plain("no backend")),
        (_, Some(0)) if is_reached => {
            Some(Text::styled(ERROR, "nobody serves: the weights sum up to 0"))
        }
        _ if group.complete => Some(Text::styled(GOOD, "complete")),
        _ if group.unknown.is_empty() => None,
        _ => Some(Text::styled(WARNING, "incomplete")),
    };
    [Some(name), Some(listeners), state].into_iter().flatten().collect()
}

fn names(listeners: &[RouteListener]) -> String {
    let names = listeners.iter().map(|of| listener_name(of.protocol.as_deref(), of.port));
    names.collect::<Vec<_>>().join(", ")
}

fn listener_name(protocol: Option<&str>, port: u16) -> String {
    format!("{}/{port}", protocol.unwrap_or("?"))
}

fn status(status: Option<&str>) -> Text {
    match status {
        Some("running") => Text::plain("running"),
        Some(other) => Text::styled(WARNING, other),
        None => unknown(),
    }
}

fn target(target: &Target) -> String {
    let group = target.group.as_deref().unwrap_or("?");
    match (target.kind, target.port) {
        (TargetKind::VServerGroup, _) => group.to_owned(),
        (TargetKind::MasterSlaveServerGroup, _) => format!("{group} (primary/secondary)"),
        (TargetKind::DefaultServerGroup, Some(port)) => format!("default servers, port {port}"),
        (TargetKind::DefaultServerGroup, None) => "default servers".to_owned(),
        (TargetKind::Redirect, Some(port)) => format!("https/{port}, by redirect"),
        (TargetKind::Redirect, None) => "a redirect".to_owned(),
    }
}

fn check(of: &Listener) -> Text {
    match of.health_check {
        _ if of.target.kind.is_redirect() => dash(),
        Some(true) => Text::plain("on"),
        Some(false) => Text::styled(WARNING, "off"),
        None => unknown(),
    }
}

fn drain(of: &Listener) -> Text {
    let has_drain = matches!(of.protocol.as_deref(), None | Some("tcp" | "udp"));
    match of.connection_drain_seconds {
        Some(0) => Text::plain("off"),
        Some(seconds) => Text::plain(format!("{seconds} s")),
        None if has_drain => unknown(),
        None => dash(),
    }
}

/// `shop/web`, with a word where it is an orphan, and beside clusters where it is of none of them.
fn name(of: &Participant, has_clusters: bool) -> Text {
    let is_told = has_clusters || of.standing != Some(Standing::Remote);
    match of.mark().filter(|_| is_told) {
        Some(mark) => Text::plain(of.label()).and(PLAIN, " ").and(WARNING, format!("({mark})")),
        None => Text::plain(of.label()),
    }
}

/// The context of a cluster at hand, else the id of the cluster, shortened unless all is shown.
fn cluster(of: &Participant, is_wide: bool, terminal: Terminal) -> Text {
    const LONGEST: usize = 14;
    if let Some(context) = &of.context {
        return Text::plain(context);
    }
    let Some(id) = &of.cluster_id else { return dash() };
    let ends = id.get(..6).zip(id.get(id.len().saturating_sub(4)..));
    match ends.filter(|_| !is_wide && id.len() > LONGEST) {
        Some((start, end)) => Text::plain(format!("{start}{}{end}", terminal.ellipsis())),
        None => Text::plain(id),
    }
}

/// A participant without the note that names its cluster.
fn without_cluster(of: &Participant) -> Participant {
    let mut own = of.clone();
    own.problems.retain(|problem| problem.rule.is_some() || problem.severity != Severity::Info);
    own
}

fn or_unknown(word: Option<&str>) -> Text {
    word.map_or_else(unknown, Text::plain)
}

fn unknown() -> Text {
    Text::styled(WARNING, "unknown")
}

fn dash() -> Text {
    Text::plain("-")
}
