//! A change of several sides in words.

use anstyle::Style;
use clbmigrate_core::transfer::{HalfDone, Part};

use super::{build::Built, shares};
use crate::output::{
    human,
    json::{ChangedRoute, PartState},
    style::{ERROR, FAINT, GOOD, WARNING},
};

/// Commands that go on from a half-done change, of which the first parts are written.
pub fn go_on(built: &Built<'_>, written: usize) -> Vec<String> {
    let holder = built.parts.iter().take(written).find_map(|part| match part {
        Part::Service(of) => Some(of),
        Part::Servers(_) => None,
    });
    let mut contexts: Vec<&str> =
        built.live.connections().iter().filter_map(|of| of.context.as_deref()).collect();
    contexts.dedup();
    let contexts = contexts.join(",");
    match holder {
        Some(of) => commands(&of.namespace, &of.name, &contexts, false),
        None => {
            let mut commands = vec!["finish: give the same command again".to_owned()];
            if let (Some(Part::Servers(of)), Some(Part::Service(service))) = (
                built.parts.first(),
                built.parts.iter().find(|part| matches!(part, Part::Service(_))),
            ) {
                let back = of.servers.iter().map(|server| format!("{}={}", server.id, server.from));
                commands.push(format!(
                    "undo:   kubectl clbmigrate set svc/{} -n {} --context {contexts} --external {}",
                    service.name,
                    service.namespace,
                    back.collect::<Vec<_>>().join(",")
                ));
            }
            commands
        }
    }
}

/// Commands that finish a change that a Service has the record of, or take it back.
fn commands(namespace: &str, name: &str, contexts: &str, is_undo: bool) -> Vec<String> {
    let place = format!("svc/{name} -n {namespace} --contexts {contexts}");
    let mut commands = vec![format!("finish: kubectl clbmigrate shift {place} --finish")];
    if !is_undo {
        commands.push(format!("undo:   kubectl clbmigrate undo {place}"));
    }
    commands
}

/// A change that ended half-way, and what can be done about it.
pub fn half_done_in_words(half: &HalfDone) -> String {
    let words =
        |indexes: &[usize]| half.parts(indexes).map(in_words).collect::<Vec<_>>().join("; ");
    let (_, namespace, name) = &half.holder;
    let mut contexts: Vec<&str> = Vec::new();
    for part in &half.whole.parts {
        if let Part::Service(of) = part
            && let Some(context) = of.context.as_deref()
            && !contexts.contains(&context)
        {
            contexts.push(context);
        }
    }
    let commands = commands(namespace, name, &contexts.join(","), half.undoes.is_some());
    format!(
        "change {} half done: {} is written, {} is not; {}",
        half.change,
        words(&half.done),
        words(&half.missing),
        commands.join("; ")
    )
}

/// `shop/web (b): weight 20 -> 40`; `group rsp-bp1example: i-bp1old:80 60 -> 30`.
pub fn in_words(part: &Part) -> String {
    match part {
        Part::Service(of) => {
            let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
            format!("{} weight {} -> {}", part.label(), word(&of.from), word(&of.to))
        }
        Part::Servers(of) => {
            let servers = of.servers.iter();
            let servers = servers.map(|s| format!("{}:{} {} -> {}", s.id, s.port, s.from, s.to));
            format!("group {} {}", of.vgroup, servers.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A state in words.
pub fn state_word(state: PartState) -> &'static str {
    match state {
        PartState::Untouched => "not written",
        PartState::Written => "written, not seen in effect",
        PartState::Done => "done",
        PartState::Unverified => "CCM reports success",
        PartState::RolledBack => "as before",
        PartState::Unconfirmed => "taken back, not seen in effect",
        PartState::Left => "written, could not be taken back",
        PartState::Taken => "changed by somebody else",
    }
}

/// `lb-bp1example/rsp-bp1example:80: shop/web (b) 20.0 % -> 40.0 %, i-bp1old 80.0 % -> 60.0 %`.
pub fn route_line(route: &ChangedRoute) -> String {
    let percent = |share: Option<f64>| {
        share.map_or_else(|| "?".to_owned(), |share| format!("{:.1} %", share * 100.0))
    };
    let before = shares::by_name(&route.before);
    let shares = route.after.participants.iter().map(|of| {
        let before = before.get(&shares::name_of(of)).copied().flatten();
        format!("{} {} -> {}", human::label(of, true), percent(before), percent(of.share))
    });
    let port = route.port.map(|port| format!(":{port}")).unwrap_or_default();
    let shares = shares.collect::<Vec<_>>().join(", ");
    format!("{}/{}{port}: {shares}", route.clb, route.vserver_group)
}

/// The colour of a state.
pub fn colour(state: PartState) -> Style {
    match state {
        PartState::Done => GOOD,
        PartState::Untouched => FAINT,
        PartState::RolledBack
        | PartState::Unconfirmed
        | PartState::Unverified
        | PartState::Written => WARNING,
        PartState::Left | PartState::Taken => ERROR,
    }
}
