//! `attach`.

mod copy;
mod fitness;
mod missing;

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_core::{
    annotation,
    index::ServiceRef,
    object::{Annotations, Service},
    patch::{AnnotationEdit, ServiceEdit, TypeEdit},
};

use self::copy::Copy;
use crate::{
    change::{self, Intent, Leniency, PlanContext, ServiceIntent, SideIntent, WriteOptions},
    clb::{Routes, Scope},
    cli::AttachArgs,
    error::{Error, Exit},
    output::Printer,
    selection::Selection,
    session::Session,
    target,
};

/// The type of the Services that CCM takes.
const LOAD_BALANCER: &str = "LoadBalancer";

/// Joins a Service to a CLB and its groups, or makes a new one like it that is joined.
pub fn run(args: &AttachArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let routes = routes(args);
    let request = args.write.request(&args.access, &[])?;
    let options = WriteOptions {
        write: &args.write,
        input: &request,
        is_unverified: false,
        lever: None,
        scope: Scope::Groups(routes.clone()),
    };
    let name = target::parse_name(&args.target)?;
    if let Some(new) = &args.new_name {
        fitness::refuse_name(name, target::parse_name(new)?)?;
    }
    let mut ports = BTreeSet::new();
    if let Some(twice) = args.vgroup.iter().find(|of| !ports.insert(of.port)) {
        return Err(Error::usage(format!("--vgroup names port {} more than once", twice.port)));
    }
    let session = Session::open(&request)?;
    let plan = |plan_context: &PlanContext<'_>| plan(args, &session, plan_context);
    change::carry_out(&session, &plan, &options, printer)
}

/// The groups of the command line, which the CLB API is asked about.
fn routes(args: &AttachArgs) -> Routes {
    let mut ports: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    for of in &args.vgroup {
        ports.entry(of.group.clone()).or_default().insert(of.port);
    }
    Routes { clb: args.clb.clone(), ports }
}

fn plan(
    args: &AttachArgs,
    session: &Session,
    plan_context: &PlanContext<'_>,
) -> Result<Intent, Error> {
    let selection = Selection::new(plan_context.input, plan_context.namespaces);
    let service_ref = target::resolve_any(plan_context.index, &args.target, &selection)?;
    let snapshot = plan_context.index.snapshot;
    let wanted = Wanted::new(args);
    let mut intent = match &args.new_name {
        Some(new) => {
            let source = fitness::read(session, &service_ref)?;
            let copy = Copy::of(source.object(), target::parse_name(new)?);
            plan_new(args, &wanted, &service_ref, copy)?
        }
        None => plan_edit(args, &wanted, &service_ref)?,
    };
    if let Some(clb) = session.clb().client() {
        let about = (clb.region(), service_ref.service);
        intent.commands = missing::commands(&snapshot.clb_answers, &routes(args), about);
    }
    Ok(intent)
}

/// The annotations that a joined Service carries, by their suffixes.
struct Wanted {
    id: String,
    mapping: String,
}

impl Wanted {
    fn new(args: &AttachArgs) -> Self {
        let entries = args.vgroup.iter().map(|of| format!("{}:{}", of.group, of.port));
        Self { id: args.clb.clone(), mapping: entries.collect::<Vec<_>>().join(",") }
    }

    /// Whether a Service carries the CLB and the groups already.
    fn are_in(&self, annotations: &Annotations) -> bool {
        annotations.text(annotation::ID) == self.id
            && annotations.text(annotation::VGROUP_PORT) == self.mapping
    }

    /// The edits that join a Service at weight 0.
    fn edits(&self, annotations: &Annotations) -> Vec<AnnotationEdit> {
        let wanted = [
            (annotation::ID, self.id.as_str()),
            (annotation::VGROUP_PORT, self.mapping.as_str()),
            (annotation::WEIGHT, "0"),
        ];
        wanted.into_iter().map(|(suffix, value)| edit(annotations, suffix, value)).collect()
    }
}

fn edit(annotations: &Annotations, suffix: &str, value: &str) -> AnnotationEdit {
    let key = annotations.key_of(suffix);
    let old = annotations.get(&key).map(str::to_owned);
    AnnotationEdit { key, old, new: Some(value.to_owned()) }
}

/// Joins the Service itself.
fn plan_edit(
    args: &AttachArgs,
    wanted: &Wanted,
    service_ref: &ServiceRef<'_>,
) -> Result<Intent, Error> {
    let service = service_ref.service;
    let annotations = &service.metadata.annotations;
    if service.is_taken_by_ccm() && wanted.are_in(annotations) {
        // A weight that was set since is no reason to write: that would take its traffic away.
        let kept = [
            edit(annotations, annotation::ID, &wanted.id),
            edit(annotations, annotation::VGROUP_PORT, &wanted.mapping),
        ];
        let kept = intent(joining(service_ref, ServiceEdit::from(kept.to_vec())));
        let is_silent = annotations.text(annotation::WEIGHT) == "0";
        return Ok(Intent { next: kept.next.filter(|_| is_silent), ..kept });
    }
    fitness::refuse_unfit(args, service_ref)?;
    let edit = ServiceEdit {
        annotations: wanted.edits(annotations),
        service_type: (!service.is_load_balancer())
            .then(|| TypeEdit { old: service.spec.kind.clone(), new: LOAD_BALANCER.to_owned() }),
    };
    Ok(intent(joining(service_ref, edit)))
}

/// Makes a new Service that is joined.
fn plan_new(
    args: &AttachArgs,
    wanted: &Wanted,
    source: &ServiceRef<'_>,
    copy: Copy,
) -> Result<Intent, Error> {
    fitness::refuse_source(source)?;
    let Copy { manifest, left_out } = copy;
    let service: Service = serde_json::from_value(manifest.clone())
        .map_err(|error| Error::usage(format!("the new Service is malformed: {error}")))?;
    let meta = &service.metadata;
    if let Some(known) = source.cluster.service(meta.namespace(), &meta.name) {
        return Err(fitness::taken_name(args, source, known));
    }
    let of = ServiceIntent {
        cluster_index: source.cluster_index,
        namespace: meta.namespace().to_owned(),
        name: meta.name.clone(),
        edit: ServiceEdit {
            annotations: wanted.edits(&meta.annotations),
            service_type: Some(TypeEdit { old: None, new: LOAD_BALANCER.to_owned() }),
        },
        creates: Some(manifest),
        must_register: true,
    };
    let left_out = (!left_out.is_empty()).then(|| {
        format!(
            "the new Service goes without what svc/{} has: {}",
            source.service.metadata.name,
            left_out.join(", ")
        )
    });
    Ok(Intent { notes: left_out.into_iter().collect(), ..intent(of) })
}

/// An edit of a Service that is proven only where its groups hold its backends.
fn joining(service_ref: &ServiceRef<'_>, edit: ServiceEdit) -> ServiceIntent {
    ServiceIntent { must_register: true, ..ServiceIntent::new(service_ref, edit) }
}

fn intent(of: ServiceIntent) -> Intent {
    let next = format!("it carries no traffic yet: kubectl clbmigrate set svc/{} WEIGHT", of.name);
    Intent {
        title: format!("attach {}/{}", of.namespace, of.name),
        sides: vec![SideIntent::Service(of)],
        leniency: Leniency::Join,
        next: Some(next),
        ..Intent::new("attach")
    }
}
