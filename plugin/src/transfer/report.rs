//! What a change of several sides answers.

use std::collections::BTreeMap;

use clbmigrate_core::transfer::{Ending, HalfDone, Part};

use super::{Intent, build::Built, run::Ran};
use crate::{
    cli::ChangeFormat,
    error::{Error, Exit},
    output::{
        Printer,
        json::{
            self, ApiVersion, ChangedRoute, PartState, Participant, ParticipantKind, ShareChange,
            TransferKind, TransferPart, TransferReport, TransferRoute, TransferState, WeightChange,
        },
        yaml,
    },
};

/// The answer, as far as it is known.
pub struct Report {
    title: String,
    remarks: Vec<String>,
    lines: Vec<String>,
    document: TransferReport,
    exit: Exit,
}

impl Report {
    fn of(intent: &Intent, parts: Vec<TransferPart>, routes: Vec<TransferRoute>) -> Self {
        Self {
            title: intent.title.clone(),
            remarks: intent.remarks.clone(),
            lines: intent.parts.parts.iter().map(in_words).collect(),
            document: TransferReport {
                api_version: ApiVersion::V1Alpha1,
                kind: TransferKind::Transfer,
                verb: intent.verb.to_owned(),
                change: None,
                undoes: intent.undoes.clone(),
                parts,
                routes,
                state: TransferState::Unchanged,
                verified: false,
                message: String::new(),
                next: Vec::new(),
            },
            exit: Exit::Done,
        }
    }

    /// A change that is not written yet.
    pub fn new(intent: &Intent, built: &Built<'_>, preview: &json::Preview) -> Self {
        let parts = built.parts.iter().map(|part| described(part, PartState::Untouched));
        Self::of(intent, parts.collect(), preview.routes.iter().map(shares).collect())
    }

    /// There is nothing to write.
    pub fn unchanged(intent: &Intent) -> Self {
        let mut report = Self::of(intent, Vec::new(), Vec::new());
        report.document.message = format!("{}: is so already, nothing was written", intent.title);
        report
    }

    /// Says what is about to happen.
    pub fn announce(&self, printer: &mut Printer) -> Result<(), Error> {
        let talk = printer.talk();
        writeln!(talk, "{}", self.title)?;
        for line in &self.lines {
            writeln!(talk, "  {line}")?;
        }
        for route in &self.document.routes {
            writeln!(talk, "  {}", route_line(route))?;
        }
        for remark in &self.remarks {
            writeln!(talk, "  {remark}")?;
        }
        writeln!(talk)?;
        Ok(())
    }

    /// Ends a dry run.
    pub fn dry(mut self, kind: &str) -> Self {
        self.document.state = TransferState::DryRun;
        self.document.message = format!("{kind} dry run: nothing was written");
        self
    }

    /// Ends it as it ended.
    pub fn ended(mut self, id: &str, ran: &Ran, built: &Built<'_>) -> Self {
        for (part, state) in self.document.parts.iter_mut().zip(&ran.states) {
            part.state = *state;
        }
        let name = |at: &usize| built.parts.get(*at).map(Part::label).unwrap_or_default();
        let names = |parts: &[usize]| parts.iter().map(name).collect::<Vec<_>>().join(", ");
        let is_proven = built.live.clb().get().is_some();
        self.document.change = Some(id.to_owned());
        let (state, exit, message) = match &ran.ending {
            Ending::Done => {
                self.document.verified = is_proven;
                let proof = if is_proven {
                    "seen at the CLB"
                } else {
                    "not verified at the CLB, which takes its credentials"
                };
                (TransferState::Done, Exit::Done, format!("done, {proof}"))
            }
            Ending::Untouched(why) => {
                self.document.change = None;
                let why = why.as_deref().unwrap_or("asked to end");
                (TransferState::Unchanged, Exit::PutBack, format!("nothing was written: {why}"))
            }
            Ending::Held(done) => {
                self.document.next = go_on(built, *done);
                let done: Vec<usize> = (0..*done).collect();
                let message = format!(
                    "half done, for it was asked to end: {} is written, the rest is not",
                    names(&done)
                );
                (TransferState::HalfDone, Exit::PutBack, message)
            }
            Ending::RolledBack { why, unconfirmed, taken } => {
                let mut message = format!("taken back: {why}");
                if !unconfirmed.is_empty() {
                    message = format!(
                        "{message}; {} was written back, and it is not seen yet that CCM has done it",
                        names(unconfirmed)
                    );
                }
                if !taken.is_empty() {
                    message = format!("{message}; {} is somebody else's and stays", names(taken));
                }
                (TransferState::RolledBack, Exit::PutBack, message)
            }
            Ending::Standing { why, standing, left, taken } => {
                self.document.next = go_on(built, (*standing).max(1));
                let stays: Vec<usize> = (0..*standing).collect();
                let mut message = format!("half done: {why}");
                if !stays.is_empty() {
                    message = format!("{message}; {} keeps what it gained", names(&stays));
                }
                for (at, because) in left {
                    message = format!("{message}; {} could not be put back: {because}", name(at));
                }
                if !taken.is_empty() {
                    message = format!("{message}; {} is somebody else's and stays", names(taken));
                }
                let exit = if left.is_empty() { Exit::PutBack } else { Exit::Error };
                (TransferState::HalfDone, exit, message)
            }
        };
        self.document.state = state;
        self.document.message = message;
        self.exit = exit;
        self
    }

    /// Writes the answer.
    pub fn show(self, format: ChangeFormat, printer: &mut Printer) -> Result<Exit, Error> {
        match format {
            ChangeFormat::Json => json::write(&self.document, printer.data())?,
            ChangeFormat::Yaml => yaml::write(&self.document, printer.data())?,
            ChangeFormat::Name => {
                let services = self.document.parts.iter().filter_map(|part| part.name.as_ref());
                for name in services {
                    writeln!(printer.data(), "service/{name}")?;
                }
            }
            // Patches are printed without ever coming here.
            ChangeFormat::Table | ChangeFormat::Patch => self.words(printer)?,
        }
        printer.flush()?;
        for command in &self.document.next {
            printer.remark(&format!("  {command}"));
        }
        Ok(self.exit)
    }

    fn words(&self, printer: &mut Printer) -> Result<(), Error> {
        let TransferReport { parts, routes, change, message, state, .. } = &self.document;
        let out = printer.text();
        for (part, line) in parts.iter().zip(&self.lines) {
            writeln!(out, "{line}: {}", state_word(part.state))?;
        }
        if matches!(state, TransferState::Done | TransferState::DryRun) {
            for route in routes {
                writeln!(out, "{}", route_line(route))?;
            }
        }
        match change {
            Some(id) => writeln!(out, "change {id}: {message}")?,
            None => writeln!(out, "{message}")?,
        }
        Ok(())
    }
}

/// Commands that go on from a half-done change, of which the first parts are written.
fn go_on(built: &Built<'_>, written: usize) -> Vec<String> {
    let holder = built.parts.iter().take(written).find_map(|part| match part {
        Part::Service(of) => Some(of),
        Part::Servers(_) => None,
    });
    let mut contexts: Vec<&str> =
        built.live.connections().iter().filter_map(|of| of.context.as_deref()).collect();
    contexts.dedup();
    let contexts = contexts.join(",");
    match holder {
        Some(of) => commands(&of.namespace, &of.name, &contexts, false),
        None => {
            let mut commands = vec!["finish: give the same command again".to_owned()];
            if let (Some(Part::Servers(of)), Some(Part::Service(service))) = (
                built.parts.first(),
                built.parts.iter().find(|part| matches!(part, Part::Service(_))),
            ) {
                let back = of.servers.iter().map(|server| format!("{}={}", server.id, server.from));
                commands.push(format!(
                    "undo:   kubectl clbmigrate set svc/{} -n {} --context {contexts} --external {}",
                    service.name,
                    service.namespace,
                    back.collect::<Vec<_>>().join(",")
                ));
            }
            commands
        }
    }
}

/// Commands that finish a change that a Service has the record of, or take it back.
pub fn commands(namespace: &str, name: &str, contexts: &str, is_undo: bool) -> Vec<String> {
    let place = format!("svc/{name} -n {namespace} --contexts {contexts}");
    let mut commands = vec![format!("finish: kubectl clbmigrate shift {place} --finish")];
    if !is_undo {
        commands.push(format!("undo:   kubectl clbmigrate undo {place}"));
    }
    commands
}

/// A change that ended half-way, and what can be done about it.
pub fn half_done_in_words(half: &HalfDone) -> String {
    let words =
        |indexes: &[usize]| half.parts(indexes).map(in_words).collect::<Vec<_>>().join("; ");
    let (_, namespace, name) = &half.holder;
    let mut contexts: Vec<&str> = Vec::new();
    for part in &half.whole.parts {
        if let Part::Service(of) = part
            && let Some(context) = of.context.as_deref()
            && !contexts.contains(&context)
        {
            contexts.push(context);
        }
    }
    let commands = commands(namespace, name, &contexts.join(","), half.undoes.is_some());
    format!(
        "change {} half done: {} is written, {} is not; {}",
        half.change,
        words(&half.done),
        words(&half.missing),
        commands.join("; ")
    )
}

/// `shop/web (b): weight 20 -> 40`; `group rsp-bp1example: i-bp1old:80 60 -> 30`.
pub fn in_words(part: &Part) -> String {
    match part {
        Part::Service(of) => {
            let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
            format!("{} weight {} -> {}", part.label(), word(&of.from), word(&of.to))
        }
        Part::Servers(of) => {
            let servers = of.servers.iter();
            let servers = servers.map(|s| format!("{}:{} {} -> {}", s.id, s.port, s.from, s.to));
            format!("group {} {}", of.vgroup, servers.collect::<Vec<_>>().join(", "))
        }
    }
}

fn state_word(state: PartState) -> &'static str {
    match state {
        PartState::Untouched => "not written",
        PartState::Written => "written, not seen in effect",
        PartState::Done => "done",
        PartState::RolledBack => "as before",
        PartState::Unconfirmed => "taken back, not seen in effect",
        PartState::Left => "written, could not be taken back",
        PartState::Taken => "changed by somebody else",
    }
}

fn described(part: &Part, state: PartState) -> TransferPart {
    match part {
        Part::Service(of) => TransferPart {
            kind: ParticipantKind::Service,
            context: of.context.clone(),
            namespace: Some(of.namespace.clone()),
            name: Some(of.name.clone()),
            vserver_group: None,
            weights: vec![WeightChange {
                server: None,
                port: None,
                old: of.from.clone(),
                new: of.to.clone(),
            }],
            state,
        },
        Part::Servers(of) => TransferPart {
            kind: ParticipantKind::External,
            context: None,
            namespace: None,
            name: None,
            vserver_group: Some(of.vgroup.clone()),
            weights: of
                .servers
                .iter()
                .map(|server| WeightChange {
                    server: Some(server.id.clone()),
                    port: Some(server.port),
                    old: Some(server.from.to_string()),
                    new: Some(server.to.to_string()),
                })
                .collect(),
            state,
        },
    }
}

/// Everybody's share before and after.
fn shares(route: &ChangedRoute) -> TransferRoute {
    type Name<'r> = (Option<&'r str>, Option<&'r str>, &'r str);
    fn name(of: &Participant) -> Name<'_> {
        (of.context.as_deref(), of.namespace.as_deref(), &of.name)
    }
    let before: BTreeMap<Name<'_>, Option<f64>> =
        route.before.participants.iter().map(|of| (name(of), of.share)).collect();
    let shares = route.after.participants.iter().map(|of| ShareChange {
        kind: of.kind,
        context: of.context.clone(),
        namespace: of.namespace.clone(),
        name: of.name.clone(),
        before: before.get(&name(of)).copied().flatten(),
        after: of.share,
    });
    TransferRoute {
        clb: route.clb.clone(),
        vserver_group: route.vserver_group.clone(),
        port: route.port,
        shares: shares.collect(),
    }
}

/// `lb-bp1example/rsp-bp1example:80: shop/web (b) 20.0 % -> 40.0 %, i-bp1old 80.0 % -> 60.0 %`.
fn route_line(route: &TransferRoute) -> String {
    let percent = |share: Option<f64>| {
        share.map_or_else(|| "?".to_owned(), |share| format!("{:.1} %", share * 100.0))
    };
    let shares = route.shares.iter().map(|of| {
        let name = of.namespace.as_ref().map(|namespace| format!("{namespace}/"));
        let context = of.context.as_ref().map(|context| format!(" ({context})"));
        format!(
            "{}{}{} {} -> {}",
            name.unwrap_or_default(),
            of.name,
            context.unwrap_or_default(),
            percent(of.before),
            percent(of.after)
        )
    });
    let port = route.port.map(|port| format!(":{port}")).unwrap_or_default();
    let shares = shares.collect::<Vec<_>>().join(", ");
    format!("{}/{}{port}: {shares}", route.clb, route.vserver_group)
}
