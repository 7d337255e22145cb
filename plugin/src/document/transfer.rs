//! What a change of several sides answers.

use clbmigrate_core::transfer::{Ending, Part};

use super::{
    Intent,
    build::{Built, Hand},
    run::Ran,
    shares::shares,
    words::{colour, go_on, in_words, route_line, state_word, step_line},
};
use crate::{
    cli::ChangeFormat,
    error::{Error, Exit},
    output::{
        Printer,
        json::{
            self, ApiVersion, ChangedRoute, PartState, ParticipantKind, TransferKind, TransferPart,
            TransferReport, TransferState, WeightChange,
        },
        style::STRONG,
        text::Text,
        yaml,
    },
};

/// The answer, as far as it is known.
pub struct Report {
    title: String,
    remarks: Vec<String>,
    /// The parts in words.
    lines: Vec<String>,
    /// The routes in words.
    outlook: Vec<String>,
    document: TransferReport,
    exit: Exit,
}

impl Report {
    fn of(intent: &Intent, parts: Vec<TransferPart>, routes: &[ChangedRoute]) -> Self {
        Self {
            title: intent.title.clone(),
            remarks: intent.remarks.clone(),
            lines: intent.parts.parts.iter().map(in_words).collect(),
            outlook: routes.iter().map(route_line).collect(),
            document: TransferReport {
                api_version: ApiVersion::V1Alpha1,
                kind: TransferKind::Transfer,
                verb: intent.verb.to_owned(),
                change: None,
                undoes: intent.undoes.clone(),
                parts,
                routes: routes.iter().map(shares).collect(),
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
        Self::of(intent, parts.collect(), &preview.routes)
    }

    /// There is nothing to write.
    pub fn unchanged(intent: &Intent) -> Self {
        let mut report = Self::of(intent, Vec::new(), &[]);
        report.document.message = format!("{}: is so already, nothing was written", intent.title);
        report
    }

    /// Says what is about to happen.
    pub fn announce(&self, printer: &mut Printer) -> Result<(), Error> {
        let width = printer.look.width;
        let talk = printer.talk();
        Text::styled(STRONG, &self.title).write_lines(talk, 0, width)?;
        for line in self.lines.iter().chain(&self.outlook).chain(&self.remarks) {
            Text::plain(line).write_lines(talk, 2, width)?;
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
        let is_undo = self.document.undoes.is_some();
        let is_proven = built.hands.iter().all(Hand::is_proven);
        self.document.change = Some(id.to_owned());
        let (state, exit, message) = match &ran.ending {
            Ending::Done => {
                self.document.verified = is_proven;
                let (state, message) = if is_proven {
                    (TransferState::Done, "done, seen at the CLB")
                } else {
                    let message =
                        "CCM reports success; not verified at the CLB, which takes its credentials";
                    (TransferState::Unverified, message)
                };
                (state, Exit::Done, message.to_owned())
            }
            Ending::Untouched(why) => {
                self.document.change = None;
                let why = why.as_deref().unwrap_or("asked to end");
                (TransferState::Unchanged, Exit::PutBack, format!("nothing was written: {why}"))
            }
            Ending::Held(done) => {
                self.document.next = go_on(built, *done, is_undo);
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
                self.document.next = go_on(built, (*standing).max(1), is_undo);
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
        for step in &self.document.next {
            printer.remark(&format!("  {}", step_line(step)));
        }
        Ok(self.exit)
    }

    fn words(&self, printer: &mut Printer) -> Result<(), Error> {
        let TransferReport { parts, change, message, state, .. } = &self.document;
        let width = printer.look.width;
        let out = printer.text();
        for (part, line) in parts.iter().zip(&self.lines) {
            Text::plain(format!("{line}: "))
                .and(colour(part.state), state_word(part.state))
                .write_lines(out, 0, width)?;
        }
        let is_all = [TransferState::Done, TransferState::Unverified, TransferState::DryRun];
        if is_all.contains(state) {
            for line in &self.outlook {
                Text::plain(line).write_lines(out, 0, width)?;
            }
        }
        let message = match change {
            Some(id) => format!("change {id}: {message}"),
            None => message.clone(),
        };
        Text::plain(message).write_lines(out, 0, width)?;
        Ok(())
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
