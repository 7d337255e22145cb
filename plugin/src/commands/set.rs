//! `set`.

use clbmigrate_core::{annotation, patch::AnnotationEdit};

use crate::{
    change::{self, Leniency, Plan},
    cli::SetArgs,
    error::{Error, Exit},
    output::Printer,
};

/// What stands for no weight at all.
const NONE: &str = "none";

/// Changes a weight.
pub fn run(args: &SetArgs, printer: &mut Printer) -> Result<Exit, Error> {
    change::refuse_input(&args.input, "set")?;
    if args.weight == NONE {
        return Err(Error::Usage {
            message: "set takes a weight; without the annotation every backend gets 100, which is a surge".to_owned(),
            hints: vec![format!("see it: kubectl clbmigrate preview {} none", args.target)],
        });
    }
    let plan = |present: &_, service: &_| plan(args, present, service);
    change::carry_out(&args.target, &plan, (&args.write, &args.input), printer)
}

fn plan(
    args: &SetArgs,
    _: &clbmigrate_cluster::live::Present,
    service: &clbmigrate_core::object::Service,
) -> Result<Option<Plan>, Error> {
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
    if old.as_deref() == Some(args.weight.as_str()) {
        return Ok(None);
    }
    let leniency = if args.weight == "0" { Leniency::Zero } else { Leniency::None };
    Ok(Some(Plan {
        verb: "set",
        edits: vec![AnnotationEdit { key, old, new: Some(args.weight.clone()) }],
        undoes: None,
        step_of: None,
        leniency,
        next: None,
    }))
}
