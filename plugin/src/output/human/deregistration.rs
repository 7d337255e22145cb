//! How long CCM takes to notice the end of a Pod, in words.

use std::io;

use crate::output::{
    json::Deregistration,
    style::{FAINT, GOOD, PLAIN, WARNING},
    text::{Text, count},
};

/// Writes the lines about it: what was measured and whether the hook of so many seconds is long enough,
/// or that nothing was measured, and why.
pub(super) fn deregistration(
    of: &Deregistration,
    hook: Option<u32>,
    line: &mut impl FnMut(&str, Text) -> io::Result<()>,
) -> io::Result<()> {
    line("Pod's end to CCM's success", measured(of))?;
    if let Some(needed) = of.needed_seconds {
        let text =
            Text::plain(format!("{needed} s: the slowest time and half of it, at least 5 s more"));
        line("hook needed", text.join(verdict(of, hook)))?;
    }
    let reasons = [
        (of.overlapping, "ended within a minute of another change of Pods"),
        (of.overwritten, "ended, and CCM's Event keeps only its first and its last time"),
        (of.unanswered, "ended, and CCM has reported no success since"),
    ];
    for (number, why) in reasons.into_iter().filter(|(number, _)| *number > 0) {
        line("not measured", Text::plain(format!("{} {why}", count(number, "Pod"))))?;
    }
    for unread in &of.unread {
        line("not read", Text::styled(WARNING, unread))?;
    }
    Ok(())
}

fn measured(of: &Deregistration) -> Text {
    if let (Some(median), Some(slowest)) = (of.median_seconds, of.slowest_seconds) {
        let service = of.slowest_service.as_deref().unwrap_or_default();
        return Text::plain(format!(
            "{} measured, median {median} s, slowest {slowest} s ({service})",
            of.measured
        ));
    }
    let unknown = match of.of_unknown_mode {
        0 => String::new(),
        number => format!("; the mode of {} is not known", count(number, "Service")),
    };
    match (of.services, of.in_cluster_mode) {
        (None, _) => Text::styled(WARNING, "unknown"),
        (Some(0), 0) => {
            Text::plain(format!("no migrated Service is in Local or ENI mode{unknown}"))
        }
        (Some(0), number) => Text::plain(format!(
            "nothing to measure: {} in Cluster mode, where CCM changes nothing when a Pod ends{unknown}",
            match number {
                1 => "1 migrated Service is".to_owned(),
                _ => format!("{number} migrated Services are"),
            }
        )),
        (Some(_), _) => Text::styled(WARNING, "not measured").and(
            FAINT,
            " (Events of Pods that ended are gone after an hour, by Kubernetes' default)",
        ),
    }
}

fn verdict(of: &Deregistration, hook: Option<u32>) -> Text {
    match (of.hook_is_long_enough, hook) {
        (Some(true), Some(seconds)) => {
            Text::plain("; ").and(GOOD, format!("{seconds} s are enough"))
        }
        (Some(false), Some(seconds)) => {
            Text::plain("; ").and(WARNING, format!("{seconds} s are too short"))
        }
        _ => Text::styled(PLAIN, ""),
    }
}
