//! Finds what `--from` and `--to` of a shift name.

use clbmigrate_core::index::ServiceRef;

use crate::{
    change::PlanContext, cli::ShiftSide, error::Error, namespaces::Namespaces,
    selection::Selection, target,
};

/// What a side names.
pub enum ResolvedSide<'a> {
    /// A Service of a cluster.
    Service(ServiceRef<'a>),
    /// Servers outside of clusters: those with these ids, or all of the route where there are none.
    Servers(Vec<String>),
}

/// Both sides.
pub struct ResolvedSides<'a> {
    /// The side that gains traffic.
    pub to: ResolvedSide<'a>,
    /// The side that loses traffic.
    pub from: ResolvedSide<'a>,
}

impl<'a> ResolvedSides<'a> {
    /// Finds both sides: the target in `to`, or in `from` if that is the only context; its
    /// counterpart by CLB and group.
    pub fn resolve(
        target: &str,
        (from, to): (&ShiftSide, &ShiftSide),
        plan_context: &PlanContext<'a>,
    ) -> Result<Self, Error> {
        Ok(match (from, to) {
            (ShiftSide::External(ids), to) => Self {
                to: ResolvedSide::Service(target_service(target, to, plan_context)?),
                from: servers(ids),
            },
            (from, ShiftSide::External(ids)) => Self {
                to: servers(ids),
                from: ResolvedSide::Service(target_service(target, from, plan_context)?),
            },
            (from, to) => {
                let service_ref = target_service(target, to, plan_context)?;
                let other = counterpart(&service_ref, from, plan_context)?;
                Self { to: ResolvedSide::Service(service_ref), from: ResolvedSide::Service(other) }
            }
        })
    }

    /// The name of what moves: `shop/web`.
    pub fn label(&self) -> String {
        match (&self.to, &self.from) {
            (ResolvedSide::Service(service_ref), _) | (_, ResolvedSide::Service(service_ref)) => {
                let meta = &service_ref.service.metadata;
                format!("{}/{}", meta.namespace(), meta.name)
            }
            (ResolvedSide::Servers(_), ResolvedSide::Servers(_)) => "the route".to_owned(),
        }
    }
}

fn servers<'a>(ids: &[String]) -> ResolvedSide<'a> {
    ResolvedSide::Servers(ids.to_vec())
}

/// The Service that the command's target names in the context of a side.
fn target_service<'a>(
    target: &str,
    side: &ShiftSide,
    plan_context: &PlanContext<'a>,
) -> Result<ServiceRef<'a>, Error> {
    let ShiftSide::Context { context, service } = side else {
        return Err(Error::usage("one side is a context"));
    };
    if let Some(name) = service {
        return service_by_name(name, context, plan_context);
    }
    let selection = Selection::new(plan_context.input, plan_context.namespaces).in_context(context);
    target::resolve(plan_context.index, target, &selection)
}

/// The Service of that namespace and name in a context.
fn service_by_name<'a>(
    (namespace, name): &(String, String),
    context: &str,
    plan_context: &PlanContext<'a>,
) -> Result<ServiceRef<'a>, Error> {
    let namespaces = Namespaces::One(namespace.clone());
    let selection = Selection::new(plan_context.input, &namespaces).in_context(context);
    target::resolve(plan_context.index, name, &selection)
}

/// The Service of the other context that is in a route of this one.
fn counterpart<'a>(
    service_ref: &ServiceRef<'a>,
    side: &ShiftSide,
    plan_context: &PlanContext<'a>,
) -> Result<ServiceRef<'a>, Error> {
    let ShiftSide::Context { context, service } = side else {
        return Err(Error::usage("one side is a context"));
    };
    if let Some(name) = service {
        return service_by_name(name, context, plan_context);
    }
    let mut found: Vec<ServiceRef<'a>> = Vec::new();
    for key in plan_context.index.routes_with(service_ref) {
        for member in plan_context.index.members(&key) {
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
