//! A change of several sides: Services of one or more clusters, and servers outside of them. Shown,
//! confirmed, tried out, then written side by side under [`Course`]'s order, and taken back where it
//! fails.

mod build;
mod preflight;
mod report;
mod run;
mod servers;
mod service;
mod shares;
mod stop;
mod words;

use clbmigrate_core::{
    index::Index,
    preview,
    route::RouteKey,
    transfer::{Course, Whole},
};

pub use self::words::half_done_in_words;
use self::{
    build::{Built, Hand},
    report::Report,
};
use crate::{
    change::{self, Judgement, Leniency},
    cli::{ChangeFormat, DryRun, InputArgs, WriteArgs},
    error::{Error, Exit},
    input::{self, Intake},
    live::Live,
    output::{Printer, human},
    preview_document,
};

/// How it is written.
pub struct Means<'a> {
    /// The flags of all commands that write.
    pub write: &'a WriteArgs,
    /// Whether CCM's word is enough.
    pub is_unverified: bool,
}

/// Everything as it was read.
pub struct Scene<'s> {
    /// The clusters and the CLB's answers.
    pub index: &'s Index<'s>,
    /// The namespace to look at.
    pub namespace: Option<&'s str>,
    /// What the flags select.
    pub input: &'s InputArgs,
}

/// What is to be done.
pub struct Intent {
    /// The command.
    pub verb: &'static str,
    /// In a line: `20 % of shop/web to b, from a`.
    pub title: String,
    /// The parts to write.
    pub parts: Whole,
    /// What the record says of the whole change: more than `parts` where some are written already.
    pub record: Whole,
    /// The change's id, where it has one already.
    pub id: Option<String>,
    /// The change that this one takes back.
    pub undoes: Option<String>,
    /// What is let through.
    pub leniency: Leniency,
    /// What is to be said of the routes besides their shares.
    pub remarks: Vec<String>,
    /// Reasons against it that `--force` overrides.
    pub against: Vec<String>,
}

/// Makes an intent of everything as it was read.
pub type Planner<'p> = &'p dyn Fn(&Scene<'_>) -> Result<Intent, Error>;

/// Refuses flags that make no sense for a change of several sides.
pub fn refuse_flags((write, input): (&WriteArgs, &InputArgs), verb: &str) -> Result<(), Error> {
    let one = InputArgs { contexts: Vec::new(), ..input.clone() };
    change::refuse_flags((write, &one), verb)
}

/// Carries a change out, as far as the flags say. `contexts` are all that it touches.
pub fn carry_out(
    plan: Planner<'_>,
    means: &Means<'_>,
    input: &InputArgs,
    printer: &mut Printer,
) -> Result<Exit, Error> {
    let overlay = change::evidence(input)?;
    let mut live = Some(Live::open(input)?);
    for _ in 0..change::READS {
        let Some(open) = live.take() else { break };
        let intake = input::read_live(open, input, overlay.as_ref(), printer)?;
        let Intake { loaded, live: connected, namespace } = intake;
        let Some(connected) = connected else { break };
        if loaded.snapshot.clusters.len() < input.contexts.len() {
            // What could not be read was said already.
            return Err(Error::NotFound {
                message: "not all clusters of the change could be read".to_owned(),
                hints: vec!["nothing was written".to_owned()],
            });
        }
        let before = Index::new(&loaded.snapshot);
        let scene = Scene { index: &before, namespace: namespace.as_deref(), input };
        let intent = plan(&scene)?;
        match Built::new(&intent, &connected, &before)? {
            Some(built) => return Transfer { intent, built, means }.run(printer),
            None => live = Some(connected),
        }
    }
    Err(Error::Conflict {
        message: "the Services change faster than they can be read".to_owned(),
        hints: vec!["see who edits them: kubectl get svc -o yaml --show-managed-fields".to_owned()],
    })
}

/// A change with all it needs.
struct Transfer<'t> {
    intent: Intent,
    built: Built<'t>,
    means: &'t Means<'t>,
}

impl Transfer<'_> {
    fn run(mut self, printer: &mut Printer) -> Result<Exit, Error> {
        let write = self.means.write;
        if self.built.hands.is_empty() {
            return Report::unchanged(&self.intent).show(write.output, printer);
        }
        let after = Index::new(&self.built.after);
        let objects = self.built.looked_at();
        let preview = preview::preview_including(self.built.before, &after, &objects);
        let document = preview_document::new((self.built.before, &after), &preview);
        let report = Report::new(&self.intent, &self.built, &document);
        let is_patch = write.output == ChangeFormat::Patch;
        let is_asked = !write.yes && write.dry_run.is_none() && !is_patch;
        let look = printer.look;
        if !is_patch {
            report.announce(printer)?;
        }
        if is_asked || (write.dry_run == Some(DryRun::Client) && !is_patch) {
            let has_contexts = self.built.before.snapshot.clusters.len() > 1;
            let options = human::Options { is_wide: false, has_contexts };
            human::preview(&document, &objects, look, options, printer.talk())?;
        } else if !is_patch {
            human::preview_summary(&document, look, printer.talk())?;
        }
        let judgement =
            Judgement::new(&preview, &after, &self.built.service_refs(), self.intent.leniency);
        for warning in judgement.warnings() {
            printer.warning(&warning);
        }
        judgement.with(&self.intent.against).refuse(write.force)?;
        if is_patch {
            return self.built.print_patches(printer);
        }
        for hand in &self.built.hands {
            if let Hand::Service(of) = hand {
                let service = of.change.service_ref.service;
                of.change.managers().iter().for_each(|tool| tool.warn(service, printer));
            }
        }
        if write.dry_run == Some(DryRun::Client) {
            return report.dry("client").show(write.output, printer);
        }
        let is_way_back = self.intent.leniency == Leniency::Undo;
        preflight::check(&self.built, &document, self.means, is_way_back, printer)?;
        if write.dry_run == Some(DryRun::Server) {
            return report.dry("server").show(write.output, printer);
        }
        self.built.name_account(printer);
        if is_asked {
            self.confirm(printer)?;
        }
        self.carry(report, printer)
    }

    fn confirm(&self, printer: &mut Printer) -> Result<(), Error> {
        change::no_terminal(printer)?;
        for hand in &self.built.hands {
            if let Hand::Service(of) = hand {
                let connection = of.change.connection;
                let who = of.change.live.wait_for(connection.whoami());
                let context = connection.context.as_deref().unwrap_or("-");
                let (cluster, server) = (&connection.cluster, &connection.server);
                printer.remark(&format!("  {context}: cluster {cluster} ({server}), user {who}"));
            }
        }
        change::is_confirmed(printer)
    }

    fn carry(&mut self, report: Report, printer: &mut Printer) -> Result<Exit, Error> {
        let id = self.intent.id.clone().unwrap_or_else(clbmigrate_cluster::live::new_change_id);
        let raises = self.built.hands.iter().map(Hand::is_raise).collect();
        let ran = run::run(Course::new(raises), &id, &mut self.built, self.means, printer)?;
        if let run::Ran { error: Some(error), is_untouched: true, .. } = ran {
            return Err(error);
        }
        report.ended(&id, &ran, &self.built).show(self.means.write.output, printer)
    }
}

/// What names a route in a line.
pub fn route_name(key: &RouteKey<'_>) -> String {
    let port = key.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}/{}{port}", key.clb, key.vgroup)
}
