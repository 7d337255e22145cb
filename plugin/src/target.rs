//! The Service a command is about.

use clbmigrate_core::survey::{Seat, Survey};

use crate::{error::Error, selection::Selection};

/// How many candidates a message lists.
const LISTED: usize = 10;

/// Reads `svc/NAME`, `service/NAME` or `NAME`.
pub fn name_of(text: &str) -> Result<&str, Error> {
    let name = match text.split_once('/') {
        None => text,
        Some(("svc" | "service" | "services", name)) => name,
        Some((kind, name)) => {
            return Err(Error::Usage {
                message: format!("{text:?}: {kind:?} is no kind this command knows"),
                hints: vec![format!("write svc/{name}, and -n NAMESPACE for a namespace")],
            });
        }
    };
    if name.is_empty() || name.contains('/') {
        return Err(Error::usage(format!("{text:?} names no Service; write svc/NAME")));
    }
    Ok(name)
}

/// Finds the one Service that `text` means.
pub fn resolve<'a>(
    survey: &Survey<'a>,
    text: &str,
    selection: &Selection<'_>,
) -> Result<Seat<'a>, Error> {
    let name = name_of(text)?;
    let mut found = all(survey).filter(|seat| {
        seat.service.metadata.name == name && selection.takes(seat.cluster, seat.service)
    });
    let Some(first) = found.next() else { return Err(not_found(survey, name, selection)) };
    let mut others: Vec<Seat<'a>> = found.collect();
    if others.is_empty() {
        return if first.service.is_taken_by_ccm() { Ok(first) } else { Err(not_ours(&first)) };
    }
    others.insert(0, first);
    // A headless or internal Service of the same name is not meant.
    let taken: Vec<&Seat<'a>> =
        others.iter().filter(|seat| seat.service.is_taken_by_ccm()).collect();
    match taken.as_slice() {
        [one] => Ok(**one),
        [] => Err(not_ours(&first)),
        many => Err(ambiguous(name, many)),
    }
}

/// Every Service, whether CCM takes it or not.
fn all<'a>(survey: &Survey<'a>) -> impl Iterator<Item = Seat<'a>> {
    let clusters = survey.world.clusters.iter().enumerate();
    clusters.flat_map(|(index, cluster)| {
        cluster.services().map(move |service| Seat { index, cluster, service })
    })
}

fn not_ours(seat: &Seat<'_>) -> Error {
    let why = if seat.service.is_load_balancer() {
        "it names another controller (loadBalancerClass or annotation), so".to_owned()
    } else {
        format!("it is of type {},", seat.service.spec.kind.as_deref().unwrap_or("ClusterIP"))
    };
    let message = format!("Service {}: {why} CCM does not look at its annotations", seat.label());
    Error::NotFound { message, hints: Vec::new() }
}

fn not_found(survey: &Survey<'_>, name: &str, selection: &Selection<'_>) -> Error {
    let elsewhere: Vec<Seat<'_>> =
        all(survey).filter(|seat| seat.service.metadata.name == name).collect();
    let message = format!("no Service {name:?}{}", selection.describe());
    let (title, mut candidates): (&str, Vec<Seat<'_>>) = if elsewhere.is_empty() {
        ("there is", survey.seats().filter(|s| selection.takes(s.cluster, s.service)).collect())
    } else {
        ("of that name there is", elsewhere)
    };
    let left_out = candidates.len().saturating_sub(LISTED);
    candidates.truncate(LISTED);
    let mut hints: Vec<String> =
        candidates.iter().map(|seat| format!("{title} {}", arguments(seat))).collect();
    if left_out > 0 {
        hints.push(format!("and {left_out} more"));
    }
    if hints.is_empty() {
        hints.push("there is no Service that CCM takes at all".to_owned());
    }
    Error::NotFound { message, hints }
}

fn ambiguous(name: &str, seats: &[&Seat<'_>]) -> Error {
    let mut hints: Vec<String> =
        seats.iter().take(LISTED).map(|seat| format!("give {}", arguments(seat))).collect();
    if seats.len() > LISTED {
        hints.push(format!("and {} more", seats.len() - LISTED));
    }
    Error::Usage {
        message: format!("{name:?} is ambiguous: {} Services have that name", seats.len()),
        hints,
    }
}

/// What to type for a Service.
pub fn arguments(seat: &Seat<'_>) -> String {
    format!("svc/{} {}", seat.service.metadata.name, place(seat))
}

/// What to type for a Service's namespace and cluster.
pub fn place(seat: &Seat<'_>) -> String {
    let context = seat.cluster.context.as_ref().map(|c| format!(" --context {c}"));
    format!("-n {}{}", seat.service.metadata.namespace(), context.unwrap_or_default())
}
