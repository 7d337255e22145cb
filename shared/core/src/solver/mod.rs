//! The weights that bring a wanted share of traffic about. CCM divides weights by integers, so that
//! most shares cannot be reached exactly. Of the weights that come near, the solver chooses those
//! that people can read, and those that keep the share when a backend comes or goes.

mod choice;
mod layout;

use thiserror::Error;

use self::choice::{Choice, RouteOptions};
pub use self::layout::{BackendLayout, capacity, distribute};

/// How far a share may be from the wanted one and still count as near: one point of 100.
pub const TOLERANCE: f64 = 0.01;

/// One of the two sides between which traffic moves, in one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// A Service. It has one weight, the same in every route that it is in.
    Service(BackendLayout),
    /// Servers outside of clusters, by their present weights, 0..=100.
    Servers(Vec<u32>),
}

/// A route in which traffic is to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteGoal {
    /// The side that is to have the wanted share.
    pub to: Side,
    /// The side that gives up what the other gains.
    pub from: Side,
    /// The sum of the weights of all other backends, which stay as they are.
    pub others: u32,
    /// The sum of all weights now; 0 where the route is empty or that is not known.
    pub total: u32,
}

/// The weights to set, and what they lead to.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// The weight of the Service on the gaining side, 0..=100; `None` where that side is servers.
    pub to: Option<u32>,
    /// The weight of the Service on the losing side, 0..=100; `None` where that side is servers.
    pub from: Option<u32>,
    /// The result in every route, in the order of the goals.
    pub routes: Vec<RouteSolution>,
}

impl Solution {
    /// How far the worst route is from the wanted share, 0..=1.
    pub fn distance(&self) -> f64 {
        self.routes.iter().map(|route| route.distance).fold(0.0, f64::max)
    }
}

/// The result in one route.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteSolution {
    /// The sum of the weights of the gaining and of the losing side.
    pub sums: [u32; 2],
    /// The weights of the gaining side's servers, in the order of the goal; empty for a Service.
    pub to_servers: Vec<u32>,
    /// The weights of the losing side's servers, in the order of the goal; empty for a Service.
    pub from_servers: Vec<u32>,
    /// The gaining side's share of the route's traffic, 0..=1.
    pub share: f64,
    /// The lowest and the highest share if one of the Services had one backend less or more.
    pub range: [f64; 2],
    /// How far the result is from what is wanted: the difference of the share, or that of the
    /// others' share where it is greater. 0..=1.
    pub distance: f64,
}

/// Why there are no such weights.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum Unsolvable {
    /// The wanted share is not within 0..=1.
    #[error("a share is 0 % to 100 %")]
    Share,
    /// There are no goals.
    #[error("there is no route to move traffic in")]
    NoRoute,
    /// Others hold so much that the wanted share is not left.
    #[error(
        "others in the route hold {others:.1} % and keep it, so at most {most:.1} % can be moved there"
    )]
    Others {
        /// Their share in percent.
        others: f64,
        /// What is left in percent.
        most: f64,
    },
    /// A side that is to carry traffic has no backends, or no weights give each side what it is to
    /// have.
    #[error("the side that is to carry traffic has no backends")]
    NoBackends,
}

/// Finds the weights for a wanted share of the side `to` in every route, `wanted_share` within 0..=1.
///
/// Where several weights come within [`TOLERANCE`], the shares in percent come first, then the
/// weights whose shares one backend less or more moves least. Where none comes that near, the
/// nearest are returned: see [`Solution::distance`]. A greater wanted share may lead to a smaller share,
/// within the tolerance.
pub fn solve(goals: &[RouteGoal], wanted_share: f64) -> Result<Solution, Unsolvable> {
    if !(0.0..=1.0).contains(&wanted_share) {
        return Err(Unsolvable::Share);
    }
    if goals.is_empty() {
        return Err(Unsolvable::NoRoute);
    }
    let options = goals
        .iter()
        .map(|goal| RouteOptions::new(goal, wanted_share))
        .collect::<Result<Vec<_>, _>>()?;
    let mut best: Option<(Vec<Choice>, [Option<u32>; 2])> = None;
    for to in weights(goals, |goal| &goal.to) {
        for from in weights(goals, |goal| &goal.from) {
            let all: Option<Vec<Choice>> =
                options.iter().map(|options| options.best([to, from])).collect();
            let Some(all) = all else { continue };
            if best.as_ref().is_none_or(|(known, _)| choice::is_better(&all, known)) {
                best = Some((all, [to, from]));
            }
        }
    }
    let (routes, [to, from]) = best.ok_or(Unsolvable::NoBackends)?;
    let routes = options.iter().zip(&routes).map(|(options, route)| options.reached(route));
    Ok(Solution { to, from, routes: routes.collect() })
}

/// The weights that a side's Service can have; none at all where it is servers in every route.
fn weights(goals: &[RouteGoal], side: fn(&RouteGoal) -> &Side) -> Vec<Option<u32>> {
    let is_service = goals.iter().any(|goal| matches!(side(goal), Side::Service(_)));
    if is_service { (0..=100).map(Some).collect() } else { vec![None] }
}
