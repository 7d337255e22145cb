//! What a change of several sides is called where it ended half-way, and how to go on.

use clbmigrate_core::transfer::{HalfDone, Part};

use crate::output::json::{Next, NextStep};

/// How to go on from a half-done change, of whose parts the first ones are written. `contexts` are all
/// that it touches.
pub fn next_steps(
    parts: &[Part],
    written: usize,
    contexts: &[&str],
    is_undo: bool,
) -> Vec<NextStep> {
    let service = |part: &&Part| matches!(part, Part::Service(_));
    if let Some(Part::Service(of)) = parts.iter().take(written).find(service) {
        return steps(&of.namespace, &of.name, &contexts.join(","), is_undo);
    }
    // No Service has a record of it yet: the same command finishes it.
    let (Some(Part::Servers(of)), Some(Part::Service(to))) =
        (parts.first(), parts.iter().find(service))
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

/// A step in a line: `finish: kubectl clbmigrate …`.
pub fn step_line(step: &NextStep) -> String {
    let does = match step.does {
        Next::Finish => "finish",
        Next::Undo => "undo",
    };
    format!("{does}: {}", step.command)
}

/// A change that ended half-way, in a line.
pub fn half_done_in_words(half: &HalfDone) -> String {
    let words =
        |indexes: &[usize]| half.parts(indexes).map(part_in_words).collect::<Vec<_>>().join("; ");
    format!(
        "change {} half done: {} is written, {} is not",
        half.change,
        words(&half.done),
        words(&half.missing)
    )
}

/// What can be done about a change that ended half-way, in a line.
pub fn way_on_in_words(half: &HalfDone) -> String {
    let (_, namespace, name) = &half.holder;
    let steps = steps(namespace, name, &half.whole.contexts().join(","), half.undoes.is_some());
    steps.iter().map(step_line).collect::<Vec<_>>().join("; ")
}

/// A part in a line: `shop/web (b): weight 20 -> 40`; `group rsp-bp1example: i-bp1old:80 60 -> 30`.
pub fn part_in_words(part: &Part) -> String {
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
