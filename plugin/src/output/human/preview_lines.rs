//! A change in words: the verdict, the diff, the arithmetic.

use super::{TableOptions, name_of, traffic::ChangedServices};
use crate::output::{
    json::{ChangedRoute, Mode, Outcome, Participant, Preview, RouteState},
    style::{ERROR, GOOD, PLAIN, STRONG, outcome_style},
    text::{Text, count},
};
use clbmigrate_core::object::ObjectRef;

/// How many weights are listed one by one.
const LISTED: usize = 8;

/// The first line: what happens to the traffic, and what CCM makes of the change.
pub fn summary_line(preview: &Preview, targets: &[ObjectRef]) -> Text {
    let changed = ChangedServices::new(preview, targets);
    let traffic = changed.traffic(true);
    if preview.outcome == Outcome::Applied && preview.changes.is_empty() {
        return Text::plain(no_change(targets));
    }
    let word = Text::styled(outcome_style(preview.outcome.into()), outcome_word(preview.outcome));
    if preview.outcome == Outcome::Applied {
        return match traffic {
            Some(traffic) => Text::plain(traffic).and(PLAIN, ", ").join(word),
            None => {
                let services = count(preview.changes.len(), "Service");
                Text::plain(format!("{services} would change, but no route"))
            }
        };
    }
    let names = changed.names_with_outcome(preview.outcome);
    let is_shown = !names.is_empty();
    let subject = traffic.unwrap_or_else(|| {
        let objects = preview.changes.iter().map(|change| name_of(&change.object));
        objects.collect::<Vec<_>>().join(", ")
    });
    let whose = if preview.changes.len() > 1 && is_shown {
        format!(" for {}", names.join(", "))
    } else {
        String::new()
    };
    let gap = if preview.changes.is_empty() { ", without any change: " } else { ": " };
    Text::plain(subject)
        .and(PLAIN, ", ")
        .join(word)
        .and(PLAIN, format!("{whose}{gap}{}", consequence(preview, is_shown)))
}

fn outcome_word(outcome: Outcome) -> &'static str {
    clbmigrate_core::outcome::Outcome::from(outcome).as_str()
}

fn no_change(targets: &[ObjectRef]) -> String {
    let Some(target) = targets.first() else {
        return "no change: the new files say of every Service what the old ones say".to_owned();
    };
    let namespace = target.namespace.as_deref().unwrap_or_default();
    format!(
        "no change: {namespace}/{} has this weight already; CCM would write what follows",
        target.name
    )
}

/// What CCM does that is not what is asked for. `is_shown` is whether a route shows it.
fn consequence(preview: &Preview, is_shown: bool) -> &'static str {
    match preview.outcome {
        Outcome::Applied => "CCM would do as written",
        Outcome::NoEffect if preview.queued => "CCM takes no notice of what is set",
        Outcome::NoEffect => "CCM does not look at it, and everything stays as it is",
        Outcome::Failing => {
            "CCM would report failure each round, and write only what the cloud does not refuse"
        }
        Outcome::Drained => "every backend leaves the group, and CCM would report success",
        Outcome::Frozen => {
            "CCM would write nothing and report failure; the backends stay as they are, and new pods are not registered"
        }
        Outcome::Misrouted if is_shown => {
            "CCM would put the backends into a group of its own, to which no listener points"
        }
        Outcome::Misrouted => {
            "CCM would make groups of its own for the ports that have no mapping, to which no listener points; the mapped ones are as they should be"
        }
    }
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

/// `shop/web: 80 over three nodes: 26, 26, 26 = 78 of 98`, a line for each Service at hand whose weights are
/// known.
pub fn arithmetic(route: &ChangedRoute, options: TableOptions) -> Vec<Text> {
    let side = &route.after;
    let ours = side.participants.iter().enumerate().filter(|(_, of)| of.is_member());
    let known = ours.filter_map(|(index, of)| Some((index, of, of.weight_sum?)));
    known
        .map(|(index, of, sum)| {
            let name = Text::styled(STRONG, label(of, options.has_contexts)).and(PLAIN, ": ");
            name.and(PLAIN, sentence(side, index, of, sum))
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
