//! `attach`.

use std::collections::BTreeSet;

use clbmigrate_cluster::live::LiveService;
use clbmigrate_core::{annotation, object::Service, patch::AnnotationEdit};

use crate::{
    change::{self, Leniency, Plan},
    cli::AttachArgs,
    error::{Error, Exit},
    output::Printer,
};

/// Joins a Service to a CLB and its groups.
pub fn run(args: &AttachArgs, printer: &mut Printer) -> Result<Exit, Error> {
    change::refuse_flags((&args.write, &args.input), "attach")?;
    let mut ports = BTreeSet::new();
    if let Some(twice) = args.vgroup.iter().find(|of| !ports.insert(of.port)) {
        return Err(Error::usage(format!("--vgroup names port {} more than once", twice.port)));
    }
    let plan = |present: &_, service: &_| plan(args, present, service);
    change::carry_out(&args.target, &plan, (&args.write, &args.input), printer)
}

fn plan(args: &AttachArgs, present: &LiveService, service: &Service) -> Result<Plan, Error> {
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
    let plan = Plan {
        verb: "attach",
        edits: wanted.iter().map(edit).collect(),
        undoes: None,
        step_of: None,
        whole: None,
        leniency: Leniency::None,
        next: Some(format!(
            "it carries no traffic yet: kubectl clbmigrate set svc/{} WEIGHT",
            meta.name
        )),
    };
    if is_joined(id) && is_joined(mapping) {
        // A weight that was set since is no reason to write: that would take its traffic away.
        return Ok(Plan { edits: vec![edit(id), edit(mapping)], ..plan });
    }
    if let Some((suffix, _)) =
        [id, mapping].into_iter().find(|(suffix, _)| !meta.annotations.text(suffix).is_empty())
    {
        return Err(refused(
            format!("svc/{} has {} already", meta.name, meta.annotations.key_of(suffix)),
            "a Service is moved to another CLB or group in steps: kubectl clbmigrate explain CLB405 CLB406",
        ));
    }
    let addresses = present.addresses();
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
    Ok(plan)
}

fn refused(message: String, hint: &str) -> Error {
    Error::Refused { message, hints: vec![hint.to_owned()] }
}
