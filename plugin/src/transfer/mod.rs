//! A change of several sides: Services of one or more clusters, and servers outside of them. Shown,
//! confirmed, tried out, then written side by side under [`Course`]'s order, and taken back where
//! it fails.

mod build;
mod preflight;
mod run;
mod servers;
mod service;
mod stop;

use clbmigrate_core::{
    index::Index,
    preview,
    transfer::{Course, Whole},
};

use self::build::{PartWriter, PreparedChange};
use crate::{
    change::{self, Judgement, Leniency},
    cli::{ChangeFormat, DryRun, InputArgs, WriteArgs},
    document::{
        preview::PreviewAnswer,
        transfer::{TransferAnswer, TransferSubject},
    },
    error::{Error, Exit},
    input::{self, Input},
    namespaces::Namespaces,
    output::{Printable, Printer},
    session::Session,
};

/// How a change of several sides is written.
pub struct WriteOptions<'a> {
    /// The flags of all commands that write.
    pub write: &'a WriteArgs,
    /// Whether CCM's success counts where the CLB API cannot be asked.
    pub is_unverified: bool,
}

/// What a plan is made of.
pub struct PlanContext<'s> {
    /// The index of the clusters' objects and the CLB API's answers.
    pub index: &'s Index<'s>,
    /// The namespaces to look at.
    pub namespaces: &'s Namespaces,
    /// The flags about what is read.
    pub input: &'s InputArgs,
}

/// A planned change of several sides.
pub struct Intent {
    /// The command.
    pub verb: &'static str,
    /// The change in a line: `20 % of shop/web to b, from a`.
    pub title: String,
    /// The parts to write.
    pub parts: Whole,
    /// What the record says of the whole change: more than `parts` where some are written already.
    pub record: Whole,
    /// The change's id, where it has one already.
    pub id: Option<String>,
    /// The change that this one takes back.
    pub undoes: Option<String>,
    /// Which problems do not stop the change.
    pub leniency: Leniency,
    /// What is to be said of the routes besides their shares.
    pub remarks: Vec<String>,
    /// Reasons against it that `--force` overrides.
    pub against: Vec<String>,
}

impl Intent {
    /// What it is about, for the answer.
    fn subject(&self) -> TransferSubject<'_> {
        TransferSubject {
            verb: self.verb,
            title: &self.title,
            parts: &self.parts.parts,
            undoes: self.undoes.as_deref(),
            remarks: &self.remarks,
        }
    }
}

/// Makes a plan of what was read.
pub type Planner<'p> = &'p dyn Fn(&PlanContext<'_>) -> Result<Intent, Error>;

/// Refuses flags that make no sense for a change of several sides.
pub fn refuse_flags((write, input): (&WriteArgs, &InputArgs), verb: &str) -> Result<(), Error> {
    let one = InputArgs { contexts: Vec::new(), ..input.clone() };
    change::refuse_flags((write, &one), verb)
}

/// Reads all clusters that `input` names, plans the change, previews it, and writes it as far as
/// the flags allow. Returns how the command ends.
pub fn carry_out(
    plan: Planner<'_>,
    options: &WriteOptions<'_>,
    input: &InputArgs,
    printer: &mut Printer,
) -> Result<Exit, Error> {
    let overlay = change::read_overlay(input)?;
    let mut session = Some(Session::open(input)?);
    for _ in 0..change::MAX_READS {
        let Some(open) = session.take() else { break };
        let Input { loaded, session: connected, namespaces } =
            input::read_live(open, input, overlay.as_ref(), printer)?;
        let Some(connected) = connected else { break };
        if loaded.snapshot.clusters.len() < input.contexts.len() {
            // What could not be read was said already.
            return Err(Error::NotFound {
                message: "not all clusters of the change could be read".to_owned(),
                hints: vec!["nothing was written".to_owned()],
            });
        }
        let before = Index::new(&loaded.snapshot);
        let plan_context = PlanContext { index: &before, namespaces: &namespaces, input };
        let intent = plan(&plan_context)?;
        match PreparedChange::new(&intent, &connected, &before)? {
            Some(prepared) => return Transfer { intent, prepared, options }.run(printer),
            None => session = Some(connected),
        }
    }
    Err(Error::Conflict {
        message: "the Services change faster than they can be read".to_owned(),
        hints: vec!["see who edits them: kubectl get svc -o yaml --show-managed-fields".to_owned()],
    })
}

/// A planned change of several sides, with what is needed to write it.
struct Transfer<'t> {
    intent: Intent,
    prepared: PreparedChange<'t>,
    options: &'t WriteOptions<'t>,
}

impl Transfer<'_> {
    fn run(mut self, printer: &mut Printer) -> Result<Exit, Error> {
        let write = self.options.write;
        if self.prepared.writers.is_empty() {
            let answer = TransferAnswer::unchanged(self.intent.subject());
            printer.answer(write.output, &answer)?;
            return Ok(answer.exit());
        }
        let after = Index::new(&self.prepared.after);
        let objects = self.prepared.looked_at();
        let preview = preview::preview_including(self.prepared.before, &after, &objects);
        let shown = PreviewAnswer::new((self.prepared.before, &after), &preview, &objects, true);
        let answer = TransferAnswer::new(self.intent.subject(), &shown.document().routes);
        let is_patch = write.output == ChangeFormat::Patch;
        let is_asked = !write.yes && write.dry_run.is_none() && !is_patch;
        if !is_patch {
            answer.announce(printer)?;
        }
        if is_asked || (write.dry_run == Some(DryRun::Client) && !is_patch) {
            change::show(&shown, printer)?;
        } else if !is_patch {
            change::show_brief(&shown, printer)?;
        }
        let judgement =
            Judgement::new(&preview, &after, &self.prepared.service_refs(), self.intent.leniency);
        for warning in judgement.warnings() {
            printer.warning(&warning);
        }
        judgement.with(&self.intent.against).refuse(write.force)?;
        if is_patch {
            return self.prepared.print_patches(printer);
        }
        for writer in &self.prepared.writers {
            if let PartWriter::Service(of) = writer {
                let service = of.change.service_ref.service;
                of.change.managers().iter().for_each(|tool| tool.warn(service, printer));
            }
        }
        if write.dry_run == Some(DryRun::Client) {
            printer.answer(write.output, &answer.dry_run("client"))?;
            return Ok(Exit::Done);
        }
        let is_way_back = self.intent.leniency == Leniency::Undo;
        preflight::check(&self.prepared, shown.document(), self.options, is_way_back, printer)?;
        if write.dry_run == Some(DryRun::ApiServer) {
            printer.answer(write.output, &answer.dry_run("server"))?;
            return Ok(Exit::Done);
        }
        self.prepared.name_account(printer);
        if is_asked {
            self.confirm(printer)?;
        }
        self.write_parts(answer, printer)
    }

    fn confirm(&self, printer: &mut Printer) -> Result<(), Error> {
        change::require_terminal(printer)?;
        for writer in &self.prepared.writers {
            if let PartWriter::Service(of) = writer {
                let connection = of.change.connection;
                let who = of.change.session.block_on(connection.whoami());
                let context = connection.context.as_deref().unwrap_or("-");
                let (cluster, server) = (&connection.cluster, &connection.server);
                printer.info(&format!("  {context}: cluster {cluster} ({server}), user {who}"));
            }
        }
        change::ask_confirmation(printer)
    }

    fn write_parts(
        &mut self,
        answer: TransferAnswer,
        printer: &mut Printer,
    ) -> Result<Exit, Error> {
        let id = self.intent.id.clone().unwrap_or_else(clbmigrate_cluster::live::new_change_id);
        let raises = self.prepared.writers.iter().map(PartWriter::is_raise).collect();
        let result = run::run(Course::new(raises), &id, &mut self.prepared, self.options, printer)?;
        if let run::RunResult { error: Some(error), is_untouched: true, .. } = result {
            return Err(error);
        }
        let is_proven = self.prepared.writers.iter().all(PartWriter::is_proven);
        let contexts = self.prepared.session.contexts();
        let answer = answer.ended(&id, &result.ending, &result.states, is_proven, &contexts);
        printer.answer(self.options.write.output, &answer)?;
        answer.print_next_steps(printer);
        Ok(answer.exit())
    }
}
