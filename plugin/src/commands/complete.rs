//! `__complete`: what kubectl's completion asks for, in the form it reads: a line a candidate, then
//! a line with what the shell shall do.

use std::{collections::BTreeSet, time::Duration};

use clap::{Arg, ArgAction, Args, Command, CommandFactory, Parser, ValueHint};
use clbmigrate_cluster::live;
use clbmigrate_core::{
    annotation,
    object::Service,
    rules::{self, Language, Rule},
    snapshot::Cluster,
    version::CcmVersion,
};

use futures::future::join_all;

use crate::{
    cli::{
        self, Cli, Command as Subcommand, CompleteArgs, ConnectArgs, DurationArg, ShiftSide,
        StatusArgs,
    },
    error::{Error, Exit},
    output::Printer,
    request::Request,
    session::Session,
};

/// Nobody waits longer for a completion.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(3);

/// What a shell does beside the candidates.
#[derive(Clone, Copy)]
enum Directive {
    /// Nothing.
    NoFiles = 4,
    /// Offers files as well.
    Files = 0,
}

/// Completes the last word.
pub fn run(args: &CompleteArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let (last, before) =
        args.words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let (candidates, directive) = candidates(before, last, printer.terminal.language);
    let out = printer.data();
    for (name, about) in candidates.iter().filter(|(name, _)| name.starts_with(last)) {
        let about = about.lines().next().unwrap_or_default();
        if about.is_empty() { writeln!(out, "{name}")? } else { writeln!(out, "{name}\t{about}")? }
    }
    writeln!(out, ":{}", directive as u8)?;
    Ok(Exit::Done)
}

type Candidates = Vec<(String, String)>;

fn candidates(before: &[String], last: &str, language: Language) -> (Candidates, Directive) {
    let root = Cli::command();
    let index = before.iter().position(|word| root.find_subcommand(word).is_some());
    let command = index.and_then(|at| root.find_subcommand(before.get(at)?));
    let Some(command) = command else {
        let is_flag = last.starts_with('-');
        let names = if is_flag { flags(&root, &root) } else { subcommands(&root) };
        return (names, Directive::NoFiles);
    };
    if let Some(flag) = before.last().and_then(|word| valued(&root, command, word)) {
        return values(flag, before);
    }
    if last.starts_with('-') {
        return (flags(&root, command), Directive::NoFiles);
    }
    let after = before.get(index.map_or(0, |at| at + 1)..).unwrap_or_default();
    let argument = positional(command, positionals(&root, command, after));
    let names = match argument.map(|argument| (argument, value_name(argument))) {
        Some((_, Some(cli::SERVICE))) => services(before, last),
        Some((_, Some(cli::RULE))) => {
            let title = |rule: &Rule| rule.words(language).title.to_owned();
            rules::catalogue().map(|rule| (rule.id.to_owned(), title(rule))).collect()
        }
        Some((argument, _)) => possible(argument),
        None => Vec::new(),
    };
    (names, Directive::NoFiles)
}

/// The positional argument after so many others: the last one again, where it takes several values.
fn positional(command: &Command, count: usize) -> Option<&Arg> {
    let repeated = || {
        let last = command.get_positionals().last();
        last.filter(|last| matches!(last.get_action(), ArgAction::Append))
    };
    command.get_positionals().nth(count).or_else(repeated)
}

fn value_name(argument: &Arg) -> Option<&str> {
    argument.get_value_names().and_then(|names| names.first()).map(clap::builder::Str::as_str)
}

fn subcommands(root: &Command) -> Candidates {
    let visible = root.get_subcommands().filter(|command| !command.is_hide_set());
    let about =
        |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();
    visible.map(|command| (command.get_name().to_owned(), about(command))).collect()
}

fn all_flags<'c>(root: &'c Command, command: &'c Command) -> impl Iterator<Item = &'c Arg> {
    command.get_arguments().chain(root.get_arguments().filter(|arg| arg.is_global_set()))
}

fn flags(root: &Command, command: &Command) -> Candidates {
    let visible = all_flags(root, command).filter(|arg| !arg.is_hide_set());
    let named = visible.filter_map(|arg| {
        let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
        Some((format!("--{}", arg.get_long()?), about))
    });
    named.collect()
}

/// The flag that a word is, if it takes a value.
fn valued<'c>(root: &'c Command, command: &'c Command, word: &str) -> Option<&'c Arg> {
    all_flags(root, command).find(|arg| is_flag(arg, word) && arg.get_action().takes_values())
}

/// Whether a word is this flag, without a value behind it.
fn is_flag(arg: &Arg, word: &str) -> bool {
    let is_long = arg.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
    let is_short = arg.get_short().is_some_and(|short| word == format!("-{short}"));
    is_long || is_short
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
        Some("context" | "contexts") => (plain(contexts(before)), Directive::NoFiles),
        Some("from" | "to") => {
            let sides = contexts(before).into_iter().chain(["external".to_owned()]);
            (plain(sides.collect()), Directive::NoFiles)
        }
        Some("ccm-version") => {
            let newest_first = CcmVersion::ALL.iter().rev().map(ToString::to_string);
            (plain(newest_first.collect()), Directive::NoFiles)
        }
        Some("namespace") => (plain(namespaces(before)), Directive::NoFiles),
        _ if is_path(flag) => (Vec::new(), Directive::Files),
        _ => (possible(flag), Directive::NoFiles),
    }
}

fn is_path(flag: &Arg) -> bool {
    matches!(flag.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath)
}

/// The flags that say which cluster and namespace names come from.
fn location_flags() -> Vec<Arg> {
    let connect = ConnectArgs::augment_args(Command::new("connect"));
    let status = StatusArgs::augment_args(Command::new("status"));
    let is_location =
        |arg: &&Arg| matches!(arg.get_long(), Some("namespace" | "context" | "contexts"));
    let narrowing = status.get_arguments().filter(is_location);
    connect.get_arguments().chain(narrowing).cloned().collect()
}

/// The flags of the command line that say which cluster is meant.
fn input(before: &[String]) -> Option<Request> {
    let line = ["kubectl-clbmigrate", "status"].map(str::to_owned);
    match Cli::try_parse_from(line.into_iter().chain(location_words(before))).ok()?.command {
        Subcommand::Status(args) => {
            let mut input = args.input.request();
            input.connect.request_timeout = DurationArg(COMPLETION_TIMEOUT);
            // Such a line is refused, and its token is nothing for either cluster.
            let is_refused =
                sides(before).len() > 1 && input.connect.flag_of_one_cluster().is_some();
            (!is_refused).then_some(input)
        }
        _ => None,
    }
}

/// Whether the command line is of `attach`.
fn is_attach(before: &[String]) -> bool {
    before.iter().any(|word| word == "attach")
}

/// A command line with the flags of other commands: the `--as-user` of `attach` is their `--as`, and its
/// `--as`, which names a Service, is none of theirs.
fn without_new_name(before: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    let mut is_value = false;
    for word in before {
        if std::mem::take(&mut is_value) {
            continue;
        }
        match word.split_once('=').map_or((word.as_str(), None), |(flag, of)| (flag, Some(of))) {
            ("--as", value) => is_value = value.is_none(),
            ("--as-user", None) => words.push("--as".to_owned()),
            ("--as-user", Some(value)) => words.push(format!("--as={value}")),
            _ => words.push(word.clone()),
        }
    }
    words
}

/// The words of the command line that say which cluster is meant.
fn location_words(before: &[String]) -> Vec<String> {
    let before = if is_attach(before) { without_new_name(before) } else { before.to_vec() };
    let before = before.as_slice();
    let mut words = Vec::new();
    // The Service of a shift is that of the side that gains.
    let gains = value(before, "--to").and_then(context_of);
    let is_used =
        |flag: &&Arg| gains.is_none() || !matches!(flag.get_long(), Some("context" | "contexts"));
    let flags: Vec<Arg> = location_flags().into_iter().filter(|flag| is_used(&flag)).collect();
    for (index, word) in before.iter().enumerate() {
        let (name, has_value) =
            word.split_once('=').map_or((word.as_str(), false), |(name, _)| (name, true));
        let is_joined = |flag: &Arg| {
            let short = flag.get_short().map(|short| format!("-{short}"));
            short.is_some_and(|short| word.starts_with(&short) && word.len() > short.len())
        };
        if let Some(flag) = flags.iter().find(|flag| is_flag(flag, name) || is_joined(flag)) {
            words.push(word.clone());
            if flag.get_action().takes_values() && !has_value && !is_joined(flag) {
                words.extend(before.get(index + 1).cloned());
            }
        }
    }
    words.extend(gains.into_iter().flat_map(|context| ["--context".to_owned(), context]));
    words
}

/// The contexts of a shift's sides, each once.
fn sides(before: &[String]) -> BTreeSet<String> {
    let sides = ["--from", "--to"].into_iter().filter_map(|flag| value(before, flag));
    sides.filter_map(context_of).collect()
}

fn context_of(side: &str) -> Option<String> {
    side.parse::<ShiftSide>().ok()?.context().map(str::to_owned)
}

/// The value of a flag, behind it or joined to it by `=`.
fn value<'w>(words: &'w [String], flag: &str) -> Option<&'w str> {
    let joined = |word: &'w String| word.strip_prefix(flag)?.strip_prefix('=');
    let at = words.iter().position(|word| word == flag || joined(word).is_some())?;
    words.get(at).and_then(joined).or_else(|| words.get(at + 1).map(String::as_str))
}

fn contexts(before: &[String]) -> Vec<String> {
    let access = input(before).map(|input| input.connect.access(None)).unwrap_or_default();
    access.contexts().unwrap_or_default()
}

fn namespaces(before: &[String]) -> Vec<String> {
    let listed = input(before).and_then(|input| {
        let session = Session::open(&input).ok()?;
        let connection = session.single_connection().ok()?;
        session.block_on(live::namespaces(connection)).ok()
    });
    listed.unwrap_or_default()
}

/// The Services that CCM takes, in the form that was begun; for `attach` all.
fn services(before: &[String], last: &str) -> Candidates {
    let listed = input(before).and_then(|input| {
        let session = Session::open(&input).ok()?;
        let namespaces = session.namespaces(&input);
        let lists = session
            .connections()
            .iter()
            .map(|connection| live::services(connection, namespaces.over(connection)));
        let lists = session.block_on(join_all(lists)).into_iter().flatten();
        Some(lists.flat_map(|listed| listed.snapshot.clusters).collect::<Vec<_>>())
    });
    let kind = last.split_once('/').map(|(kind, _)| format!("{kind}/")).unwrap_or_default();
    let listed = listed.unwrap_or_default();
    let services = listed.iter().flat_map(Cluster::services);
    let mut known = BTreeSet::new();
    let is_any = is_attach(before);
    let candidates = services.filter(|service| {
        (is_any || service.is_taken_by_ccm()) && known.insert(&service.metadata.name)
    });
    let about = |service: &Service| {
        let weight = service.metadata.annotations.text(annotation::WEIGHT);
        if weight.is_empty() { String::new() } else { format!("weight {weight}") }
    };
    candidates.map(|service| (format!("{kind}{}", service.metadata.name), about(service))).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[rstest]
    #[case::joined("set -nshop svc/", "-nshop")]
    #[case::with_equals("set --token=x svc/", "--token=x")]
    #[case::apart("set -n shop svc/", "-n shop")]
    #[case::without_a_value("set --insecure-skip-tls-verify svc/", "--insecure-skip-tls-verify")]
    #[case::the_gaining_side("shift --from a --to b svc/", "--context b")]
    #[case::the_gaining_side_with_equals("shift --from=a --to=b=shop/web svc/", "--context b")]
    #[case::the_gaining_side_of_several("shift --contexts=a,b --to b svc/", "--context b")]
    #[case::several_contexts("undo --contexts a,b svc/", "--contexts a,b")]
    #[case::a_user("set --as ann svc/", "--as ann")]
    #[case::the_new_service_is_no_user("attach --as shared -n shop svc/", "-n shop")]
    #[case::the_new_service_with_equals("attach --as=shared --as-user=ann svc/", "--as=ann")]
    #[case::a_user_of_attach("attach --as-user ann --as shared svc/", "--as ann")]
    fn the_cluster_is_that_of_the_command_line(#[case] before: &str, #[case] flags: &str) {
        let line = location_words(&words(before));
        assert_eq!(line.join(" "), flags);
    }

    #[test]
    fn every_flag_that_connects_says_where_names_come_from() {
        let flags = location_flags();
        let known = |long: &str| flags.iter().any(|flag| flag.get_long() == Some(long));
        for long in ["kubeconfig", "cluster", "user", "as", "as-group", "token", "namespace"] {
            assert!(known(long), "{long}");
        }
        for long in ["server", "tls-server-name", "certificate-authority", "client-key", "as-uid"] {
            assert!(known(long), "{long}");
        }
        assert!(known("insecure-skip-tls-verify") && known("context"));
        assert!(!known("output") && !known("watch") && !known("selector"));
    }

    #[test]
    fn every_subcommand_that_names_a_service_completes_its_name() {
        let root = Cli::command();
        let named = root.get_subcommands().filter(|command| {
            command.get_positionals().next().and_then(value_name) == Some(cli::SERVICE)
        });
        let named: Vec<&str> = named.map(Command::get_name).collect();
        assert_eq!(named, ["status", "preview", "set", "shift", "undo", "attach"]);
        let rules = root.find_subcommand("explain").and_then(|explain| positional(explain, 3));
        assert_eq!(rules.and_then(value_name), Some(cli::RULE));
        let set = root.find_subcommand("set").expect("a subcommand");
        assert!(positional(set, 2).is_none());
    }
}
