//! `set`.

use clbmigrate_core::{annotation, object::Service, patch::AnnotationEdit};

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
    change::refuse_flags((&args.write, &args.input), "set")?;
    if args.weight == NONE {
        return Err(Error::Usage {
            message: "set takes a weight; without the annotation every backend gets 100, which is a surge".to_owned(),
            hints: vec![format!("see it: kubectl clbmigrate preview {} none", args.target)],
        });
    }
    let plan = |_: &_, service: &_| plan(args, service);
    change::carry_out(&args.target, &plan, (&args.write, &args.input), printer)
}

fn plan(args: &SetArgs, service: &Service) -> Result<Plan, Error> {
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
    let leniency = if args.weight == "0" { Leniency::Zero } else { Leniency::None };
    Ok(Plan {
        verb: "set",
        edits: vec![AnnotationEdit { key, old, new: Some(args.weight.clone()) }],
        undoes: None,
        step_of: None,
        leniency,
        next: None,
    })
}
