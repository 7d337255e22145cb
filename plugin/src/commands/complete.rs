//! `__complete`: what kubectl's completion asks for, in the form it reads: a line a candidate, then
//! a line with what the shell shall do.

use std::time::Duration;

use clap::{Arg, Command, CommandFactory, Parser};
use clbmigrate_cluster::live;
use clbmigrate_core::{annotation, object::Service, rules, snapshot::Cluster};

use crate::{
    cli::{Cli, Command as Verb, CompleteArgs, InputArgs, Side, Span},
    error::{Error, Exit},
    live::Live,
    output::Printer,
};

/// Nobody waits longer for a completion.
const PATIENCE: Duration = Duration::from_secs(3);

/// Flags that say which cluster and namespace names come from.
const PLACE: [&str; 9] = [
    "--kubeconfig",
    "--context",
    "--cluster",
    "--user",
    "--as",
    "--token",
    "--namespace",
    "-n",
    "--as-group",
];

/// What a shell does beside the candidates.
#[derive(Clone, Copy)]
enum Directive {
    /// Nothing.
    Only = 4,
    /// Offers files as well.
    Files = 0,
}

/// Completes the last word.
pub fn run(args: &CompleteArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let (last, before) =
        args.words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let (candidates, directive) = candidates(before, last);
    let out = printer.data();
    for (name, about) in candidates.iter().filter(|(name, _)| name.starts_with(last)) {
        let about = about.lines().next().unwrap_or_default();
        if about.is_empty() { writeln!(out, "{name}")? } else { writeln!(out, "{name}\t{about}")? }
    }
    writeln!(out, ":{}", directive as u8)?;
    Ok(Exit::Done)
}

type Candidates = Vec<(String, String)>;

fn candidates(before: &[String], last: &str) -> (Candidates, Directive) {
    let root = Cli::command();
    let place = before.iter().position(|word| root.find_subcommand(word).is_some());
    let command = place.and_then(|at| root.find_subcommand(before.get(at)?));
    let Some(command) = command else {
        let is_flag = last.starts_with('-');
        let names = if is_flag { flags(&root, &root) } else { verbs(&root) };
        return (names, Directive::Only);
    };
    if let Some(flag) = before.last().and_then(|word| valued(&root, command, word)) {
        return values(flag, before);
    }
    if last.starts_with('-') {
        return (flags(&root, command), Directive::Only);
    }
    let after = before.get(place.map_or(0, |at| at + 1)..).unwrap_or_default();
    let place = positionals(&root, command, after);
    let names = match (command.get_name(), place) {
        ("preview" | "set" | "undo" | "attach" | "shift", 0) => services(before, last),
        ("explain", _) => {
            rules::catalogue().map(|rule| (rule.id.to_owned(), rule.title.to_owned())).collect()
        }
        ("completion", 0) => command.get_positionals().next().map(possible).unwrap_or_default(),
        _ => Vec::new(),
    };
    (names, Directive::Only)
}

fn verbs(root: &Command) -> Candidates {
    let visible = root.get_subcommands().filter(|command| !command.is_hide_set());
    let about =
        |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();
    visible.map(|command| (command.get_name().to_owned(), about(command))).collect()
}

fn all<'c>(root: &'c Command, command: &'c Command) -> impl Iterator<Item = &'c Arg> {
    command.get_arguments().chain(root.get_arguments().filter(|arg| arg.is_global_set()))
}

fn flags(root: &Command, command: &Command) -> Candidates {
    let visible = all(root, command).filter(|arg| !arg.is_hide_set());
    let named = visible.filter_map(|arg| {
        let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
        Some((format!("--{}", arg.get_long()?), about))
    });
    named.collect()
}

/// The flag that a word is, if it takes a value.
fn valued<'c>(root: &'c Command, command: &'c Command, word: &str) -> Option<&'c Arg> {
    all(root, command).find(|arg| {
        let is_long = arg.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
        let is_short = arg.get_short().is_some_and(|short| word == format!("-{short}"));
        (is_long || is_short) && arg.get_action().takes_values()
    })
}

/// How many words are no flags and no flags' values.
fn positionals(root: &Command, command: &Command, words: &[String]) -> usize {
    let mut count = 0;
    let mut is_value = false;
    for word in words {
        if is_value {
            is_value = false;
        } else if valued(root, command, word).is_some() {
            is_value = true;
        } else if !word.starts_with('-') {
            count += 1;
        }
    }
    count
}

fn possible(arg: &Arg) -> Candidates {
    let values = arg.get_possible_values();
    let about = |value: &clap::builder::PossibleValue| {
        value.get_help().map(ToString::to_string).unwrap_or_default()
    };
    values.iter().map(|value| (value.get_name().to_owned(), about(value))).collect()
}

fn values(flag: &Arg, before: &[String]) -> (Candidates, Directive) {
    let plain = |names: Vec<String>| names.into_iter().map(|name| (name, String::new())).collect();
    match flag.get_long() {
        Some("context" | "contexts") => (plain(contexts(before)), Directive::Only),
        Some("from" | "to") => {
            let sides = contexts(before).into_iter().chain(["external".to_owned()]);
            (plain(sides.collect()), Directive::Only)
        }
        Some("namespace") => (plain(namespaces(before)), Directive::Only),
        Some("filename" | "against" | "overlay" | "kubeconfig" | "dir") => {
            (Vec::new(), Directive::Files)
        }
        _ => (possible(flag), Directive::Only),
    }
}

/// The flags of the command line that say which cluster is meant.
fn input(before: &[String]) -> Option<InputArgs> {
    let mut words = vec!["kubectl-clbmigrate".to_owned(), "status".to_owned()];
    for (index, word) in before.iter().enumerate() {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        let is_joined = word.starts_with("-n") && word.len() > 2;
        if PLACE.contains(&name) || is_joined {
            words.push(word.clone());
            if !word.contains('=') && !is_joined {
                words.extend(before.get(index + 1).cloned());
            }
        }
        // The Service of a shift is that of the side that gains.
        if word == "--to"
            && let Some(context) = before
                .get(index + 1)
                .and_then(|side| side.parse::<Side>().ok()?.context().map(str::to_owned))
        {
            words.extend(["--context".to_owned(), context]);
        }
    }
    match Cli::try_parse_from(words).ok()?.command {
        Verb::Status(args) => {
            let mut input = args.input;
            input.connect.request_timeout = Span(PATIENCE);
            Some(input)
        }
        _ => None,
    }
}

fn contexts(before: &[String]) -> Vec<String> {
    let access = input(before).map(|input| input.connect.access(None)).unwrap_or_default();
    access.contexts().unwrap_or_default()
}

fn namespaces(before: &[String]) -> Vec<String> {
    let listed = input(before).and_then(|input| {
        let live = Live::open(&input).ok()?;
        let connection = live.only().ok()?;
        live.wait_for(live::namespaces(connection)).ok()
    });
    listed.unwrap_or_default()
}

/// The Services that CCM takes, in the form that was begun: `attach` is for those without annotations.
fn services(before: &[String], last: &str) -> Candidates {
    let listed = input(before).and_then(|input| {
        let live = Live::open(&input).ok()?;
        let namespace = live.namespace(&input)?;
        live.wait_for(live::services(live.only().ok()?, &namespace)).ok()
    });
    let kind = last.split_once('/').map(|(kind, _)| format!("{kind}/")).unwrap_or_default();
    let listed = listed.unwrap_or_default();
    let services = listed.snapshot.clusters.iter().flat_map(Cluster::services);
    let candidates = services.filter(|service| service.is_taken_by_ccm());
    let about = |service: &Service| {
        let weight = service.metadata.annotations.text(annotation::WEIGHT);
        if weight.is_empty() { String::new() } else { format!("weight {weight}") }
    };
    candidates.map(|service| (format!("{kind}{}", service.metadata.name), about(service))).collect()
}
