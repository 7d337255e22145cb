//! The Service that a command line names.

use clbmigrate_core::{
    annotation::edit_distance,
    index::{Index, ServiceRef},
    object::Service,
};

use crate::{error::Error, selection::Selection};

/// How many candidates a message lists.
const LISTED: usize = 10;

/// Takes the name out of `svc/NAME`, `service/NAME`, `services/NAME` or `NAME`.
///
/// # Errors
/// A usage error for another kind, and for a name that no Service can have.
pub fn parse_name(text: &str) -> Result<&str, Error> {
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

/// Finds the one selected Service that `text` names, whether CCM takes it or not.
///
/// # Errors
/// Where there is none, and where several are meant; hints list the candidates.
pub fn resolve_any<'a>(
    index: &Index<'a>,
    text: &str,
    selection: &Selection<'_>,
) -> Result<ServiceRef<'a>, Error> {
    let name = parse_name(text)?;
    let found: Vec<ServiceRef<'a>> = named(index, name, selection).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(not_found(index, name, selection)),
        many => Err(ambiguous(name, &many.iter().collect::<Vec<_>>())),
    }
}

/// Finds the one selected Service that `text` names. Where several have that name, the one that CCM
/// takes is meant.
///
/// # Errors
/// Where there is none, where CCM does not take it, or where several are meant; hints list the
/// candidates.
pub fn resolve<'a>(
    index: &Index<'a>,
    text: &str,
    selection: &Selection<'_>,
) -> Result<ServiceRef<'a>, Error> {
    let name = parse_name(text)?;
    let mut found = named(index, name, selection);
    let Some(first) = found.next() else { return Err(not_found(index, name, selection)) };
    let mut others: Vec<ServiceRef<'a>> = found.collect();
    if others.is_empty() {
        return if first.service.is_taken_by_ccm() {
            Ok(first)
        } else {
            Err(not_taken_by_ccm(&first))
        };
    }
    others.insert(0, first);
    // A headless or internal Service of the same name is not meant.
    let taken: Vec<&ServiceRef<'a>> =
        others.iter().filter(|service_ref| service_ref.service.is_taken_by_ccm()).collect();
    match taken.as_slice() {
        [one] => Ok(**one),
        [] => Err(not_taken_by_ccm(&first)),
        many => Err(ambiguous(name, many)),
    }
}

/// The selected Services of a name, whether CCM takes them or not.
fn named<'a>(
    index: &Index<'a>,
    name: &str,
    selection: &Selection<'_>,
) -> impl Iterator<Item = ServiceRef<'a>> {
    all_services(index).filter(move |service_ref| {
        service_ref.service.metadata.name == name
            && selection.includes(service_ref.cluster, service_ref.service)
    })
}

/// Every Service, whether CCM takes it or not.
pub fn all_services<'a>(index: &Index<'a>) -> impl Iterator<Item = ServiceRef<'a>> {
    let clusters = index.snapshot.clusters.iter().enumerate();
    clusters.flat_map(|(index, cluster)| {
        cluster.services().map(move |service| ServiceRef { cluster_index: index, cluster, service })
    })
}

/// Why CCM does not take a Service.
pub fn why_not_taken(service: &Service) -> String {
    let why = if service.is_load_balancer() {
        "it names another controller (loadBalancerClass or annotation), so".to_owned()
    } else {
        format!("it is of type {},", service.spec.kind.as_deref().unwrap_or("ClusterIP"))
    };
    format!("{why} CCM does not look at its annotations")
}

fn not_taken_by_ccm(service_ref: &ServiceRef<'_>) -> Error {
    let why = why_not_taken(service_ref.service);
    let message = format!("Service {}: {why}", service_ref.label());
    let hint = if service_ref.service.is_load_balancer() {
        "take the loadBalancerClass or the annotation away, and CCM reads its weight"
    } else {
        "set type: LoadBalancer, and CCM reads its weight"
    };
    // A weight would have no effect.
    Error::Refused { message, hints: vec![hint.to_owned()] }
}

/// That there is no selected Service of a name, whether CCM takes it or not; `None` where there is one.
/// Hints name those that are meant perhaps.
pub fn missing(index: &Index<'_>, name: &str, selection: &Selection<'_>) -> Option<Error> {
    let selection = selection.of_any_name();
    if named(index, name, &selection).next().is_some() {
        return None;
    }
    let message = match selection.namespace() {
        Some(namespace) => format!("Service {namespace}/{name} not found"),
        None => format!("Service {name} not found{}", selection.describe()),
    };
    let elsewhere: Vec<ServiceRef<'_>> = all_services(index)
        .filter(|service_ref| service_ref.service.metadata.name == name)
        .collect();
    let (title, candidates) = if elsewhere.is_empty() {
        ("there is", near_names(index, name, &selection))
    } else {
        ("of that name there is", elsewhere)
    };
    Some(Error::NotFound { message, hints: listed(title, &candidates) })
}

/// The selected Services whose names are that one with a slip of the pen or two, nearest first.
fn near_names<'a>(index: &Index<'a>, name: &str, selection: &Selection<'_>) -> Vec<ServiceRef<'a>> {
    let selected = all_services(index).filter(|of| selection.includes(of.cluster, of.service));
    let near = selected.filter_map(|of| {
        let other = &of.service.metadata.name;
        let slips = edit_distance(other, name);
        // Of a short name, two letters are too much of it.
        let is_near = slips <= if name.chars().count() < 4 { 1 } else { 2 };
        (is_near || other.contains(name) || name.contains(other.as_str())).then_some((slips, of))
    });
    let mut near: Vec<(usize, ServiceRef<'a>)> = near.collect();
    near.sort_by_key(|(slips, _)| *slips);
    near.into_iter().map(|(_, of)| of).collect()
}

/// A line for each of the first candidates, and one for how many more there are.
fn listed(title: &str, candidates: &[ServiceRef<'_>]) -> Vec<String> {
    let lines = candidates.iter().take(LISTED);
    let mut lines: Vec<String> =
        lines.map(|service_ref| format!("{title} {}", arguments_for(service_ref))).collect();
    if candidates.len() > LISTED {
        lines.push(format!("and {} more", candidates.len() - LISTED));
    }
    lines
}

fn not_found(index: &Index<'_>, name: &str, selection: &Selection<'_>) -> Error {
    let elsewhere: Vec<ServiceRef<'_>> = all_services(index)
        .filter(|service_ref| service_ref.service.metadata.name == name)
        .collect();
    let message = format!("no Service {name:?}{}", selection.describe());
    let (title, candidates): (&str, Vec<ServiceRef<'_>>) = if elsewhere.is_empty() {
        (
            "there is",
            index.services().filter(|s| selection.includes(s.cluster, s.service)).collect(),
        )
    } else {
        ("of that name there is", elsewhere)
    };
    let mut hints = listed(title, &candidates);
    if hints.is_empty() {
        hints.push("there is no Service that CCM takes at all".to_owned());
    }
    Error::NotFound { message, hints }
}

fn ambiguous(name: &str, service_refs: &[&ServiceRef<'_>]) -> Error {
    let mut hints: Vec<String> = service_refs
        .iter()
        .take(LISTED)
        .map(|service_ref| format!("give {}", arguments_for(service_ref)))
        .collect();
    if service_refs.len() > LISTED {
        hints.push(format!("and {} more", service_refs.len() - LISTED));
    }
    Error::Usage {
        message: format!("{name:?} is ambiguous: {} Services have that name", service_refs.len()),
        hints,
    }
}

/// The words of a command line that name a Service: `svc/web -n shop --context a`.
pub fn arguments_for(service_ref: &ServiceRef<'_>) -> String {
    format!("svc/{} {}", service_ref.service.metadata.name, location_flags(service_ref))
}

/// The flags that name a Service's namespace and cluster: `-n shop --context a`.
pub fn location_flags(service_ref: &ServiceRef<'_>) -> String {
    let context = service_ref.cluster.context.as_ref().map(|c| format!(" --context {c}"));
    format!("-n {}{}", service_ref.service.metadata.namespace(), context.unwrap_or_default())
}
