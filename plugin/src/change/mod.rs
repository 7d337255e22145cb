//! A change of one Service: judged, confirmed, written under guard, and waited for.

mod confirm;
mod failure;
mod judge;
mod managers;
mod record;
mod recover;
mod truth;
mod wait;
mod write;

use clbmigrate_cluster::{
    Loaded,
    live::{Connection, LiveService, new_change_id},
};
use clbmigrate_core::{
    index::{Index, ServiceRef},
    object::{ObjectRef, Service},
    patch::AnnotationEdit,
    preview,
    snapshot::Snapshot,
    transfer::Whole,
};

use crate::{
    cli::{ChangeFormat, DryRun, InputArgs, WriteArgs},
    document::{
        change::{self, ChangeAnswer},
        preview::PreviewAnswer,
    },
    error::{Error, Exit},
    input::{self, Input},
    output::{Printer, yaml},
    selection::Selection,
    session::Session,
    target,
};

pub use self::{
    confirm::{ask_confirmation, require_terminal, show, show_brief},
    failure::WriteFailure,
    judge::{Judgement, Leniency},
    managers::GitOpsTool,
    recover::Rollback,
    truth::GroupCheck,
    wait::{Verification, WaitResult},
    write::{Patience, WrittenChange},
};

/// How many times the state is read where it changes while it is read.
pub const MAX_READS: usize = 3;

/// What to write on one Service, made of its present state.
pub struct Plan {
    /// The command.
    pub verb: &'static str,
    /// The annotations to write, without the record of the change.
    pub edits: Vec<AnnotationEdit>,
    /// The id of the change that this one takes back.
    pub undoes: Option<String>,
    /// The id of the change that this one is a step of.
    pub step_of: Option<String>,
    /// The change of several sides that this one is a part of.
    pub whole: Option<Whole>,
    /// Which problems do not stop the change.
    pub leniency: Leniency,
    /// What the user should do afterwards, in words.
    pub next: Option<String>,
}

impl Plan {
    /// Whether everything is so already.
    fn is_unchanged(&self) -> bool {
        self.edits.iter().all(|edit| edit.old == edit.new)
    }
}

/// Makes a plan of a Service's present state, as the API server and as the snapshot has it.
pub type Planner<'p> = &'p dyn Fn(&LiveService, &Service) -> Result<Plan, Error>;

/// Refuses flags that make no sense for a command that writes one Service.
pub fn refuse_flags((write, input): (&WriteArgs, &InputArgs), verb: &str) -> Result<(), Error> {
    let why = if input.all_namespaces {
        "-A names no namespace to write in; give one with -n"
    } else if !input.files.is_empty() {
        "files cannot be changed; preview shows what a change would do to them"
    } else if input.selector.is_some() {
        "-l may match several Services; name one: kubectl clbmigrate status -l … -o name lists them"
    } else if input.contexts.len() > 1 {
        "it writes in one cluster; name it with --context"
    } else if write.wait && write.output == ChangeFormat::Patch {
        "-o patch writes nothing, so there is nothing to --wait for"
    } else {
        return Ok(());
    };
    Err(Error::usage(format!("{verb}: {why}")))
}

/// Plans a change of the Service that `target` names, previews it, and writes it as far as the
/// flags allow. Returns how the command ends.
pub fn carry_out(
    target: &str,
    plan: Planner<'_>,
    args: (&WriteArgs, &InputArgs),
    printer: &mut Printer,
) -> Result<Exit, Error> {
    target::parse_name(target)?;
    carry_out_with(Session::open(args.1)?, target, plan, args, printer)
}

/// Does what [`carry_out`] does over connections that are open already.
pub fn carry_out_with(
    session: Session,
    target: &str,
    plan: Planner<'_>,
    (write, input): (&WriteArgs, &InputArgs),
    printer: &mut Printer,
) -> Result<Exit, Error> {
    let overlay = read_overlay(input)?;
    let mut session = Some(session);
    for _ in 0..MAX_READS {
        let Some(open) = session.take() else { break };
        let Input { loaded, session: connected, namespaces } =
            input::read_live(open, input, overlay.as_ref(), printer)?;
        let Some(connected) = connected else { break };
        let selection = Selection::new(input, &namespaces);
        let before = Index::new(&loaded.snapshot);
        let service_ref = target::resolve(&before, target, &selection)?;
        let meta = &service_ref.service.metadata;
        let connection = connected.single_connection()?;
        let present = connected.block_on(connection.service(meta.namespace(), &meta.name))?;
        let present = present.filter(|present| matches_listed(present, service_ref.service));
        let Some(present) = present else {
            session = Some(connected);
            continue;
        };
        let plan = plan(&present, service_ref.service)?;
        let change =
            Change { session: &connected, connection, present, plan, before: &before, service_ref };
        return change.run(write, printer);
    }
    Err(Error::Conflict {
        message: format!("{target} changes faster than it can be read"),
        hints: vec!["see who edits it: kubectl get svc -o yaml --show-managed-fields".to_owned()],
    })
}

/// The CLB API's answers that `--overlay` names; `None` without that flag.
///
/// # Errors
/// Where it names manifests, since a change is judged by what the cluster holds, and where it
/// cannot be read.
pub fn read_overlay(input: &InputArgs) -> Result<Option<Loaded>, Error> {
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

/// Whether the Service that was read by itself is the one that was listed before.
pub fn matches_listed(present: &LiveService, listed: &Service) -> bool {
    present.service().is_ok_and(|now| {
        now.spec == listed.spec && now.metadata.annotations == listed.metadata.annotations
    })
}

/// A planned change of one Service, with what is needed to write it.
pub struct Change<'c> {
    /// The open connections.
    pub session: &'c Session,
    /// The connection with the Service's cluster.
    pub connection: &'c Connection,
    /// The Service as its API server has it.
    pub present: LiveService,
    /// What to write.
    pub plan: Plan,
    /// The index of the snapshot before the change.
    pub before: &'c Index<'c>,
    /// The Service in that snapshot.
    pub service_ref: ServiceRef<'c>,
}

impl Change<'_> {
    fn run(&self, args: &WriteArgs, printer: &mut Printer) -> Result<Exit, Error> {
        let changed = self.changed_snapshot();
        let after = Index::new(&changed);
        let preview = preview::preview_including(self.before, &after, &[self.object()]);
        let answer = ChangeAnswer::new(
            self.plan.verb,
            &self.object(),
            &self.plan.edits,
            self.plan.undoes.clone(),
            preview.outcome,
        );
        if self.plan.is_unchanged() {
            return self.answer_unchanged(args, answer, printer);
        }
        let judgement = Judgement::new(&preview, &after, &[self.service_ref], self.plan.leniency);
        let is_patch = args.output == ChangeFormat::Patch;
        let is_asked = !args.yes && args.dry_run.is_none() && !is_patch;
        let shown = PreviewAnswer::new((self.before, &after), &preview, &[self.object()], true);
        if is_asked || (args.dry_run == Some(DryRun::Client) && !is_patch) {
            show(&shown, printer)?;
        } else if !is_patch {
            show_brief(&shown, printer)?;
        }
        for warning in judgement.warnings() {
            printer.warning(&warning);
        }
        judgement.refuse(args.force)?;
        if is_patch {
            return self.print_patch(printer);
        }
        let managers = self.managers();
        for manager in &managers {
            manager.warn(self.service_ref.service, printer);
        }
        match args.dry_run {
            Some(DryRun::Client) => {
                printer.answer(args.output, &answer.dry_run("client"))?;
                return Ok(Exit::Done);
            }
            Some(DryRun::ApiServer) => {
                self.dry_run(args, printer)?;
                printer.answer(args.output, &answer.dry_run("server"))?;
                return Ok(Exit::Done);
            }
            None => {}
        }
        if is_asked {
            confirm::ask(self, printer)?;
        }
        self.write(args, answer, !managers.is_empty(), printer)
    }

    /// Nothing is to be written; what was written before may still be waited for.
    fn answer_unchanged(
        &self,
        args: &WriteArgs,
        answer: ChangeAnswer,
        printer: &mut Printer,
    ) -> Result<Exit, Error> {
        if args.output == ChangeFormat::Patch {
            return self.print_patch(printer);
        }
        let history = self.present.history().ok();
        let answer = answer.unchanged(history.as_ref().and_then(|history| history.last()));
        if !args.wait {
            printer.answer(args.output, &answer)?;
            return Ok(Exit::Done);
        }
        let begun = WrittenChange { marks: self.observe(printer)?, edits: self.plan.edits.clone() };
        self.wait(begun, None, args, answer, printer)
    }

    fn write(
        &self,
        args: &WriteArgs,
        answer: ChangeAnswer,
        is_guarded: bool,
        printer: &mut Printer,
    ) -> Result<Exit, Error> {
        let id = new_change_id();
        let exit = if args.wait {
            let begun = self.write_recorded(&id, args, printer)?;
            self.wait(begun, Some((&id, is_guarded)), args, answer.written(&id), printer)?
        } else {
            let edits = record::with_history(self, &id, args, printer);
            self.send(&self.present, &edits, &id, printer)?;
            printer.answer(args.output, &answer.written(&id))?;
            Exit::Done
        };
        if let (Some(next), Exit::Done) = (&self.plan.next, exit) {
            printer.info(next);
        }
        Ok(exit)
    }

    /// Waits for CCM and answers; what is written is reported also where the wait breaks off.
    /// `written` is the change that can be taken back, and whether a tool may do that.
    fn wait(
        &self,
        begun: WrittenChange,
        written: Option<(&str, bool)>,
        args: &WriteArgs,
        answer: ChangeAnswer,
        printer: &mut Printer,
    ) -> Result<Exit, Error> {
        let is_guarded = written.is_some_and(|(_, is_guarded)| is_guarded);
        let end = self.wait_and_verify(begun, is_guarded, Patience::Short, args, printer);
        let end = end.and_then(|end| match end {
            WaitResult::Differs(how) => {
                self.recover(&how, written.map(|(id, _)| id), args, printer)
            }
            end => Ok(end),
        });
        match end {
            Ok(end) => {
                let answer = answer.ended(end.state(), end.is_verified(), end.message());
                printer.answer(args.output, &answer)?;
                Ok(end.exit())
            }
            Err(error) => {
                printer.answer(args.output, &answer)?;
                Err(error)
            }
        }
    }

    /// Prints a manifest with the changed annotations alone.
    pub fn print_patch(&self, printer: &mut Printer) -> Result<Exit, Error> {
        let manifest = change::manifest(self.service_ref.service, &self.plan.edits);
        yaml::write(&manifest, printer.data())?;
        printer.flush()?;
        if self.plan.edits.iter().any(|edit| edit.new.is_none()) {
            printer.info(
                "null takes an annotation away with kubectl patch --type=merge --patch-file; \
                 in a repository, delete its line",
            );
        }
        Ok(Exit::Done)
    }

    /// The Service, as findings name it.
    pub fn object(&self) -> ObjectRef {
        self.service_ref.service.object_ref(self.service_ref.cluster.context.as_ref())
    }

    /// The snapshot after the change.
    fn changed_snapshot(&self) -> Snapshot {
        let meta = &self.service_ref.service.metadata;
        let mut snapshot = self.before.snapshot.clone();
        for edit in &self.plan.edits {
            let new = edit.new.as_deref();
            snapshot = snapshot.with_annotation(
                self.service_ref.cluster_index,
                meta.namespace(),
                &meta.name,
                &edit.key,
                new,
            );
        }
        snapshot
    }

    /// Tools that may put its values back.
    pub fn managers(&self) -> Vec<GitOpsTool> {
        managers::gitops_tools(&self.present, &self.keys())
    }

    fn keys(&self) -> Vec<&str> {
        self.plan.edits.iter().map(|edit| edit.key.as_str()).collect()
    }
}
