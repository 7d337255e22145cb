//! What a change does to the traffic of the Services that it is about, in words.

use clbmigrate_core::object::ObjectRef;

use super::{label, shares::percent};
use crate::output::{
    json::{ChangedRoute, Outcome, Participant, Preview, RouteState},
    text::count,
};

/// How many groups are named one by one.
const NAMED_GROUPS: usize = 3;
/// How many Services are named one by one.
const NAMED_SERVICES: usize = 2;

/// The Services that a change is about, with what it does to them.
pub struct ChangedServices<'p> {
    preview: &'p Preview,
    targets: &'p [ObjectRef],
}

/// What happens to one Service.
struct ServiceMove<'p> {
    label: String,
    groups: Vec<GroupMove<'p>>,
}

/// What happens to a Service in one group.
struct GroupMove<'p> {
    group: &'p str,
    before: GroupPart<'p>,
    after: GroupPart<'p>,
}

/// A Service's part in a group at one time.
#[derive(Clone, Copy)]
struct GroupPart<'p> {
    of: Option<&'p Participant>,
    share: Option<f64>,
}

impl<'p> ChangedServices<'p> {
    /// Those that `preview` changes, and `targets`, changed or not.
    pub fn new(preview: &'p Preview, targets: &'p [ObjectRef]) -> Self {
        Self { preview, targets }
    }

    fn has(&self, of: &Participant) -> bool {
        let is = |context: Option<&str>, namespace: Option<&str>, name: &str| {
            of.is_member()
                && of.context.as_deref() == context
                && of.namespace.as_deref() == namespace
                && of.name == name
        };
        self.targets.iter().any(|o| is(o.context.as_deref(), o.namespace.as_deref(), &o.name))
            || self.preview.changes.iter().map(|change| &change.object).any(|object| {
                is(object.context.as_deref(), object.namespace.as_deref(), &object.name)
            })
    }

    /// The participants with that outcome after the change.
    fn with_outcome(&self, outcome: Outcome) -> impl Iterator<Item = &Participant> {
        let participants = self.preview.routes.iter().flat_map(|route| &route.after.participants);
        participants.filter(move |of| of.outcome == Some(outcome) && self.has(of))
    }

    /// The names of those with that outcome after the change; none where no route shows it.
    pub fn names_with_outcome(&self, outcome: Outcome) -> Vec<String> {
        let mut names = Vec::new();
        for of in self.with_outcome(outcome) {
            let name = label(of, false);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// What happens to their traffic: `shop/web: 20.0 % -> 33.3 % of the traffic of rsp-… (weight
    /// 20 -> 40)`. `None` where none of them is in a route. The weights are left out unless they are
    /// asked for.
    pub fn traffic(&self, has_weights: bool) -> Option<String> {
        let moves = self.moves();
        if moves.len() > NAMED_SERVICES {
            return Some(format!(
                "{} in {}",
                count(moves.len(), "Service"),
                count(self.preview.routes.len(), "route")
            ));
        }
        let clauses = moves.iter().map(|of| of.in_words(has_weights)).collect::<Vec<_>>();
        (!clauses.is_empty()).then(|| clauses.join("; "))
    }

    fn moves(&self) -> Vec<ServiceMove<'p>> {
        let mut moves: Vec<ServiceMove<'p>> = Vec::new();
        for route in &self.preview.routes {
            for name in self.labels(route) {
                let part = |side| GroupPart::new(side, &name, self);
                let group = GroupMove {
                    group: &route.vserver_group,
                    before: part(&route.before),
                    after: part(&route.after),
                };
                match moves.iter_mut().find(|of| of.label == name) {
                    Some(known) => known.groups.push(group),
                    None => moves.push(ServiceMove { label: name, groups: vec![group] }),
                }
            }
        }
        moves
    }

    /// The names of those in a route, before or after, each once.
    fn labels(&self, route: &ChangedRoute) -> Vec<String> {
        let mut labels = Vec::new();
        for of in route.after.participants.iter().chain(&route.before.participants) {
            let name = label(of, true);
            if self.has(of) && !labels.contains(&name) {
                labels.push(name);
            }
        }
        labels
    }
}

impl<'p> GroupPart<'p> {
    fn new(side: &'p RouteState, name: &str, changed: &ChangedServices<'_>) -> Self {
        let of = side.participants.iter().find(|of| changed.has(of) && label(of, true) == name);
        let share = match of {
            Some(of) => of.share,
            // Who is not in the route has nothing of it.
            None => side.is_measurable().then_some(0.0),
        };
        Self { of, share }
    }
}

impl ServiceMove<'_> {
    fn in_words(&self, has_weights: bool) -> String {
        let weights = self.weights().filter(|_| has_weights);
        let weights = weights.map(|weights| format!(" ({weights})")).unwrap_or_default();
        format!("{}: {}{weights}", self.label, self.shares())
    }

    /// `weight 20 -> 40`; `None` where it stays.
    fn weights(&self) -> Option<String> {
        let first = self.groups.first()?;
        let (before, after) = (weight(first.before.of?), weight(first.after.of?));
        (before != after).then(|| format!("weight {before} -> {after}"))
    }

    fn shares(&self) -> String {
        let mut groups: Vec<String> = Vec::new();
        for of in &self.groups {
            let words = of.in_words();
            if !groups.contains(&words) {
                groups.push(words);
            }
        }
        match groups.as_slice() {
            [one] => one.clone(),
            several if several.len() <= NAMED_GROUPS => several.join(", "),
            _ => self.range(),
        }
    }

    /// `10.0 to 20.0 % -> 20.0 to 33.3 % of the traffic of 5 groups`.
    fn range(&self) -> String {
        let known: Vec<(f64, f64)> =
            self.groups.iter().filter_map(|of| of.before.share.zip(of.after.share)).collect();
        let unknown = self.groups.len() - known.len();
        let groups = count(self.groups.len(), "group");
        if known.is_empty() {
            return format!("unknown shares of the traffic of {groups}");
        }
        let span = |shares: Vec<f64>| {
            let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
            let most = shares.iter().copied().fold(0.0, f64::max);
            let (least, most) = (percent(least), percent(most));
            if least == most {
                least
            } else {
                format!("{} to {most}", least.trim_end_matches(" %"))
            }
        };
        let (before, after): (Vec<f64>, Vec<f64>) = known.into_iter().unzip();
        let left = if unknown > 0 { format!(", {unknown} of them unknown") } else { String::new() };
        format!("{} -> {} of the traffic of {groups}{left}", span(before), span(after))
    }
}

impl GroupMove<'_> {
    fn in_words(&self) -> String {
        let Self { before, after, .. } = self;
        let group = if self.group.is_empty() { "its group" } else { self.group };
        let shares = match (before.share, after.share) {
            (Some(was), Some(is)) => {
                Some((percent(was), percent(is), format!("{} -> {}", percent(was), percent(is))))
            }
            _ => None,
        };
        let passage = match (before.of, after.of) {
            (None, _) => Some("joins"),
            (_, None) => Some("leaves"),
            _ => None,
        };
        match (passage, shares) {
            (Some(passage), Some((was, is, _))) if was == is => {
                format!("{passage} {group} ({is} of the traffic)")
            }
            (Some(passage), Some((.., moved))) => {
                format!("{passage} {group} ({moved} of the traffic)")
            }
            (Some(passage), None) => format!("{passage} {group} (share unknown)"),
            (None, Some((was, is, _))) if was == is => {
                format!("stays at {is} of the traffic of {group}")
            }
            (None, Some((.., moved))) => format!("{moved} of the traffic of {group}"),
            (None, None) => format!("unknown share of the traffic of {group}"),
        }
    }
}

/// A weight in words: what CCM cannot read in quotes.
fn weight(of: &Participant) -> String {
    match (&of.invalid_weight, of.weight) {
        (Some(text), _) => format!("{text:?}"),
        (None, Some(weight)) => weight.to_string(),
        (None, None) => "none".to_owned(),
    }
}
