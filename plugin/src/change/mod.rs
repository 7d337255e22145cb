//! A change of one Service: judged, confirmed, written under guard, and waited for.

mod confirm;
mod document;
mod judge;
mod managers;
mod wait;

use clbmigrate_cluster::live::{Connection, Present, WriteError, new_change};
use clbmigrate_core::{
    annotation,
    history::{self, Entry, History},
    object::Service,
    patch::AnnotationEdit,
    preview::{self, Preview},
    snapshot::World,
    survey::{Seat, Survey},
};

use self::{document::Report, judge::Judgement};
use crate::{
    cli::{ChangeFormat, DryRun, InputArgs, WriteArgs},
    error::{Error, Exit},
    input::{self, Intake},
    live::Live,
    output::Printer,
    selection::Selection,
    target,
};

pub use judge::Leniency;

/// How often the state is read anew where it changes while it is read.
const READS: usize = 3;

/// A change of one Service, made of its present state.
pub struct Plan {
    /// The command.
    pub verb: &'static str,
    /// What is written, but for the record.
    pub edits: Vec<AnnotationEdit>,
    /// The change that this one takes back.
    pub undoes: Option<String>,
    /// The change that this one is a step of.
    pub step_of: Option<String>,
    /// What is let through.
    pub leniency: Leniency,
    /// What to do afterwards.
    pub next: Option<String>,
}

/// Makes a plan of a Service's present state; `None` where there is nothing to do.
pub type Planner<'p> = &'p dyn Fn(&Present, &Service) -> Result<Option<Plan>, Error>;

/// Refuses flags that make no sense for a command that writes.
pub fn refuse_input(input: &InputArgs, verb: &str) -> Result<(), Error> {
    let why = if input.all_namespaces {
        "-A names no namespace to write in; give one with -n"
    } else if !input.files.is_empty() {
        "files cannot be changed; preview shows what a change would do to them"
    } else if input.selector.is_some() {
        "-l may match several Services; name one: kubectl clbmigrate status -l … -o name lists them"
    } else if input.contexts.len() > 1 {
        "it writes in one cluster; name it with --context"
    } else {
        return Ok(());
    };
    Err(Error::usage(format!("{verb}: {why}")))
}

/// Carries a change out, as far as the flags say.
pub fn carry_out(
    target: &str,
    plan: Planner<'_>,
    args: (&WriteArgs, &InputArgs),
    printer: &mut Printer,
) -> Result<Exit, Error> {
    let (write, input) = args;
    target::name_of(target)?;
    let mut live = Some(Live::open(input)?);
    for _ in 0..READS {
        let Some(open) = live.take() else { break };
        let intake = input::read_live(open, input, printer)?;
        let Intake { loaded, live: connected, namespace } = intake;
        let Some(connected) = connected else { break };
        let selection = Selection::new(input, namespace.as_deref());
        let before = Survey::new(&loaded.world);
        let seat = target::resolve(&before, target, &selection)?;
        let meta = &seat.service.metadata;
        let connection = connected.only()?;
        let present = connected.wait_for(connection.service(meta.namespace(), &meta.name))?;
        let present = present.filter(|present| is_same(present, seat.service));
        let Some(present) = present else {
            live = Some(connected);
            continue;
        };
        let Some(plan) = plan(&present, seat.service)? else {
            let object = seat.service.object_ref(seat.cluster.context.as_ref());
            return document::unchanged(&object, &present, write.output, printer);
        };
        let change = Change { live: &connected, connection, present, plan, before: &before, seat };
        return change.run(write, printer);
    }
    Err(Error::Conflict {
        message: format!("{target} changes faster than it can be read"),
        hints: vec!["see who edits it: kubectl get svc -o yaml --show-managed-fields".to_owned()],
    })
}

/// Whether what was listed is what is there.
fn is_same(present: &Present, listed: &Service) -> bool {
    present.service().is_ok_and(|now| {
        now.spec == listed.spec && now.metadata.annotations == listed.metadata.annotations
    })
}

/// A planned change with all it needs.
struct Change<'c> {
    live: &'c Live,
    connection: &'c Connection,
    present: Present,
    plan: Plan,
    before: &'c Survey<'c>,
    seat: Seat<'c>,
}

impl Change<'_> {
    fn run(&self, args: &WriteArgs, printer: &mut Printer) -> Result<Exit, Error> {
        let changed = self.changed_world();
        let after = Survey::new(&changed);
        let preview = preview::preview(self.before, &after);
        let judgement = Judgement::new(&preview, &after, &self.seat, self.plan.leniency);
        let managers = managers::of(&self.present, &self.keys());
        if args.output == ChangeFormat::Patch {
            document::patch(&self.seat, &self.plan.edits, printer)?;
            return judgement.refuse(args.force).map(|()| Exit::Done);
        }
        let is_asked = !args.yes && args.dry_run.is_none();
        if is_asked || args.dry_run == Some(DryRun::Client) {
            confirm::show(self, (self.before, &after), &preview, printer)?;
        } else {
            confirm::summary((self.before, &after), &preview, printer)?;
        }
        for warning in judgement.warnings() {
            printer.warning(&warning);
        }
        judgement.refuse(args.force)?;
        for manager in &managers {
            manager.warn(self.seat.service, printer);
        }
        let report = Report::new(self, &preview);
        match args.dry_run {
            Some(DryRun::Client) => return report.dry("client", args.output, printer),
            Some(DryRun::Server) => {
                let (edits, _) = self.with_history(args, printer);
                self.live.wait_for(self.connection.dry_run(&self.present, &edits))?;
                return report.dry("server", args.output, printer);
            }
            None => {}
        }
        if is_asked {
            confirm::ask(self, printer)?;
        }
        self.write(args, report, &managers, printer)
    }

    fn write(
        &self,
        args: &WriteArgs,
        report: Report,
        managers: &[managers::GitOps],
        printer: &mut Printer,
    ) -> Result<Exit, Error> {
        let (edits, id) = self.with_history(args, printer);
        let marks = if args.wait {
            Some(self.live.wait_for(self.connection.marks(&self.present))?)
        } else {
            None
        };
        let written = self.live.wait_for(self.connection.write(&self.present, &edits, &id));
        let written = written.map_err(|error| self.explain(error))?;
        if written.recovered {
            printer.remark("the answer to the write was lost; the change is there");
        }
        let report = report.written(&id);
        let exit = match marks {
            None => {
                report.show(args.output, printer)?;
                Exit::Done
            }
            Some(marks) => {
                let is_guarded = !managers.is_empty();
                let waiting = wait::Waiting::new(self, marks, edits, is_guarded);
                let end =
                    self.live.wait_for(waiting.run(args.timeout.0, &written.service, printer))?;
                let exit = end.exit();
                report.ended(&end).show(args.output, printer)?;
                exit
            }
        };
        if let (Some(next), Exit::Done) = (&self.plan.next, exit) {
            printer.remark(next);
        }
        Ok(exit)
    }

    /// The world after the change.
    fn changed_world(&self) -> World {
        let meta = &self.seat.service.metadata;
        let mut world = self.before.world.clone();
        for edit in &self.plan.edits {
            let new = edit.new.as_deref();
            world = world.with_annotation(
                self.seat.index,
                meta.namespace(),
                &meta.name,
                &edit.key,
                new,
            );
        }
        world
    }

    fn keys(&self) -> Vec<&str> {
        self.plan.edits.iter().map(|edit| edit.key.as_str()).collect()
    }

    /// The edits with the record of the change, and the change's id.
    fn with_history(
        &self,
        args: &WriteArgs,
        printer: &mut Printer,
    ) -> (Vec<AnnotationEdit>, String) {
        let old = self.present.annotation(history::KEY).map(str::to_owned);
        let known = self.present.history().unwrap_or_else(|error| {
            printer.warning(&format!(
                "{error}; it is begun anew, and was: {}",
                old.as_deref().unwrap_or_default()
            ));
            History::default()
        });
        let weight = self
            .plan
            .edits
            .iter()
            .find(|edit| annotation::suffix_of(&edit.key) == Some(annotation::WEIGHT));
        let others = self.plan.edits.iter().filter(|edit| Some(*edit) != weight);
        let present = || self.seat.service.metadata.annotations.find(annotation::WEIGHT);
        let unchanged = || present().map(|found| found.text.to_owned());
        let id = new_change();
        let entry = Entry {
            change: id.clone(),
            verb: self.plan.verb.to_owned(),
            when: self.present.now(),
            who: self.live.wait_for(self.connection.whoami()),
            from: weight.map_or_else(unchanged, |edit| edit.old.clone()),
            to: weight.map_or_else(unchanged, |edit| edit.new.clone()),
            reason: args.reason.clone(),
            undoes: self.plan.undoes.clone(),
            step_of: self.plan.step_of.clone(),
            annotations: others
                .map(|edit| {
                    let swap = history::Swap { from: edit.old.clone(), to: edit.new.clone() };
                    (edit.key.clone(), swap)
                })
                .collect(),
            more: std::collections::BTreeMap::new(),
        };
        let mut edits = self.plan.edits.clone();
        let new = Some(known.with(entry).to_text());
        edits.push(AnnotationEdit { key: history::KEY.to_owned(), old, new });
        (edits, id)
    }

    /// A write that failed, in words.
    fn explain(&self, error: WriteError) -> Error {
        match error {
            WriteError::Request(error) => error.into(),
            WriteError::Unknown(error) => {
                let hint = format!(
                    "look before anything else: kubectl clbmigrate status {}",
                    target::arguments(&self.seat)
                );
                live_error(error, "nobody knows whether the change was written").hint(hint).into()
            }
            WriteError::Conflict { key, now } => {
                let who = now.managers_of(&key).into_iter().next();
                let by = who.map(|manager| format!(" by {} at {}", manager.name, manager.time));
                let value = now
                    .annotation(&key)
                    .map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
                let last = now.history().ok().and_then(|history| {
                    let last = history.last()?;
                    let known = self.present.history().ok()?;
                    let is_new = !known.contains(&last.change);
                    is_new
                        .then(|| format!("change {} by {} at {}", last.change, last.who, last.when))
                });
                let what = if key == history::KEY {
                    "its record".to_owned()
                } else {
                    format!("{key} is {value} now")
                };
                let mut hints: Vec<String> = last.into_iter().collect();
                hints.push("nothing was written; look again, then repeat".to_owned());
                Error::Conflict {
                    message: format!(
                        "{}: somebody else was faster: {what}, changed{}",
                        self.seat.label(),
                        by.unwrap_or_default()
                    ),
                    hints,
                }
            }
        }
    }

    /// Whether any route is known for the change's Service.
    fn routes(preview: &Preview<'_>) -> String {
        let names = preview.routes.iter().map(|route| route.key.vgroup);
        names.collect::<Vec<_>>().join(", ")
    }
}

fn live_error(
    mut error: clbmigrate_cluster::live::Error,
    prefix: &str,
) -> clbmigrate_cluster::live::Error {
    error.message = format!("{prefix}: {}", error.message);
    error
}
