//! `attach`.

use std::collections::BTreeSet;

use clbmigrate_core::{
    annotation,
    patch::{AnnotationEdit, ServiceEdit},
};

use crate::{
    change::{self, Intent, PlanContext, WriteOptions},
    cli::AttachArgs,
    error::{Error, Exit},
    output::Printer,
    selection::Selection,
    session::Session,
    target,
};

/// Joins a Service to a CLB and its groups.
pub fn run(args: &AttachArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let options =
        WriteOptions { write: &args.write, input: &args.input, is_unverified: false, lever: None };
    change::refuse_flags(&options, "attach")?;
    change::refuse_contexts(&options, "attach")?;
    target::parse_name(&args.target)?;
    let mut ports = BTreeSet::new();
    if let Some(twice) = args.vgroup.iter().find(|of| !ports.insert(of.port)) {
        return Err(Error::usage(format!("--vgroup names port {} more than once", twice.port)));
    }
    let session = Session::open(&args.input)?;
    let plan = |plan_context: &PlanContext<'_>| plan(args, plan_context);
    change::carry_out(&session, &plan, &options, printer)
}

fn plan(args: &AttachArgs, plan_context: &PlanContext<'_>) -> Result<Intent, Error> {
    let selection = Selection::new(plan_context.input, plan_context.namespaces);
    let service_ref = target::resolve(plan_context.index, &args.target, &selection)?;
    let service = service_ref.service;
    let meta = &service.metadata;
    let entries = args.vgroup.iter().map(|of| format!("{}:{}", of.group, of.port));
    let wanted = [
        (annotation::ID, args.clb.clone()),
        (annotation::VGROUP_PORT, entries.collect::<Vec<_>>().join(",")),
        (annotation::WEIGHT, "0".to_owned()),
    ];
    let [id, mapping, _] = &wanted;
    let is_joined = |(suffix, value): &(&str, String)| meta.annotations.text(suffix) == value;
    let edit = |(suffix, value): &(&str, String)| {
        let key = meta.annotations.key_of(suffix);
        let old = meta.annotations.get(&key).map(str::to_owned);
        AnnotationEdit { key, old, new: Some(value.clone()) }
    };
    let intent = |edits: Vec<AnnotationEdit>| Intent {
        next: Some(format!(
            "it carries no traffic yet: kubectl clbmigrate set svc/{} WEIGHT",
            meta.name
        )),
        ..Intent::of_one("attach", &service_ref, ServiceEdit::from(edits))
    };
    if is_joined(id) && is_joined(mapping) {
        // A weight that was set since is no reason to write: that would take its traffic away.
        return Ok(intent(vec![edit(id), edit(mapping)]));
    }
    if let Some((suffix, _)) =
        [id, mapping].into_iter().find(|(suffix, _)| !meta.annotations.text(suffix).is_empty())
    {
        return Err(refused(
            format!("svc/{} has {} already", meta.name, meta.annotations.key_of(suffix)),
            "a Service is moved to another CLB or group in steps: kubectl clbmigrate explain CLB405 CLB406",
        ));
    }
    let ingress = &service.status.load_balancer.ingress;
    let addresses: Vec<&str> = ingress
        .iter()
        .map(|of| if of.ip.is_empty() { of.hostname.as_str() } else { of.ip.as_str() })
        .filter(|address| !address.is_empty())
        .collect();
    if !addresses.is_empty() {
        return Err(refused(
            format!(
                "svc/{} has the address {} of another CLB already; CCM would refuse the change and freeze the Service",
                meta.name,
                addresses.join(", ")
            ),
            "make a new Service with the same selector, and attach that one",
        ));
    }
    Ok(intent(wanted.iter().map(edit).collect()))
}

fn refused(message: String, hint: &str) -> Error {
    Error::Refused { message, hints: vec![hint.to_owned()] }
}
