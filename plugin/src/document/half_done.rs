//! A change of several sides in words.

use anstyle::Style;
use clbmigrate_core::{
    route::RouteKey,
    transfer::{HalfDone, Part},
};

use super::{build::Built, route_name, shares::shares};
use crate::output::{
    human,
    json::{ChangedRoute, Next, NextStep, PartState, TransferRoute},
    style::{ERROR, FAINT, GOOD, WARNING},
};

/// How to go on from a half-done change, of which the first parts are written.
pub fn go_on(built: &Built<'_>, written: usize, is_undo: bool) -> Vec<NextStep> {
    let service = |part: &&Part| matches!(part, Part::Service(_));
    let mut contexts: Vec<&str> =
        built.live.connections().iter().filter_map(|of| of.context.as_deref()).collect();
    contexts.dedup();
    if let Some(Part::Service(of)) = built.parts.iter().take(written).find(service) {
        return steps(&of.namespace, &of.name, &contexts.join(","), is_undo);
    }
    // No Service has a record of it yet: the same command finishes it.
    let (Some(Part::Servers(of)), Some(Part::Service(to))) =
        (built.parts.first(), built.parts.iter().find(service))
    else {
        return Vec::new();
    };
    let back = of.servers.iter().map(|server| format!("{}={}", server.id, server.from));
    let context = to.context.as_ref().map(|context| format!(" --context {context}"));
    vec![NextStep {
        does: Next::Undo,
        command: format!(
            "kubectl clbmigrate set svc/{} -n {}{} --external {}",
            to.name,
            to.namespace,
            context.unwrap_or_default(),
            back.collect::<Vec<_>>().join(",")
        ),
    }]
}

/// What finishes a change that a Service has the record of, and what takes it back.
fn steps(namespace: &str, name: &str, contexts: &str, is_undo: bool) -> Vec<NextStep> {
    let place = format!("svc/{name} -n {namespace} --contexts {contexts}");
    let finish = format!("kubectl clbmigrate shift {place} --finish");
    let mut steps = vec![NextStep { does: Next::Finish, command: finish }];
    if !is_undo {
        let command = format!("kubectl clbmigrate undo {place}");
        steps.push(NextStep { does: Next::Undo, command });
    }
    steps
}

/// `finish: kubectl clbmigrate …`.
pub fn step_line(step: &NextStep) -> String {
    let does = match step.does {
        Next::Finish => "finish",
        Next::Undo => "undo",
    };
    format!("{does}: {}", step.command)
}

/// A change that ended half-way, and what can be done about it.
pub fn half_done_in_words(half: &HalfDone) -> String {
    let words =
        |indexes: &[usize]| half.parts(indexes).map(in_words).collect::<Vec<_>>().join("; ");
    let (_, namespace, name) = &half.holder;
    let steps = steps(namespace, name, &half.whole.contexts().join(","), half.undoes.is_some());
    let steps: Vec<String> = steps.iter().map(step_line).collect();
    format!(
        "change {} half done: {} is written, {} is not; {}",
        half.change,
        words(&half.done),
        words(&half.missing),
        steps.join("; ")
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
    let TransferRoute { clb, vserver_group, port, shares } = shares(route);
    let shares = route.after.participants.iter().zip(shares).map(|(of, share)| {
        format!("{} {} -> {}", human::label(of, true), percent(share.before), percent(share.after))
    });
    let key = RouteKey { clb: &clb, vgroup: &vserver_group, port };
    let shares = shares.collect::<Vec<_>>();
    format!("{}: {}", route_name(&key), shares.join(", "))
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
