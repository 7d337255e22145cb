//! A change in words: the verdict, the diff, the arithmetic.

use super::{TableOptions, name_of};
use crate::output::{
    json::{ChangedRoute, Mode, Outcome, Participant, Preview, RouteState},
    style::{ERROR, FAINT, GOOD, PLAIN, STRONG, outcome_style},
    text::{Text, count},
};
use clbmigrate_core::object::ObjectRef;

/// How many weights are listed one by one.
const LISTED: usize = 8;

/// The first line: what would happen, in plain words.
pub fn summary_line(preview: &Preview, targets: &[ObjectRef]) -> Text {
    let changed = ChangedParticipants { preview, targets };
    let word = Text::styled(outcome_style(preview.outcome.into()), outcome_word(preview.outcome));
    if preview.outcome == Outcome::Applied {
        let text = applied(&changed);
        return if preview.changes.is_empty() { text } else { word.and(PLAIN, ": ").join(text) };
    }
    let (names, groups) = changed.names_with_outcome(preview.outcome);
    let traffic = changed.traffic().map(|moved| format!("{moved}; ")).unwrap_or_default();
    let what = match preview.outcome {
        Outcome::NoEffect if preview.queued => {
            let moved = changed.traffic().unwrap_or_else(|| names.clone());
            format!("CCM takes no notice of what is set: {moved}")
        }
        Outcome::NoEffect => format!("CCM does not look at {names}, and everything stays as it is"),
        Outcome::Failing => format!(
            "{traffic}CCM would report failure each round, and write only what the cloud does not refuse for {names}"
        ),
        Outcome::Drained => {
            format!(
                "{traffic}CCM would take every backend of {names} out of {groups} and report success"
            )
        }
        Outcome::Frozen => format!(
            "CCM would write nothing and report failure; the backends of {names} stay as they are, and new pods are not registered"
        ),
        _ if changed.with_outcome(preview.outcome).next().is_none() => format!(
            "CCM would make groups of its own for the ports of {names} that have no mapping, to which no listener points; the mapped ones are as they should be"
        ),
        _ => format!(
            "CCM would put the backends of {names} into a group of its own, to which no listener points"
        ),
    };
    let gap = if preview.changes.is_empty() { ", without any change: " } else { ": " };
    word.and(PLAIN, gap).and(PLAIN, what)
}

fn outcome_word(outcome: Outcome) -> &'static str {
    clbmigrate_core::outcome::Outcome::from(outcome).as_str()
}

/// Which participants the change is about.
struct ChangedParticipants<'p> {
    preview: &'p Preview,
    targets: &'p [ObjectRef],
}

impl ChangedParticipants<'_> {
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

    /// The participants with that outcome after the change, with their routes.
    fn with_outcome(
        &self,
        outcome: Outcome,
    ) -> impl Iterator<Item = (&ChangedRoute, &Participant)> {
        self.preview.routes.iter().flat_map(move |route| {
            let participants = route.after.participants.iter();
            let bad = participants.filter(move |of| of.outcome == Some(outcome) && self.has(of));
            bad.map(move |of| (route, of))
        })
    }

    /// What happens to the traffic of the one Service in the one route: `shop/web 20.0 % -> 33.3 %`.
    fn traffic(&self) -> Option<String> {
        let [route] = self.preview.routes.as_slice() else { return None };
        let only = |side: &RouteState| {
            let mut ours = side.participants.iter().filter(|of| self.has(of));
            let first = ours.next().map(|of| (label(of, true), of.share));
            first.filter(|_| ours.next().is_none())
        };
        let (before, after) = (only(&route.before), only(&route.after));
        let name = before.as_ref().or(after.as_ref())?.0.clone();
        let share = |of: Option<(String, Option<f64>)>, side: &RouteState| match of {
            Some((_, share)) => share,
            // Who is not in the route has nothing of it.
            None => side.is_measurable().then_some(0.0),
        };
        let was = share(before, &route.before)?;
        let is = share(after, &route.after)?;
        Some(format!("{name} {} -> {}", percent(was), percent(is)))
    }

    /// The Services with that outcome, and their groups, in words.
    fn names_with_outcome(&self, outcome: Outcome) -> (String, String) {
        let (mut names, mut groups) = (Vec::new(), Vec::new());
        for (route, of) in self.with_outcome(outcome) {
            push_new(&mut names, label(of, false));
            push_new(&mut groups, format!("group {}", route.vserver_group));
        }
        if names.is_empty() {
            let objects = self.preview.changes.iter().map(|change| name_of(&change.object));
            names.extend(objects);
        }
        if groups.is_empty() {
            groups.push("the group".to_owned());
        }
        (names.join(", "), groups.join(", "))
    }
}

fn push_new(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}

/// What an applied change comes to.
fn applied(changed: &ChangedParticipants<'_>) -> Text {
    let Preview { changes, routes, .. } = changed.preview;
    if changes.is_empty() {
        let Some(target) = changed.targets.first() else {
            return Text::plain(
                "no change: the new files say of every Service what the old ones say",
            );
        };
        let namespace = target.namespace.as_deref().unwrap_or_default();
        return Text::plain(format!(
            "no change: {namespace}/{} has this weight already; CCM would write what follows",
            target.name
        ));
    }
    if routes.is_empty() {
        let services = count(changes.len(), "Service");
        return Text::plain(format!("{services} would change, but no route"));
    }
    let [route] = routes.as_slice() else {
        let routes = count(routes.len(), "route");
        return Text::plain(format!(
            "CCM would do as written, for {} in {routes}",
            count(changes.len(), "Service")
        ));
    };
    let before = route.before.participants.iter().filter(|of| changed.has(of));
    let after = route.after.participants.iter().filter(|of| changed.has(of));
    let (before, after): (Vec<_>, Vec<_>) = (before.collect(), after.collect());
    Text::plain(match (before.as_slice(), after.as_slice()) {
        ([old], [new]) => moved(old, new),
        ([], [new]) => format!(
            "{} joins group {}{}",
            label(new, true),
            route.vserver_group,
            new.share.map(|share| format!(": 0.0 % -> {}", of_traffic(share))).unwrap_or_default()
        ),
        ([old], []) => format!(
            "{} leaves group {}{}",
            label(old, true),
            route.vserver_group,
            old.share
                .map(|share| format!(": {} -> 0.0 % of the traffic", percent(share)))
                .unwrap_or_default()
        ),
        _ => format!("CCM would do as written, for {}", count(changes.len(), "Service")),
    })
}

fn moved(old: &Participant, new: &Participant) -> String {
    let label = label(new, true);
    match (old.share, new.share, old.weight_sum, new.weight_sum) {
        (Some(old), Some(new), ..) if percent(old) == percent(new) => {
            format!("{label} stays at {}", of_traffic(old))
        }
        (Some(old), Some(new), ..) => {
            format!("{label} {} -> {}", percent(old), of_traffic(new))
        }
        (_, _, Some(old), Some(new)) => {
            format!(
                "the weights of {label} sum up to {new} instead of {old}; its share is not known"
            )
        }
        (_, _, None, Some(new)) => {
            format!("the weights of {label} sum up to {new}; what they were is not known")
        }
        _ => format!("CCM would do as written for {label}; its weights are not known"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn of_traffic(share: f64) -> String {
    format!("{} of the traffic", percent(share))
}

/// `shop/web (a)`; `shop/web (other cluster)` for one whose object is not at hand.
pub fn label(of: &Participant, has_contexts: bool) -> String {
    let (label, mark) = (of.label(), of.mark());
    match (&of.context, mark) {
        (Some(context), Some(mark)) if has_contexts => format!("{label} ({context}, {mark})"),
        (Some(context), None) if has_contexts => format!("{label} ({context})"),
        (_, Some(mark)) => format!("{label} ({mark})"),
        _ => label,
    }
}

/// The diff of annotations and fields.
pub fn diff(preview: &Preview) -> Vec<Text> {
    let mut lines = Vec::new();
    for change in &preview.changes {
        lines.push(Text::styled(STRONG, name_of(&change.object)));
        let annotations = change.annotations.iter().map(|of| (&of.key, &of.old, &of.new));
        let annotations = annotations.map(|(key, old, new)| {
            let quoted = |value: &Option<String>| value.as_ref().map(|value| format!("{value:?}"));
            (key, quoted(old), quoted(new))
        });
        let fields = change.fields.iter();
        let fields = fields.map(|of| (&of.path, of.old.clone(), of.new.clone()));
        for (key, old, new) in fields.chain(annotations) {
            if let Some(old) = old {
                lines.push(Text::styled(ERROR, format!("- {key}: {old}")));
            }
            if let Some(new) = new {
                lines.push(Text::styled(GOOD, format!("+ {key}: {new}")));
            }
        }
    }
    lines
}

/// `shop/web: 80 over three nodes: 26, 26, 26 = 78 of 98`, a line for each Service at hand.
pub fn arithmetic(route: &ChangedRoute, options: TableOptions) -> Vec<Text> {
    let side = &route.after;
    let ours = side.participants.iter().enumerate().filter(|(_, of)| of.is_member());
    ours.map(|(index, of)| {
        let name = Text::styled(STRONG, label(of, options.has_contexts)).and(PLAIN, ": ");
        match of.weight_sum {
            None => name.and(FAINT, "not known"),
            Some(sum) => name.and(PLAIN, sentence(side, index, of, sum)),
        }
    })
    .collect()
}

fn sentence(side: &RouteState, index: usize, of: &Participant, sum: u64) -> String {
    let backends = side.backends.iter().filter(|backend| backend.participant == index);
    let weights: Vec<u32> = backends.map(|backend| backend.weight).collect();
    let known = if side.is_measurable() { "" } else { " known" };
    if weights.is_empty() {
        return format!("no backends = 0 of {}{known}", side.weight_sum);
    }
    let what = if of.mode == Some(Mode::Eni) { "pod" } else { "node" };
    let nominal = match (of.weight, &of.invalid_weight) {
        (Some(weight), _) => format!("{weight} over"),
        (None, Some(odd)) => format!("{odd:?} is no weight,"),
        (None, None) => "no weight set,".to_owned(),
    };
    let plural = if weights.len() == 1 { "" } else { "s" };
    format!(
        "{nominal} {} {what}{plural}: {} = {sum} of {}{known}",
        in_words(weights.len()),
        listed(&weights),
        side.weight_sum
    )
}

/// `26, 26, 26`; of many, `1 x 500`.
fn listed(weights: &[u32]) -> String {
    if weights.len() <= LISTED {
        return weights.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    }
    let mut runs: Vec<(u32, usize)> = Vec::new();
    for weight in weights {
        match runs.last_mut() {
            Some((last, times)) if last == weight => *times += 1,
            _ => runs.push((*weight, 1)),
        }
    }
    let more = runs.len().saturating_sub(LISTED);
    let shown = runs.iter().take(LISTED).map(|(weight, times)| match times {
        1 => weight.to_string(),
        _ => format!("{weight} x {times}"),
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and so on") } else { shown }
}

fn in_words(number: usize) -> String {
    const WORDS: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    WORDS.get(number).map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[26, 26, 26], "26, 26, 26")]
    #[case(&[1; 500], "1 x 500")]
    #[case(&[50, 30, 10, 10, 10, 10, 10, 10, 10], "50, 30, 10 x 7")]
    #[case(&[1, 2, 3, 4, 5, 6, 7, 8, 9], "1, 2, 3, 4, 5, 6, 7, 8 and so on")]
    fn weights_are_listed_and_many_equal_ones_counted(#[case] weights: &[u32], #[case] text: &str) {
        assert_eq!(listed(weights), text);
    }

    #[rstest]
    #[case(3, "three")]
    #[case(12, "twelve")]
    #[case(13, "13")]
    fn small_numbers_are_words(#[case] number: usize, #[case] word: &str) {
        assert_eq!(in_words(number), word);
    }
}
