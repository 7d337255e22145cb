//! Whom the sides of a shift mean.

use clbmigrate_core::index::ServiceRef;

use crate::{cli::Side, error::Error, selection::Selection, target, transfer::Scene};

/// A side as it was found.
pub enum Place<'a> {
    /// A Service.
    Service(ServiceRef<'a>),
    /// Servers outside: these ids, or all.
    Servers(Vec<String>),
}

/// Both sides.
pub struct Pair<'a> {
    /// Who gains.
    pub to: Place<'a>,
    /// Who loses.
    pub from: Place<'a>,
}

impl<'a> Pair<'a> {
    /// Finds both sides: the target in `to`, or in `from` if that is the only context; its
    /// counterpart by CLB and group.
    pub fn resolve(
        target: &str,
        (from, to): (&Side, &Side),
        scene: &Scene<'a>,
    ) -> Result<Self, Error> {
        Ok(match (from, to) {
            (Side::External(ids), to) => {
                Self { to: Place::Service(main(target, to, scene)?), from: servers(ids) }
            }
            (from, Side::External(ids)) => {
                Self { to: servers(ids), from: Place::Service(main(target, from, scene)?) }
            }
            (from, to) => {
                let service_ref = main(target, to, scene)?;
                let other = counterpart(&service_ref, from, scene)?;
                Self { to: Place::Service(service_ref), from: Place::Service(other) }
            }
        })
    }

    /// What moves, in words.
    pub fn label(&self) -> String {
        match (&self.to, &self.from) {
            (Place::Service(service_ref), _) | (_, Place::Service(service_ref)) => {
                let meta = &service_ref.service.metadata;
                format!("{}/{}", meta.namespace(), meta.name)
            }
            (Place::Servers(_), Place::Servers(_)) => "the route".to_owned(),
        }
    }
}

fn servers<'a>(ids: &[String]) -> Place<'a> {
    Place::Servers(ids.to_vec())
}

/// The Service that the command names.
fn main<'a>(target: &str, side: &Side, scene: &Scene<'a>) -> Result<ServiceRef<'a>, Error> {
    let Side::Context { context, service } = side else {
        return Err(Error::usage("one side is a context"));
    };
    if let Some(name) = service {
        return named(name, context, scene);
    }
    let selection = Selection::new(scene.input, scene.namespace).in_context(context);
    target::resolve(scene.index, target, &selection)
}

/// The Service of that namespace and name.
fn named<'a>(
    (namespace, name): &(String, String),
    context: &str,
    scene: &Scene<'a>,
) -> Result<ServiceRef<'a>, Error> {
    let selection = Selection::new(scene.input, Some(namespace)).in_context(context);
    target::resolve(scene.index, name, &selection)
}

/// The Service of the other context that is in a route of this one.
fn counterpart<'a>(
    service_ref: &ServiceRef<'a>,
    side: &Side,
    scene: &Scene<'a>,
) -> Result<ServiceRef<'a>, Error> {
    let Side::Context { context, service } = side else {
        return Err(Error::usage("one side is a context"));
    };
    if let Some(name) = service {
        return named(name, context, scene);
    }
    let mut found: Vec<ServiceRef<'a>> = Vec::new();
    for key in scene.index.routes_with(service_ref) {
        for member in scene.index.members(&key) {
            let is_there = member.service_ref.cluster.context.as_deref() == Some(context.as_str());
            let is_new = !member.service_ref.is_same(service_ref)
                && !found.iter().any(|of| of.is_same(&member.service_ref));
            if is_there && is_new {
                found.push(member.service_ref);
            }
        }
    }
    let name = |service_ref: &ServiceRef<'_>| {
        let meta = &service_ref.service.metadata;
        format!("{context}={}/{}", meta.namespace(), meta.name)
    };
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::NotFound {
            message: format!("no Service of {context} is in a route of {}", service_ref.label()),
            hints: vec![
                format!("see who is: kubectl clbmigrate status --contexts {context} -A"),
                "join it: kubectl clbmigrate attach".to_owned(),
            ],
        }),
        many => Err(Error::Usage {
            message: format!(
                "{} Services of {context} are in the routes of {}",
                many.len(),
                service_ref.label()
            ),
            hints: many
                .iter()
                .map(|service_ref| format!("give --from {}", name(service_ref)))
                .collect(),
        }),
    }
}
