//! `set`.

use std::collections::BTreeSet;

use clbmigrate_core::{
    annotation,
    prediction::Prediction,
    route::{ParticipantKind, Route},
    transfer::{Part, Server, Servers, Whole},
};

use crate::{
    change::{self, Intent, Leniency, PlanContext, SideIntent, WriteOptions, weight_edit},
    clb::Scope,
    cli::SetArgs,
    error::{Error, Exit},
    output::Printer,
    selection::Selection,
    session::Session,
    target,
};

/// What stands for no weight at all.
const NONE: &str = "none";

/// Changes a weight.
pub fn run(args: &SetArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let is_brake = args.weight.as_deref() == Some("0");
    let request = args.write.request(&args.access, &[])?;
    let options = WriteOptions {
        write: &args.write,
        input: &request,
        is_unverified: false,
        lever: is_brake.then_some(args.target.as_str()),
        scope: Scope::service(target::parse_name(&args.target)?),
    };
    if args.weight.as_deref() == Some(NONE) {
        return Err(Error::Usage {
            message: "set takes a weight; without the annotation every backend gets 100, which is a surge".to_owned(),
            hints: vec![format!("see it: kubectl clbmigrate preview {} none", args.target)],
        });
    }
    let session = Session::open(&request)?;
    let plan = |plan_context: &PlanContext<'_>| match &args.weight {
        Some(weight) => plan_weight(args, weight, plan_context),
        None => plan_servers(args, plan_context),
    };
    change::carry_out(&session, &plan, &options, printer)
}

fn plan_weight(
    args: &SetArgs,
    weight: &str,
    plan_context: &PlanContext<'_>,
) -> Result<Intent, Error> {
    let selection = Selection::new(plan_context.input, plan_context.namespaces);
    let service_ref = target::resolve(plan_context.index, &args.target, &selection)?;
    let service = service_ref.service;
    let annotations = &service.metadata.annotations;
    let old = annotations.get(&annotations.key_of(annotation::WEIGHT)).map(str::to_owned);
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
    let edit = weight_edit(service, old, Some(weight.to_owned()));
    let leniency = if weight == "0" { Leniency::Zero } else { Leniency::None };
    Ok(Intent { leniency, ..Intent::of_one("set", &service_ref, edit) })
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
    let sides = parts.iter().map(|part| SideIntent::of(part, plan_context.index));
    Ok(Intent {
        title: format!("weights of servers outside in the groups of {}", service_ref.label()),
        sides: sides.collect::<Result<_, Error>>()?,
        whole: Some(Whole { parts }),
        leniency: Leniency::Zero,
        remarks: back.into_iter().collect(),
        ..Intent::new("set")
    })
}
