//! Which Services can be joined, and which names a new one can have.

use clbmigrate_cluster::live::LiveService;
use clbmigrate_core::{annotation, index::ServiceRef, object::Service};

use crate::{cli::AttachArgs, error::Error, session::Session, target};

/// The most characters that a Service's name has (DNS label, RFC 1035).
const LONGEST_NAME: usize = 63;

/// Reads the whole object of a Service.
///
/// # Errors
/// Where it is gone, or cannot be read.
pub(super) fn read(session: &Session, service_ref: &ServiceRef<'_>) -> Result<LiveService, Error> {
    let meta = &service_ref.service.metadata;
    let gone = || Error::NotFound {
        message: format!("Service {} is gone", service_ref.label()),
        hints: vec!["nothing was written".to_owned()],
    };
    let connection = session.connections().iter();
    let connection = connection.into_iter().find(|of| of.context == service_ref.cluster.context);
    let connection = connection.ok_or_else(gone)?;
    session.block_on(connection.service(meta.namespace(), &meta.name))?.ok_or_else(gone)
}

/// Refuses a name that no new Service can have.
///
/// # Errors
/// A usage error.
pub(super) fn refuse_name(source: &str, new: &str) -> Result<(), Error> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = new.len() <= LONGEST_NAME
        && new.starts_with(|c: char| c.is_ascii_lowercase())
        && !new.ends_with('-')
        && new.chars().all(is_plain);
    if !is_label {
        return Err(Error::usage(format!(
            "--as {new:?}: a Service's name has lower-case letters, digits and dashes, begins with a letter, does not end with a dash, and has {LONGEST_NAME} characters at the most"
        )));
    }
    if source == new {
        return Err(Error::usage(format!(
            "--as {new}: the new Service needs another name than the old one"
        )));
    }
    Ok(())
}

/// The error about a new name that a Service has already.
pub(super) fn taken_name(args: &AttachArgs, source: &ServiceRef<'_>, known: &Service) -> Error {
    let meta = &known.metadata;
    let hint = format!(
        "give another name, or join the one that is there: {}",
        command_line(args, source, &meta.name)
    );
    Error::Conflict {
        message: format!(
            "--as {}: Service {}/{} is there already",
            meta.name,
            meta.namespace(),
            meta.name
        ),
        hints: vec![hint, "nothing was written".to_owned()],
    }
}

/// Refuses a Service that no new one can be made like.
///
/// # Errors
/// With the reason, and what to do.
pub(super) fn refuse_source(source: &ServiceRef<'_>) -> Result<(), Error> {
    refuse_external_name(source)?;
    if source.service.spec.selector.is_empty() {
        return Err(refused(
            source,
            "it has no selector: its endpoints are made by hand, and a new Service would have none",
            "make the new Service and its EndpointSlices by hand, of type ClusterIP, then attach it",
        ));
    }
    Ok(())
}

/// Refuses a Service that cannot be joined itself.
///
/// # Errors
/// With the reason, and what to do.
pub(super) fn refuse_unfit(args: &AttachArgs, service_ref: &ServiceRef<'_>) -> Result<(), Error> {
    let service = service_ref.service;
    let annotations = &service.metadata.annotations;
    refuse_external_name(service_ref)?;
    let new = format!(
        "make a new Service with the same selector, and leave this one as it is: {} --as NAME",
        command_line(args, service_ref, &service.metadata.name)
    );
    let refused = |why: &str| Err(refused(service_ref, why, &new));
    if service.metadata.deletion_timestamp.is_some() {
        return refused("it is being deleted");
    }
    if service.spec.is_headless {
        return refused(
            "it is headless (clusterIP: None), and stays so: its type cannot become LoadBalancer",
        );
    }
    if let Some(class) = &service.spec.load_balancer_class {
        return refused(&format!(
            "its loadBalancerClass {class:?} names another controller, and cannot be changed as long as it is of type LoadBalancer"
        ));
    }
    // Whoever reads these serves the Service now, and would lose it.
    if let Some(class) = annotations.get(annotation::CLASS).filter(|class| !class.is_empty()) {
        return refused(&format!(
            "its annotation {} {class:?} gives it to another controller, which would lose it",
            annotation::CLASS
        ));
    }
    if annotations.get(annotation::TUNNEL_TYPE).is_some() {
        return refused(&format!(
            "its annotation {} gives it to another controller, which would lose it",
            annotation::TUNNEL_TYPE
        ));
    }
    if !service.is_load_balancer() {
        // CCM takes away first what it made for the Service as it was.
        return if service.has_finalizer() {
            refused(
                "CCM has not let go of the CLB that it had before: it still has CCM's finalizer",
            )
        } else {
            Ok(())
        };
    }
    let carried = [annotation::ID, annotation::VGROUP_PORT];
    if let Some(suffix) = carried.into_iter().find(|suffix| !annotations.text(suffix).is_empty()) {
        return Err(Error::Refused {
            message: format!(
                "svc/{} has {} already",
                service.metadata.name,
                annotations.key_of(suffix)
            ),
            hints: vec![
                "a Service is moved to another CLB or group in steps: kubectl clbmigrate explain CLB405 CLB406".to_owned(),
            ],
        });
    }
    let addresses = addresses(service);
    if !addresses.is_empty() {
        return refused(&format!(
            "it has the address {} of another CLB already; CCM would refuse the change and freeze the Service",
            addresses.join(", ")
        ));
    }
    // CCM makes a CLB for a Service of this type within a second (CCM 2.14). Its id would be lost.
    if service.has_finalizer() || service.metadata.labels.contains_key(annotation::CLB_LABEL) {
        return refused("CCM has begun to make a CLB for it already, which nobody would delete");
    }
    Ok(())
}

fn refuse_external_name(service_ref: &ServiceRef<'_>) -> Result<(), Error> {
    if service_ref.service.spec.kind.as_deref() != Some("ExternalName") {
        return Ok(());
    }
    Err(refused(
        service_ref,
        "it is of type ExternalName: it only names a host, and has no backends that CCM could register",
        "make a Service of type ClusterIP with a selector for the Pods, then attach it",
    ))
}

fn addresses(service: &Service) -> Vec<&str> {
    let ingress = service.status.load_balancer.ingress.iter();
    ingress
        .map(|of| if of.ip.is_empty() { of.hostname.as_str() } else { of.ip.as_str() })
        .filter(|address| !address.is_empty())
        .collect()
}

fn refused(service_ref: &ServiceRef<'_>, why: &str, hint: &str) -> Error {
    Error::Refused {
        message: format!("svc/{} cannot be joined: {why}", service_ref.service.metadata.name),
        hints: vec![hint.to_owned(), "nothing was written".to_owned()],
    }
}

/// The command line that joins a Service of that name.
fn command_line(args: &AttachArgs, service_ref: &ServiceRef<'_>, name: &str) -> String {
    let groups = args.vgroup.iter().map(|of| format!(" --vgroup {}:{}", of.group, of.port));
    format!(
        "kubectl clbmigrate attach svc/{name} {} --clb {}{}",
        target::location_flags(service_ref),
        args.clb,
        groups.collect::<String>()
    )
}
