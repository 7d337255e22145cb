//! `set`.

use std::collections::BTreeSet;

use clbmigrate_core::{
    annotation,
    object::Service,
    patch::AnnotationEdit,
    prediction::Prediction,
    route::{ParticipantKind, Route},
    transfer::{Part, Server, Servers, Whole},
};

use crate::{
    change::{self, Leniency, Plan},
    cli::SetArgs,
    error::{Error, Exit},
    output::Printer,
    selection::Selection,
    target,
    transfer::{self, Intent, PlanContext, WriteOptions},
};

/// What stands for no weight at all.
const NONE: &str = "none";

/// Changes a weight.
pub fn run(args: &SetArgs, printer: &mut Printer) -> Result<Exit, Error> {
    change::refuse_flags((&args.write, &args.input), "set")?;
    let Some(weight) = &args.weight else {
        let options = WriteOptions { write: &args.write, is_unverified: false };
        let plan = |plan_context: &PlanContext<'_>| plan_servers(args, plan_context);
        return transfer::carry_out(&plan, &options, &args.input, printer);
    };
    if weight == NONE {
        return Err(Error::Usage {
            message: "set takes a weight; without the annotation every backend gets 100, which is a surge".to_owned(),
            hints: vec![format!("see it: kubectl clbmigrate preview {} none", args.target)],
        });
    }
    let plan = |_: &_, service: &_| plan(args, weight, service);
    change::carry_out(&args.target, &plan, (&args.write, &args.input), printer)
}

fn plan(args: &SetArgs, weight: &str, service: &Service) -> Result<Plan, Error> {
    let annotations = &service.metadata.annotations;
    let key = annotations.key_of(annotation::WEIGHT);
    let old = annotations.get(&key).map(str::to_owned);
    if let Some(expected) = &args.current_weight {
        let present = old.as_deref().unwrap_or(NONE);
        if present != expected {
            return Err(Error::Conflict {
                message: format!(
                    "the weight of svc/{} is {present}, not {expected}",
                    service.metadata.name
                ),
                hints: vec!["nothing was written; look again, then repeat".to_owned()],
            });
        }
    }
    let leniency = if weight == "0" { Leniency::Zero } else { Leniency::None };
    Ok(Plan {
        verb: "set",
        edits: vec![AnnotationEdit { key, old, new: Some(weight.to_owned()) }],
        undoes: None,
        step_of: None,
        whole: None,
        leniency,
        next: None,
    })
}

/// Other weights for servers outside, in every group of the Service that they are in.
fn plan_servers(args: &SetArgs, plan_context: &PlanContext<'_>) -> Result<Intent, Error> {
    let selection = Selection::new(plan_context.input, plan_context.namespaces);
    let service_ref = target::resolve(plan_context.index, &args.target, &selection)?;
    let mut groups: BTreeSet<&str> = BTreeSet::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut parts = Vec::new();
    for key in plan_context.index.routes_with(&service_ref) {
        if !groups.insert(key.vgroup) {
            continue;
        }
        let route = Route::build(plan_context.index, key, &Prediction::default());
        let mut servers = Vec::new();
        for backend in route.backends() {
            let owner = route.participants.get(backend.participant).map(|of| of.kind);
            let wanted = args.external.iter().find(|of| of.id == backend.id);
            if let (Some(ParticipantKind::External), Some(wanted)) = (owner, wanted) {
                known.insert(&wanted.id);
                servers.push(Server {
                    id: wanted.id.clone(),
                    port: backend.port,
                    from: backend.weight,
                    to: wanted.weight,
                });
            }
        }
        servers.retain(|server| server.from != server.to);
        if !servers.is_empty() {
            let (clb, vgroup) = (key.clb.to_owned(), key.vgroup.to_owned());
            parts.push(Part::Servers(Servers { clb, vgroup, servers }));
        }
    }
    let missing = args.external.iter().filter(|of| !known.contains(of.id.as_str()));
    let missing: Vec<&str> = missing.map(|of| of.id.as_str()).collect();
    if !missing.is_empty() {
        return Err(Error::NotFound {
            message: format!(
                "no server outside of clusters in the groups of {}: {}",
                service_ref.label(),
                missing.join(", ")
            ),
            hints: vec![
                "see who is: kubectl clbmigrate status, with the CLB API's credentials".to_owned(),
            ],
        });
    }
    let back = args.external.iter().filter_map(|of| {
        let mut servers = parts.iter().flat_map(|part| match part {
            Part::Servers(part) => part.servers.as_slice(),
            Part::Service(_) => &[],
        });
        servers.find(|server| server.id == of.id).map(|was| format!("{}={}", was.id, was.from))
    });
    let back: Vec<String> = back.collect();
    let back = (!back.is_empty()).then(|| {
        format!(
            "no Service keeps a record of this; back: kubectl clbmigrate set {} --external {}",
            target::arguments_for(&service_ref),
            back.join(",")
        )
    });
    let whole = Whole { parts };
    Ok(Intent {
        verb: "set",
        title: format!("weights of servers outside in the groups of {}", service_ref.label()),
        parts: whole.clone(),
        record: whole,
        id: None,
        undoes: None,
        leniency: Leniency::Zero,
        remarks: back.into_iter().collect(),
        against: Vec::new(),
    })
}
