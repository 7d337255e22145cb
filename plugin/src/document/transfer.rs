//! What `shift`, and `undo` of it, answer.

use std::io::{self, Write};

use clbmigrate_core::{
    route::RouteKey,
    transfer::{Ending, Part},
};

use super::{
    half_done::{next_steps, part_in_words, step_line},
    shares::{route_name, shares},
};
use crate::{
    change::Intent,
    error::{Error, Exit},
    output::{
        Detail, Printable, Printer, Terminal, human,
        json::{
            ApiVersion, ChangedRoute, PartState, ParticipantKind, TransferKind, TransferPart,
            TransferReport, TransferRoute, TransferState, WeightChange,
        },
        style::STRONG,
        text::Text,
    },
};

/// What a change of several sides answers, as far as it is known.
pub struct TransferAnswer {
    title: String,
    remarks: Vec<String>,
    parts: Vec<Part>,
    /// The parts in words.
    part_lines: Vec<String>,
    /// The routes in words.
    route_lines: Vec<String>,
    document: TransferReport,
    exit: Exit,
}

impl TransferAnswer {
    /// The answer about a change of these parts that is not written yet.
    pub fn new(intent: &Intent, parts: &[Part], routes: &[ChangedRoute]) -> Self {
        Self {
            title: intent.title.clone(),
            remarks: intent.remarks.clone(),
            parts: parts.to_vec(),
            part_lines: parts.iter().map(part_in_words).collect(),
            route_lines: routes.iter().map(route_line).collect(),
            document: TransferReport {
                api_version: ApiVersion::V1Alpha1,
                kind: TransferKind::Transfer,
                verb: intent.verb.to_owned(),
                change: None,
                undoes: intent.undoes.clone(),
                parts: parts.iter().map(|part| described(part, PartState::Untouched)).collect(),
                routes: routes.iter().map(shares).collect(),
                state: TransferState::Unchanged,
                verified: false,
                message: String::new(),
                next: Vec::new(),
            },
            exit: Exit::Done,
        }
    }

    /// The answer where there is nothing to write.
    #[must_use]
    pub fn unchanged(mut self) -> Self {
        self.document.message = format!("{}: is so already, nothing was written", self.title);
        self
    }

    /// Says on stderr what is about to happen.
    ///
    /// # Errors
    /// Where stderr cannot be written.
    pub fn announce(&self, printer: &mut Printer) -> Result<(), Error> {
        let width = printer.terminal.width;
        let stderr = printer.stderr();
        Text::styled(STRONG, &self.title).write_lines(stderr, 0, width)?;
        for line in self.route_lines.iter().chain(&self.remarks).chain(&self.part_lines) {
            Text::plain(line).write_lines(stderr, 2, width)?;
        }
        writeln!(stderr)?;
        Ok(())
    }

    /// The answer of a dry run; `kind` is `client` or `server`.
    #[must_use]
    pub fn dry_run(mut self, kind: &str) -> Self {
        self.document.state = TransferState::DryRun;
        self.document.message = format!("{kind} dry run: nothing was written");
        self
    }

    /// The answer when the change of that id has ended. `states` says how far each part came,
    /// `is_proven` whether the CLB was seen to carry all of them, `contexts` what it touched.
    #[must_use]
    pub fn ended(
        mut self,
        id: &str,
        ending: &Ending,
        states: &[PartState],
        is_proven: bool,
        contexts: &[&str],
    ) -> Self {
        for (part, state) in self.document.parts.iter_mut().zip(states) {
            part.state = *state;
        }
        let is_undo = self.document.undoes.is_some();
        let (state, exit, message) = self.outcome(ending, is_proven);
        let written = match ending {
            Ending::Held(done) => Some(*done),
            Ending::Standing { standing, .. } => Some((*standing).max(1)),
            Ending::Done | Ending::Untouched(_) | Ending::RolledBack { .. } => None,
        };
        if let Some(written) = written {
            self.document.next = next_steps(&self.parts, written, contexts, is_undo);
        }
        let is_untouched = matches!(ending, Ending::Untouched(_));
        self.document.change = (!is_untouched).then(|| id.to_owned());
        self.document.verified = matches!(ending, Ending::Done) && is_proven;
        self.document.state = state;
        self.document.message = message;
        self.exit = exit;
        self
    }

    /// How far the whole came, how the command ends, and both in words.
    fn outcome(&self, ending: &Ending, is_proven: bool) -> (TransferState, Exit, String) {
        let name = |at: &usize| self.parts.get(*at).map(Part::label).unwrap_or_default();
        let names = |parts: &[usize]| parts.iter().map(name).collect::<Vec<_>>().join(", ");
        let not_ours = |mut message: String, taken: &[usize]| {
            if !taken.is_empty() {
                message = format!("{message}; {} is somebody else's and stays", names(taken));
            }
            message
        };
        match ending {
            Ending::Done if is_proven => {
                (TransferState::Done, Exit::Done, "done, seen at the CLB".to_owned())
            }
            Ending::Done => {
                let message =
                    "CCM reports success; not verified at the CLB, which takes its credentials";
                (TransferState::Unverified, Exit::Done, message.to_owned())
            }
            Ending::Untouched(why) => {
                let why = why.as_deref().unwrap_or("asked to end");
                (TransferState::Unchanged, Exit::PutBack, format!("nothing was written: {why}"))
            }
            Ending::Held(done) => {
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
                (TransferState::RolledBack, Exit::PutBack, not_ours(message, taken))
            }
            Ending::Standing { why, standing, left, taken } => {
                let stays: Vec<usize> = (0..*standing).collect();
                let mut message = format!("half done: {why}");
                if !stays.is_empty() {
                    message = format!("{message}; {} keeps what it gained", names(&stays));
                }
                for (at, because) in left {
                    message = format!("{message}; {} could not be put back: {because}", name(at));
                }
                let exit = if left.is_empty() { Exit::PutBack } else { Exit::Error };
                (TransferState::HalfDone, exit, not_ours(message, taken))
            }
        }
    }

    /// Says on stderr how to go on where the change is half done.
    pub fn print_next_steps(&self, printer: &mut Printer) {
        for step in &self.document.next {
            printer.info(&format!("  {}", step_line(step)));
        }
    }

    /// How the command ends after this answer.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl Printable for TransferAnswer {
    type Document = TransferReport;

    fn document(&self) -> &TransferReport {
        &self.document
    }

    fn write_text(&self, terminal: Terminal, _: Detail, out: &mut dyn Write) -> io::Result<()> {
        let (parts, routes) = (&self.part_lines, &self.route_lines);
        human::transfer_report(&self.document, parts, routes, terminal, out)
    }

    fn names(&self) -> Vec<String> {
        let services = self.document.parts.iter().filter_map(|part| part.name.as_ref());
        services.map(|name| format!("service/{name}")).collect()
    }
}

/// A route's shares in a line:
/// `lb-bp1example/rsp-bp1example:80: shop/web (b) 20.0 % -> 40.0 %, i-bp1old 80.0 % -> 60.0 %`.
fn route_line(route: &ChangedRoute) -> String {
    let percent = |share: Option<f64>| {
        share.map_or_else(|| "?".to_owned(), |share| format!("{:.1} %", share * 100.0))
    };
    let TransferRoute { clb, vserver_group, port, shares } = shares(route);
    let shares = route.after.participants.iter().zip(shares).map(|(of, share)| {
        format!("{} {} -> {}", human::label(of, true), percent(share.before), percent(share.after))
    });
    let key = RouteKey { clb: &clb, vgroup: &vserver_group, port };
    let shares = shares.collect::<Vec<_>>();
    format!("{}: {}", route_name(&key), shares.join(", "))
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
