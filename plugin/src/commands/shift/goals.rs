//! What the solver is asked, and its answer as parts of a change.

use std::collections::BTreeSet;

use clbmigrate_core::{
    annotation,
    index::{Index, ServiceRef},
    prediction::Prediction,
    route::{Participant, ParticipantKind, Route, RouteKey},
    solver::{RouteGoal, Side, Solution},
    transfer::{OneService, Part, Server, Servers},
};

use super::sides::{ResolvedSide, ResolvedSides};
use crate::{change::PlanContext, document::route_name, error::Error};

/// The routes in which traffic moves.
pub struct Goals<'a> {
    /// What the solver is asked, one goal a route.
    pub for_solver: Vec<RouteGoal>,
    /// The routes' names, in the same order.
    pub names: Vec<String>,
    /// Reasons against the change: routes that only one of the sides is in.
    pub against: Vec<String>,
    routes: Vec<RouteServers<'a>>,
}

/// A route, and the servers of each side in it.
struct RouteServers<'a> {
    key: RouteKey<'a>,
    to: Vec<Server>,
    from: Vec<Server>,
}

impl<'a> Goals<'a> {
    /// The goals for the routes that both sides are in.
    pub fn new(sides: &ResolvedSides<'a>, plan_context: &PlanContext<'a>) -> Result<Self, Error> {
        let index = plan_context.index;
        let of = |side: &ResolvedSide<'a>| -> Option<BTreeSet<RouteKey<'a>>> {
            match side {
                ResolvedSide::Service(service_ref) => {
                    Some(index.routes_with(service_ref).collect())
                }
                ResolvedSide::Servers(_) => None,
            }
        };
        let (to, from) = (of(&sides.to), of(&sides.from));
        let all: BTreeSet<RouteKey<'a>> =
            [&to, &from].into_iter().flatten().flatten().copied().collect();
        let mut goals = Self {
            for_solver: Vec::new(),
            names: Vec::new(),
            against: Vec::new(),
            routes: Vec::new(),
        };
        for key in all {
            let route = Route::build(index, key, &Prediction::default());
            let is_in = |side: &Option<BTreeSet<RouteKey<'a>>>| {
                side.as_ref().is_none_or(|keys| keys.contains(&key))
            };
            let servers = [&sides.to, &sides.from].map(|side| in_route(&route, side));
            let is_empty = |side: &ResolvedSide<'_>, found: &[Server]| {
                matches!(side, ResolvedSide::Servers(_)) && found.is_empty()
            };
            let [of_to, of_from] = servers;
            if !is_in(&to)
                || !is_in(&from)
                || is_empty(&sides.to, &of_to)
                || is_empty(&sides.from, &of_from)
            {
                goals.against.push(format!(
                    "{}: only one of the sides is in this route, and its share would change there, too",
                    route_name(&key)
                ));
                continue;
            }
            goals.add(index, sides, &route, [of_to, of_from])?;
        }
        goals.require_known_servers(sides)?;
        Ok(goals)
    }

    fn add(
        &mut self,
        index: &Index<'a>,
        sides: &ResolvedSides<'a>,
        route: &Route<'a>,
        [to, from]: [Vec<Server>; 2],
    ) -> Result<(), Error> {
        let mut ours: u64 = 0;
        let mut side = |side: &ResolvedSide<'a>, servers: &[Server]| match side {
            ResolvedSide::Servers(_) => {
                ours += servers.iter().map(|server| u64::from(server.from)).sum::<u64>();
                Ok(Side::Servers(servers.iter().map(|server| server.from).collect()))
            }
            ResolvedSide::Service(service_ref) => {
                let of = route.participant_of(service_ref);
                ours += of.and_then(|of| of.weight_sum).unwrap_or_default();
                let port = route.key.port.unwrap_or_default();
                index
                    .backend_layout(service_ref, port)
                    .map(Side::Service)
                    .ok_or_else(|| unknown(service_ref, of))
            }
        };
        let (to_side, from_side) = (side(&sides.to, &to)?, side(&sides.from, &from)?);
        let number = |sum: u64| u32::try_from(sum).unwrap_or(u32::MAX);
        let total = route.weight_sum();
        self.for_solver.push(RouteGoal {
            to: to_side,
            from: from_side,
            others: number(total.saturating_sub(ours)),
            total: number(total),
        });
        self.names.push(route_name(&route.key));
        self.routes.push(RouteServers { key: route.key, to, from });
        Ok(())
    }

    /// Refuses servers that are in no route.
    fn require_known_servers(&self, sides: &ResolvedSides<'_>) -> Result<(), Error> {
        for (side, is_to) in [(&sides.to, true), (&sides.from, false)] {
            let ResolvedSide::Servers(ids) = side else { continue };
            let of = |found: &RouteServers<'_>| {
                if is_to { found.to.clone() } else { found.from.clone() }
            };
            let known: BTreeSet<String> =
                self.routes.iter().flat_map(of).map(|server| server.id).collect();
            let missing: Vec<&String> = ids.iter().filter(|id| !known.contains(*id)).collect();
            if known.is_empty() || !missing.is_empty() {
                let missing: Vec<&str> = missing.iter().map(|id| id.as_str()).collect();
                return Err(Error::NotFound {
                    message: match missing.as_slice() {
                        [] => format!(
                            "no servers outside of clusters are known in the routes of {}",
                            sides.label()
                        ),
                        _ => {
                            format!(
                                "not in the routes of {}: {}",
                                sides.label(),
                                missing.join(", ")
                            )
                        }
                    },
                    hints: vec![
                        "see who is: kubectl clbmigrate status, with the CLB API's credentials"
                            .to_owned(),
                    ],
                });
            }
        }
        Ok(())
    }

    /// The parts of one side's servers, a group each.
    pub fn server_parts(&self, solution: &Solution, is_to: bool) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for (found, reached) in self.routes.iter().zip(&solution.routes) {
            let (servers, weights) = if is_to {
                (&found.to, &reached.to_servers)
            } else {
                (&found.from, &reached.from_servers)
            };
            let servers = servers.iter().zip(weights);
            let changed = servers.map(|(server, weight)| Server { to: *weight, ..server.clone() });
            let changed: Vec<Server> = changed.filter(|of| of.from != of.to).collect();
            let is_new =
                |part: &Part| !matches!(part, Part::Servers(of) if of.vgroup == found.key.vgroup);
            // Two ports may lead to one group, whose servers have one weight.
            if !changed.is_empty() && parts.iter().all(is_new) {
                parts.push(Part::Servers(Servers {
                    clb: found.key.clb.to_owned(),
                    vgroup: found.key.vgroup.to_owned(),
                    servers: changed,
                }));
            }
        }
        parts
    }
}

/// The part of a Service, if its weight changes.
pub fn service_part(service_ref: &ServiceRef<'_>, weight: u32) -> Option<Part> {
    let meta = &service_ref.service.metadata;
    let now = meta.annotations.effective(annotation::WEIGHT).map(|found| found.text.to_owned());
    let to = weight.to_string();
    (now.as_deref() != Some(to.as_str())).then(|| {
        Part::Service(OneService { from: now, to: Some(to), ..OneService::of(service_ref) })
    })
}

/// A side's servers in a route, with their weights as they are.
fn in_route(route: &Route<'_>, side: &ResolvedSide<'_>) -> Vec<Server> {
    let ResolvedSide::Servers(ids) = side else { return Vec::new() };
    let participants = route.participants.iter().enumerate();
    let wanted = participants.filter(|(_, of)| {
        of.kind == ParticipantKind::External && (ids.is_empty() || ids.contains(&of.name))
    });
    let backends = wanted.flat_map(|(index, _)| route.backends_of(index));
    backends
        .map(|backend| Server {
            id: backend.id.to_owned(),
            port: backend.port,
            from: backend.weight,
            to: backend.weight,
        })
        .collect()
}

fn unknown(service_ref: &ServiceRef<'_>, of: Option<&Participant<'_>>) -> Error {
    let reasons = of.map(|of| of.reasons.iter().map(ToString::to_string).collect::<Vec<_>>());
    let why = reasons.map(|reasons| reasons.join("; ")).filter(|why| !why.is_empty());
    let why = why.unwrap_or_else(|| "its backends cannot be computed".to_owned());
    Error::Refused {
        message: format!("refused: {}: {why}", service_ref.label()),
        hints: vec![
            "see what is wrong: kubectl clbmigrate check".to_owned(),
            "nothing was written".to_owned(),
        ],
    }
}
