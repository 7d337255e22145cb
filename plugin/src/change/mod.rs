//! Every change that is written: of one Service, of Services in several clusters, and of servers outside
//! of them. There is one course for all:
//!
//! 1. read the clusters and the CLB API ([`carry_out`]),
//! 2. plan what to write (the command),
//! 3. judge it by the preview ([`judge`]),
//! 4. show it,
//! 5. look at what must hold before the first write, and try the write out ([`preflight`]),
//! 6. ask ([`confirm`]),
//! 7. write a side, with its record ([`side`]),
//! 8. wait for CCM, and prove it at the CLB,
//! 9. go on to the next side, or take back what was written ([`run`]),
//! 10. answer.

mod api;
mod confirm;
mod deadline;
mod gitops;
mod intent;
mod judge;
mod preflight;
mod prepared;
mod run;
mod side;
mod stop;
#[cfg(test)]
mod tests;

use clbmigrate_cluster::{Loaded, live::new_change_id};
use clbmigrate_core::{
    index::Index,
    preview::{self, Preview},
};

pub use self::{
    deadline::Deadline,
    intent::{Intent, Leniency, PlanContext, Planner, ServiceIntent, SideIntent, weight_edit},
    prepared::PreparedChange,
    run::RunResult,
    side::{Proof, ServiceSide, Side},
};
use self::{
    judge::Judgement,
    preflight::Objections,
    side::{NeededHealth, NeededProof, OnFailure, Policy},
    stop::Stop,
};
use crate::{
    clb::Scope,
    cli::{ChangeFormat, DryRun, WriteArgs},
    document::{Question, preview::PreviewAnswer, written::WrittenAnswer},
    error::{Error, Exit},
    input::{self, Input},
    output::{Printable, Printer},
    request::Request,
    session::Session,
};

/// How many times the state is read where it changes while it is read.
const MAX_READS: usize = 3;

/// How a change is written.
pub struct WriteOptions<'a> {
    /// The flags of all commands that write.
    pub write: &'a WriteArgs,
    /// What is read.
    pub input: &'a Request,
    /// Whether CCM's success counts where the CLB API cannot be asked, in a change of several sides.
    pub is_unverified: bool,
    /// The Service that is all that must be readable, as the command line names it: for a change that
    /// is a way to safety.
    pub lever: Option<&'a str>,
    /// What the CLB API is asked about.
    pub scope: Scope,
}

/// Reads the clusters of a session, plans the change, previews it, and writes it as far as the flags
/// allow. Returns how the command ends.
///
/// # Errors
/// Where nothing was written, and why.
pub fn carry_out(
    session: &Session,
    plan: Planner<'_>,
    options: &WriteOptions<'_>,
    printer: &mut Printer,
) -> Result<Exit, Error> {
    let overlay = read_overlay(options.input)?;
    for _ in 0..MAX_READS {
        let Input { loaded, namespaces, .. } = input::read_to_write(
            session.clone(),
            (options.lever, &options.scope),
            (options.input, overlay.as_ref()),
            printer,
        )?;
        if loaded.snapshot.clusters.len() < options.input.contexts.len() {
            // What could not be read was said already.
            return Err(Error::NotFound {
                message: "not all clusters of the change could be read".to_owned(),
                hints: vec!["nothing was written".to_owned()],
            });
        }
        let index = Index::new(&loaded.snapshot);
        let plan_context =
            PlanContext { index: &index, namespaces: &namespaces, input: options.input };
        let intent = plan(&plan_context)?;
        let clb = session.clb();
        let connected =
            session.block_on(clb.connect(&loaded.snapshot, &options.input.clb, printer));
        match connected {
            // A way to safety goes on without proof.
            Err(error) if intent.leniency.is_way_back() => printer.warning(&error.to_string()),
            connected => connected?,
        }
        // What CCM would write is not known; that stops all but the way to safety.
        if let (Leniency::None, Some(error)) = (intent.leniency, loaded.failures.first()) {
            return Err(error.clone().into());
        }
        let with_created = intent.with_created(&loaded.snapshot)?;
        let before = with_created.as_ref().map_or(index, Index::new);
        if let Some(prepared) = PreparedChange::new(&intent, session, &before, options.write)? {
            return Change { intent, prepared, options }.run(printer);
        }
    }
    Err(Error::Conflict {
        message: "the Services change faster than they can be read".to_owned(),
        hints: vec!["see who edits them: kubectl get svc -o yaml --show-managed-fields".to_owned()],
    })
}

/// The CLB API's answers that `--overlay` names; `None` without that flag.
///
/// # Errors
/// Where it names manifests, since a change is judged by what the cluster holds, and where it
/// cannot be read.
fn read_overlay(input: &Request) -> Result<Option<Loaded>, Error> {
    let Some(overlay) = input::overlay(input)? else { return Ok(None) };
    if !overlay.problems.is_empty() {
        let lines: Vec<String> = overlay.problems.iter().map(ToString::to_string).collect();
        return Err(Error::NotFound {
            message: lines.join("\n"),
            hints: vec!["nothing was written: --overlay could not be read".to_owned()],
        });
    }
    if overlay.objects > 0 {
        return Err(Error::Usage {
            message: "--overlay: a change is judged by what the cluster holds, so only the CLB API's answers are taken here".to_owned(),
            hints: vec!["see what manifests would do: kubectl clbmigrate preview --overlay FILE".to_owned()],
        });
    }
    Ok(Some(overlay))
}

/// A planned change, with what is needed to write it.
struct Change<'c> {
    intent: Intent,
    prepared: PreparedChange<'c>,
    options: &'c WriteOptions<'c>,
}

impl Change<'_> {
    fn run(mut self, printer: &mut Printer) -> Result<Exit, Error> {
        let write = self.options.write;
        let after_snapshot = std::mem::take(&mut self.prepared.after);
        let after = Index::new(&after_snapshot);
        let objects = self.prepared.looked_at();
        let preview = preview::preview_including(self.prepared.before, &after, &objects);
        let question = Question { is_namespace_given: true, is_live: true };
        let indexes = (self.prepared.before, &after);
        let shown = PreviewAnswer::new(indexes, &preview, &objects, question);
        let about = (&shown, preview.outcome);
        let answer = WrittenAnswer::new(&self.intent, &self.prepared, about);
        if self.is_unchanged() {
            return self.answer_unchanged(answer, printer);
        }
        let is_patch = write.output == ChangeFormat::Patch;
        let is_asked = !write.yes && write.dry_run().is_none() && !is_patch;
        if !is_patch {
            answer.announce(printer)?;
        }
        if is_asked || (write.dry_run() == Some(DryRun::Client) && !is_patch) {
            confirm::show(&shown, printer)?;
        } else if !is_patch {
            // A refusal, or a warning in its place, tells the errors.
            let has_errors = write.force || self.intent.leniency == Leniency::Undo;
            confirm::show_brief(&shown, has_errors, printer)?;
        }
        if !self.intent.commands.is_empty() {
            printer.info("missing at the CLB; none of these commands is run here:");
            self.intent.commands.iter().for_each(|line| printer.info(&format!("  {line}")));
        }
        self.intent.notes.iter().for_each(|note| printer.info(note));
        self.judge(&preview, &after, printer)?;
        if is_patch {
            return self.prepared.print_patches(printer);
        }
        for side in self.prepared.services() {
            let service = side.service_ref.service;
            let tools = side.gitops_tools();
            for tool in &tools {
                tool.warn(service, printer);
            }
            // Argo CD applies as kubectl does.
            if let Some(applied) = side.applied().filter(|_| tools.is_empty()) {
                printer.warning(&applied);
            }
        }
        if write.dry_run() == Some(DryRun::Client) {
            answer.dry_run("client").print(write.output, printer)?;
            return Ok(Exit::Done);
        }
        let mut policy = self.policy();
        let mut objections = Objections::of_health(&self.prepared, &preview);
        if self.has_several_sides() {
            self.prepared.dry_run(printer)?;
            let against = (&policy, &mut objections);
            preflight::check(&self.prepared, shown.document(), against, printer)?;
        } else if write.dry_run() == Some(DryRun::ApiServer) {
            self.prepared.dry_run(printer)?;
        }
        let doubts = objections.doubts.clone();
        let is_way_back = self.intent.leniency.is_way_back();
        objections.refuse(self.options, (is_way_back, is_asked), printer)?;
        if write.dry_run() == Some(DryRun::ApiServer) {
            answer.dry_run("server").print(write.output, printer)?;
            return Ok(Exit::Done);
        }
        self.prepared.name_account(printer);
        if is_asked {
            confirm::ask(&self.prepared, &doubts, printer)?;
        }
        if is_asked || is_way_back {
            policy.health = policy.health.min(NeededHealth::NotAbnormal);
        }
        if is_way_back && !self.has_several_sides() {
            // Nobody gives anything up for it.
            policy.health = NeededHealth::Nothing;
        }
        self.write(&policy, answer, printer)
    }

    /// Whether everything is so already.
    fn is_unchanged(&self) -> bool {
        let mut sides = self.prepared.sides.iter();
        sides.all(|side| matches!(side, Side::Service(of) if of.edit.is_unchanged() && of.manifest.is_none()))
    }

    /// Whether others' traffic depends on each side: the change is a move, or touches servers outside.
    fn has_several_sides(&self) -> bool {
        self.intent.whole.is_some()
    }

    fn policy(&self) -> Policy {
        let write = self.options.write;
        let is_several = self.has_several_sides();
        let is_accepted = write.force || self.options.is_unverified;
        Policy {
            timeout: write.timeout.0,
            proof: match (is_several, write.wait) {
                (true, _) if !self.options.is_unverified => NeededProof::AtClb,
                (false, false) => NeededProof::Write,
                _ => NeededProof::Ccm,
            },
            on_failure: if is_several { OnFailure::TakeBack } else { OnFailure::Stay },
            health: match () {
                () if write.force => NeededHealth::Nothing,
                () if is_accepted => NeededHealth::NotAbnormal,
                () => NeededHealth::Healthy,
            },
        }
    }

    /// Refuses what the preview finds wrong.
    fn judge(
        &self,
        preview: &Preview<'_>,
        after: &Index<'_>,
        printer: &mut Printer,
    ) -> Result<(), Error> {
        let services = self.prepared.service_refs();
        let judgement = Judgement::new(preview, after, &services, self.intent.leniency);
        for warning in judgement.warnings() {
            printer.warning(&warning);
        }
        judgement.with(&self.intent.against).refuse(self.options.write.force)
    }

    /// Nothing is to be written; what was written before may still be waited for.
    fn answer_unchanged(
        &mut self,
        answer: WrittenAnswer,
        printer: &mut Printer,
    ) -> Result<Exit, Error> {
        let write = self.options.write;
        if write.output == ChangeFormat::Patch {
            return self.prepared.print_patches(printer);
        }
        let history = self.prepared.services().next().map(ServiceSide::history);
        let answer = answer.unchanged(history.as_ref().and_then(|history| history.last()));
        let policy = self.policy();
        let [Side::Service(side)] = self.prepared.sides.as_mut_slice() else {
            answer.print(write.output, printer)?;
            return Ok(Exit::Done);
        };
        if !write.wait {
            answer.print(write.output, printer)?;
            return Ok(Exit::Done);
        }
        let session = self.prepared.session;
        session.block_on(async {
            side.begin_waiting(&policy, printer).await?;
            let stop = Stop::listen()?;
            side.verify(&policy, &stop, printer).await;
            Ok::<(), Error>(())
        })?;
        let answer = answer.waited(side.progress.proof.as_ref());
        answer.print(write.output, printer)?;
        self.say_next(answer.exit(), printer);
        Ok(answer.exit())
    }

    fn write(
        &mut self,
        policy: &Policy,
        answer: WrittenAnswer,
        printer: &mut Printer,
    ) -> Result<Exit, Error> {
        let id = self.intent.id.clone().unwrap_or_else(new_change_id);
        let PreparedChange { sides, parts, session, .. } = &mut self.prepared;
        let result = session.block_on(async {
            let stop = Stop::listen()?;
            Ok::<RunResult, Error>(run::run(&id, (sides, parts), policy, &stop, printer).await)
        })?;
        let is_waited_for = policy.proof > NeededProof::Write;
        let answer = answer.ended(&id, result, &self.prepared, is_waited_for)?;
        answer.print(self.options.write.output, printer)?;
        answer.print_next_steps(printer);
        self.say_next(answer.exit(), printer);
        Ok(answer.exit())
    }

    fn say_next(&self, exit: Exit, printer: &mut Printer) {
        let is_proven = self.prepared.sides.iter().all(Side::is_proven);
        if let Some(next) = self.intent.next_of(exit, is_proven) {
            printer.info(next);
        }
    }
}
