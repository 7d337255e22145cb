//! Which weights bring a wanted share of traffic about. CCM divides weights by integers, so most
//! shares cannot be had exactly; of those that come near, the one is chosen that people can read and
//! that stays where it is when a backend comes or goes.

mod choice;
mod layout;

use thiserror::Error;

use self::choice::{Choice, RouteOptions};
pub use self::layout::{BackendLayout, capacity, distribute};

/// How far from the wish a share may be, as a part of the whole: one point.
pub const TOLERANCE: f64 = 0.01;

/// One of the two sides between which traffic moves, in one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// A Service: one weight, the same in every route it is in.
    Service(BackendLayout),
    /// Servers outside of clusters with their present weights, each 0..=100.
    Servers(Vec<u32>),
}

/// A route and what is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteGoal {
    /// The side that is to have the wanted share.
    pub to: Side,
    /// The side that what it gains is taken from.
    pub from: Side,
    /// The sum of all other backends' weights, which nobody touches.
    pub others: u32,
    /// The sum of all weights as it is now; 0 where the route is empty or not known.
    pub total: u32,
}

/// Weights, and what comes of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// The weight of the Service on the gaining side, 0..=100; `None` where that side is servers.
    pub to: Option<u32>,
    /// The weight of the Service on the losing side.
    pub from: Option<u32>,
    /// Every route, in the order of the goals.
    pub routes: Vec<RouteSolution>,
}

impl Solution {
    /// How far the worst route is from the wish, 0..=1.
    pub fn distance(&self) -> f64 {
        self.routes.iter().map(|route| route.distance).fold(0.0, f64::max)
    }
}

/// What a route comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteSolution {
    /// The sums of both sides' weights.
    pub sums: [u32; 2],
    /// The weights of the gaining side's servers, in the order of the goal.
    pub to_servers: Vec<u32>,
    /// The weights of the losing side's servers.
    pub from_servers: Vec<u32>,
    /// The gaining side's part of the route's traffic, 0..=1.
    pub share: f64,
    /// That part with one backend less and one more on either Service's side: the lowest and the
    /// highest it can get to.
    pub range: [f64; 2],
    /// How far it is from the wish.
    pub distance: f64,
}

/// Why there are no such weights.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum Unsolvable {
    /// The wish is no part of a whole.
    #[error("a share is 0 % to 100 %")]
    Share,
    /// There is nothing to move.
    #[error("there is no route to move traffic in")]
    NoRoute,
    /// Others hold too much.
    #[error(
        "others in the route hold {others:.1} % and keep it, so at most {most:.1} % can be moved there"
    )]
    Others {
        /// Their share in percent.
        others: f64,
        /// What is left in percent.
        most: f64,
    },
    /// Backends are missing on a side that is to carry traffic.
    #[error("the side that is to carry traffic has no backends")]
    NoBackends,
}

/// Finds the weights for a wanted share of `to` in every route, 0..=1.
///
/// Where several are within [`TOLERANCE`], weights that are the shares in percent come first, then
/// those least moved by a backend more or less. Where none is, the nearest is given: see
/// [`Solution::distance`].
pub fn solve(goals: &[RouteGoal], wish: f64) -> Result<Solution, Unsolvable> {
    if !(0.0..=1.0).contains(&wish) {
        return Err(Unsolvable::Share);
    }
    if goals.is_empty() {
        return Err(Unsolvable::NoRoute);
    }
    let options =
        goals.iter().map(|goal| RouteOptions::new(goal, wish)).collect::<Result<Vec<_>, _>>()?;
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
