//! `shift`.

mod goals;
mod sides;

use clbmigrate_core::{
    solver::{self, Unsolvable},
    transfer::{Part, Whole, half_done},
};

use self::{
    goals::Goals,
    sides::{ResolvedSide, ResolvedSides},
};
use super::left_out;
use crate::{
    change::{self, Intent, PlanContext, SideIntent, WriteOptions},
    clb::Scope,
    cli::{Share, ShiftArgs, ShiftSide},
    error::{Error, Exit},
    output::Printer,
    request::Request,
    session::Session,
    target,
};

/// Moves traffic from one side to another.
pub fn run(args: &ShiftArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let request = args.write.request(&args.access, &args.contexts)?;
    let options = WriteOptions {
        write: &args.write,
        input: &request,
        is_unverified: args.unverified,
        lever: None,
        scope: scope(args)?,
    };
    let (Some(from), Some(to), Some(share)) = (&args.from, &args.to, args.share) else {
        let plan = |plan_context: &PlanContext<'_>| finish(&args.target, plan_context);
        return change::carry_out(&Session::open(&request)?, &plan, &options, printer);
    };
    let input =
        Request { contexts: contexts(from, to, &request)?, context: None, ..request.clone() };
    let options = WriteOptions { input: &input, ..options };
    let plan =
        |plan_context: &PlanContext<'_>| intent(&args.target, (from, to), share, plan_context);
    change::carry_out(&Session::open(&input)?, &plan, &options, printer)
}

/// What the CLB API is asked about: the routes of the Services on both sides.
fn scope(args: &ShiftArgs) -> Result<Scope, Error> {
    let sides = [&args.from, &args.to].into_iter().flatten();
    let named = sides.filter_map(|side| match side {
        ShiftSide::Context { service, .. } => service.as_ref(),
        ShiftSide::External(_) => None,
    });
    Ok(Scope::shift(target::parse_name(&args.target)?, named))
}

/// The contexts to look at: those of the sides, and those that are named besides.
fn contexts(from: &ShiftSide, to: &ShiftSide, input: &Request) -> Result<Vec<String>, Error> {
    let mut contexts = input.contexts.clone();
    contexts.extend(input.context.clone());
    for side in [from, to] {
        if let Some(context) = side.context()
            && !contexts.iter().any(|known| known == context)
        {
            contexts.push(context.to_owned());
        }
    }
    if from.context().is_none() && to.context().is_none() {
        return Err(Error::Usage {
            message: "shift: one side is a context".to_owned(),
            hints: vec![
                "between servers outside: kubectl clbmigrate set svc/NAME --external ID=WEIGHT,ID=WEIGHT".to_owned(),
            ],
        });
    }
    Ok(contexts)
}

/// The weights that bring the share about.
fn intent(
    target: &str,
    sides: (&ShiftSide, &ShiftSide),
    share: Share,
    plan_context: &PlanContext<'_>,
) -> Result<Intent, Error> {
    let pair = ResolvedSides::resolve(target, sides, plan_context)?;
    let goals = Goals::new(&pair, plan_context)?;
    let solution =
        solver::solve(&goals.for_solver, share.0).map_err(|error| unsolvable(error, &pair))?;
    let (from, to) = sides;
    let mut remarks = Vec::new();
    for (route, reached) in goals.names.iter().zip(&solution.routes) {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let [low, high] = reached.range;
        let far = if reached.distance > solver::TOLERANCE + 1e-9 {
            format!(" instead of {share}: the nearest that whole weights allow")
        } else {
            String::new()
        };
        remarks.push(format!(
            "{route}: {to} gets {}{far}; with one backend less or more {} to {}",
            percent(reached.share),
            percent(low),
            percent(high)
        ));
    }
    let mut parts = Vec::new();
    for (place, weight, is_to) in
        [(&pair.to, solution.to, true), (&pair.from, solution.from, false)]
    {
        match (place, weight) {
            (ResolvedSide::Service(service_ref), Some(weight)) => {
                let part = goals::service_part(service_ref, weight);
                parts.extend(part.map(|part| part.weighed(plan_context.index)));
            }
            _ => parts.extend(goals.server_parts(&solution, is_to)),
        }
    }
    // Who gains comes first, and of two that do, the one that is to have more.
    parts.sort_by_key(|part| !part.is_raise());
    let sides = parts.iter().map(|part| SideIntent::of(part, plan_context.index));
    Ok(Intent {
        title: format!("{share} of {} to {to}, from {from}", pair.label()),
        sides: sides.collect::<Result<_, Error>>()?,
        whole: Some(Whole { parts }),
        remarks,
        against: goals.against,
        ..Intent::new("shift")
    })
}

fn unsolvable(error: Unsolvable, pair: &ResolvedSides<'_>) -> Error {
    let hint = match error {
        Unsolvable::NoBackends => "see who has none: kubectl clbmigrate status -o wide",
        Unsolvable::Others { .. } => "move others' traffic, too: name them as --from",
        Unsolvable::Share | Unsolvable::NoRoute => "see the routes: kubectl clbmigrate status",
    };
    Error::Refused {
        message: format!("refused: {}: {error}", pair.label()),
        hints: vec![hint.to_owned(), "nothing was written".to_owned()],
    }
}

/// What is missing of a change that ended half-way.
fn finish(target: &str, plan_context: &PlanContext<'_>) -> Result<Intent, Error> {
    let name = target::parse_name(target)?;
    let is_it = |part: &Part| match part {
        Part::Service(of) => {
            let context = of.context.as_deref();
            of.name == name && plan_context.namespaces.includes(context, Some(&of.namespace))
        }
        Part::Servers(_) => false,
    };
    let mut found = half_done(plan_context.index.snapshot);
    found.retain(|half| half.whole.parts.iter().any(is_it));
    let [half] = found.as_slice() else {
        if found.is_empty() {
            let snapshot = plan_context.index.snapshot;
            left_out::refuse_last_of(snapshot, name, plan_context.namespaces)?;
        }
        let changes: Vec<String> = found.iter().map(|half| half.change.clone()).collect();
        return Err(Error::NotFound {
            message: if changes.is_empty() {
                format!("no change of svc/{name} is half done, as far as can be seen from here")
            } else {
                format!("more than one change of svc/{name} is half done: {}", changes.join(", "))
            },
            hints: vec![
                "name all clusters that it touched, and give credentials for the CLB API where servers outside are among it: --contexts A,B".to_owned(),
            ],
        });
    };
    let sides = half.parts(&half.missing).map(|part| SideIntent::of(part, plan_context.index));
    Ok(Intent {
        title: format!("the rest of change {} ({})", half.change, half.verb),
        sides: sides.collect::<Result<_, Error>>()?,
        whole: Some(half.whole.clone()),
        id: Some(half.change.clone()),
        undoes: half.undoes.clone(),
        ..Intent::new(if half.undoes.is_some() { "undo" } else { "shift" })
    })
}
