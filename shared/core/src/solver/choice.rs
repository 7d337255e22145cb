//! Weights that are tried for one route, and which of two is better.

use std::{cmp::Ordering, ops::RangeInclusive};

use super::{
    BackendLayout, RouteGoal, RouteSolution, Side, TOLERANCE, Unsolvable,
    layout::{capacity, distribute},
};

/// What differs by less than this is the same.
const EQUAL: f64 = 1e-9;

/// What can be chosen in one route.
pub(super) struct RouteOptions<'g> {
    goal: &'g RouteGoal,
    wanted_share: f64,
    /// What others hold now, 0..=1; `None` where nobody knows.
    others: Option<f64>,
    /// Whether the losing side is to end with nothing.
    is_all: bool,
}

/// A choice for one route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    weights: [Option<u32>; 2],
    sums: [u32; 2],
    share: f64,
    distance: f64,
    /// Whether the weights as written are the wanted shares in percent.
    is_nominal: bool,
    range: [f64; 2],
}

impl Choice {
    fn is_near(&self) -> bool {
        self.distance <= TOLERANCE + EQUAL
    }

    fn sensitivity(&self) -> f64 {
        let [low, high] = self.range;
        (self.share - low).max(high - self.share)
    }
}

impl<'g> RouteOptions<'g> {
    pub fn new(goal: &'g RouteGoal, wanted_share: f64) -> Result<Self, Unsolvable> {
        let others = (goal.total > 0).then(|| ratio(goal.others, goal.total));
        let held = others.unwrap_or(0.0);
        if wanted_share > 1.0 - held + TOLERANCE {
            return Err(Unsolvable::Others { others: held * 100.0, most: (1.0 - held) * 100.0 });
        }
        let is_all = wanted_share >= 1.0 - held - EQUAL;
        let options = Self { goal, wanted_share, others, is_all };
        for (side, carries) in [(&goal.to, wanted_share > 0.0), (&goal.from, !is_all)] {
            if carries && highest(side) == 0 {
                return Err(Unsolvable::NoBackends);
            }
        }
        Ok(options)
    }

    /// The best there is with these weights of Services; `None` where a side would have nothing that
    /// is to have something, or the other way round.
    pub fn best(&self, weights: [Option<u32>; 2]) -> Option<Choice> {
        let [to, from] = weights;
        let mut best: Option<Choice> = None;
        for to_sum in self.sums(&self.goal.to, to, None) {
            for from_sum in self.sums(&self.goal.from, from, Some(to_sum)) {
                if (to_sum > 0) != (self.wanted_share > 0.0) || (from_sum > 0) == self.is_all {
                    continue;
                }
                let next = self.choice(weights, [to_sum, from_sum]);
                if best.as_ref().is_none_or(|known| compare(&next, known) == Ordering::Less) {
                    best = Some(next);
                }
            }
        }
        best
    }

    /// The sums that are worth trying for a side: one for a Service, for servers those that come near
    /// the wanted share beside what is known of the gaining side.
    fn sums(&self, side: &Side, weight: Option<u32>, beside: Option<u32>) -> RangeInclusive<u32> {
        match (side, beside) {
            (Side::Service(spread), _) => {
                let sum = spread.sum(weight.unwrap_or_default());
                sum..=sum
            }
            (Side::Servers(present), None) => match &self.goal.from {
                // Both sides can be anything: the whole stays what it is.
                Side::Servers(_) => {
                    self.around(f64::from(self.goal.total) * self.wanted_share, present)
                }
                Side::Service(_) => 0..=capacity(present),
            },
            (Side::Servers(present), Some(to)) if self.wanted_share > 0.0 => {
                let whole =
                    |share: f64| f64::from(to) / share.max(EQUAL) - f64::from(self.goal.others);
                let beside = |share: f64| whole(share) - f64::from(to);
                let (low, high) =
                    (beside(self.wanted_share + TOLERANCE), beside(self.wanted_share - TOLERANCE));
                bounded(low.floor() - 1.0, high.ceil() + 1.0, present)
            }
            (Side::Servers(present), Some(_)) => {
                let rest = self.goal.total.saturating_sub(self.goal.others);
                self.around(f64::from(rest), present)
            }
        }
    }

    fn around(&self, sum: f64, present: &[u32]) -> RangeInclusive<u32> {
        let slack = f64::from(self.goal.total) * TOLERANCE;
        bounded((sum - slack).floor(), (sum + slack).ceil(), present)
    }

    fn choice(&self, weights: [Option<u32>; 2], sums: [u32; 2]) -> Choice {
        let share = self.share(sums);
        let [to_sum, from_sum] = sums;
        let others = ratio(self.goal.others, to_sum + from_sum + self.goal.others);
        let drift = self.others.map_or(0.0, |before| (others - before).abs());
        let distance = (share - self.wanted_share).abs().max(drift);
        let [to, from] = weights;
        let written = |weight: Option<u32>, sum: u32| weight.unwrap_or(sum);
        let written = [written(to, to_sum), written(from, from_sum)];
        let percent = [self.wanted_share, 1.0 - self.wanted_share - self.others.unwrap_or(0.0)];
        let is_nominal =
            written.iter().zip(percent).all(|(weight, part)| is_percent(*weight, part));
        Choice { weights, sums, share, distance, is_nominal, range: self.range(weights, sums) }
    }

    fn share(&self, [to, from]: [u32; 2]) -> f64 {
        ratio(to, to + from + self.goal.others)
    }

    fn range(&self, weights: [Option<u32>; 2], sums: [u32; 2]) -> [f64; 2] {
        let [to, from] = sums;
        let of = |side: &Side, weight: Option<u32>| match (side, weight) {
            (Side::Service(spread), Some(weight)) => [spread.one_less(), Some(spread.one_more())]
                .into_iter()
                .flatten()
                .map(|spread| spread.sum(weight))
                .collect(),
            _ => Vec::new(),
        };
        let [to_weight, from_weight] = weights;
        let moved_to = of(&self.goal.to, to_weight).into_iter().map(|to| [to, from]);
        let moved_from = of(&self.goal.from, from_weight).into_iter().map(|from| [to, from]);
        let shares = moved_to.chain(moved_from).map(|sums| self.share(sums));
        let present = self.share(sums);
        shares.fold([present, present], |[low, high], share| [low.min(share), high.max(share)])
    }

    pub fn reached(&self, choice: &Choice) -> RouteSolution {
        let [to, from] = choice.sums;
        let servers = |side: &Side, sum| match side {
            Side::Servers(present) => distribute(sum, present),
            Side::Service(_) => Vec::new(),
        };
        RouteSolution {
            sums: choice.sums,
            to_servers: servers(&self.goal.to, to),
            from_servers: servers(&self.goal.from, from),
            share: choice.share,
            range: choice.range,
            distance: choice.distance,
        }
    }
}

/// Whether one choice for all routes is better than another.
pub(super) fn is_better(new: &[Choice], known: &[Choice]) -> bool {
    let worst = |all: &[Choice]| {
        all.iter().copied().reduce(|a, b| Choice {
            distance: a.distance.max(b.distance),
            is_nominal: a.is_nominal && b.is_nominal,
            // As far apart as the widest.
            share: 0.0,
            range: [0.0, a.sensitivity().max(b.sensitivity())],
            ..a
        })
    };
    match (worst(new), worst(known)) {
        (Some(new), Some(known)) => compare(&new, &known) == Ordering::Less,
        (new, known) => new.is_some() && known.is_none(),
    }
}

/// `Less` for the better one.
fn compare(a: &Choice, b: &Choice) -> Ordering {
    let nearer = order(a.distance, b.distance);
    let steadier = order(a.sensitivity(), b.sensitivity());
    // Weights that people know their way about with: small changes of what is written.
    let larger = || written(b).cmp(&written(a));
    match (a.is_near(), b.is_near()) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => nearer.then(steadier).then_with(larger),
        (true, true) => {
            b.is_nominal.cmp(&a.is_nominal).then(steadier).then(nearer).then_with(larger)
        }
    }
}

fn written(choice: &Choice) -> u32 {
    choice.weights.into_iter().flatten().sum()
}

fn is_percent(weight: u32, part: f64) -> bool {
    (f64::from(weight) - 100.0 * part).abs() <= 0.5
}

fn order(a: f64, b: f64) -> Ordering {
    if (a - b).abs() < EQUAL { Ordering::Equal } else { a.total_cmp(&b) }
}

fn highest(side: &Side) -> u32 {
    match side {
        Side::Service(BackendLayout::Even(0)) => 0,
        Side::Service(spread) => spread.sum(100),
        Side::Servers(present) => capacity(present),
    }
}

fn bounded(low: f64, high: f64, present: &[u32]) -> RangeInclusive<u32> {
    let most = capacity(present);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and a number of that type"
    )]
    let bound = |value: f64| value.clamp(0.0, f64::from(most)) as u32;
    bound(low)..=bound(high)
}

fn ratio(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
}
