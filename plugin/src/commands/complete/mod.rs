//! `__complete`: what kubectl's completion asks for, in the form it reads: a line a candidate, then
//! a line with what the shell shall do.

mod cluster;

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, CommandFactory, ValueHint};
use clbmigrate_core::{
    rules::{self, Language, Rule},
    version::CcmVersion,
};

use crate::{
    cli::{self, Cli, CompleteArgs, Line},
    error::{Error, Exit},
    output::Printer,
};

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
    // The shell completes what stands behind the `=` of a flag.
    let begun = joined(last).map_or(last, |(_, value)| value);
    for (name, about) in candidates.iter().filter(|(name, _)| name.starts_with(begun)) {
        let about = about.lines().next().unwrap_or_default();
        if about.is_empty() { writeln!(out, "{name}")? } else { writeln!(out, "{name}\t{about}")? }
    }
    writeln!(out, ":{}", directive as u8)?;
    Ok(Exit::Done)
}

type Candidates = Vec<(String, String)>;

fn candidates(before: &[String], last: &str, language: Language) -> (Candidates, Directive) {
    let nothing = (Vec::new(), Directive::NoFiles);
    let root = Cli::command();
    let words = ["kubectl-clbmigrate"].into_iter().map(OsString::from);
    let words = words.chain(before.iter().map(OsString::from));
    // Of a line that is wrong already, nothing is completed.
    let Ok(line) = Line::read(&root, words) else { return nothing };
    let mut command = &root;
    for verb in line.verbs() {
        match command.find_subcommand(verb) {
            Some(found) => command = found,
            None if verb == "help" => {}
            None => return nothing,
        }
    }
    let flags = cli::flags_of(&root, command);
    if let Some(id) = line.flag_without_value() {
        let flag = flags.iter().find(|flag| flag.get_id() == id);
        return flag.map_or(nothing, |flag| values(flag, command, &line, last));
    }
    if let Some((name, value)) = joined(last) {
        let flag = flags.iter().find(|flag| is_flag(flag, name));
        return flag.map_or(nothing, |flag| values(flag, command, &line, value));
    }
    if last.starts_with('-') {
        return (names_of_flags(&root, command, &line), Directive::NoFiles);
    }
    if command.has_subcommands() {
        return (subcommands(command), Directive::NoFiles);
    }
    let argument = positional(command, line.plain_words().count());
    let names = match argument.map(|argument| (argument, value_name(argument))) {
        Some((_, Some(cli::SERVICE))) => {
            let named: Vec<&str> = line.plain_words().filter_map(|word| word.to_str()).collect();
            let mut services = cluster::services(command, &line, last);
            services.retain(|(name, _)| !named.contains(&name.as_str()));
            services
        }
        Some((_, Some(cli::RULE))) => {
            let title = |rule: &Rule| rule.words(language).title.to_owned();
            rules::catalogue().map(|rule| (rule.id.to_owned(), title(rule))).collect()
        }
        Some((argument, _)) => possible(argument),
        None => Vec::new(),
    };
    (names, Directive::NoFiles)
}

/// A flag and the beginning of its value, joined by `=`.
fn joined(word: &str) -> Option<(&str, &str)> {
    if word.starts_with('-') { word.split_once('=') } else { None }
}

/// Whether a word is this flag, without a value behind it.
fn is_flag(arg: &Arg, word: &str) -> bool {
    let is_long = arg.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
    let is_short = arg.get_short().is_some_and(|short| word == format!("-{short}"));
    is_long || is_short
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

/// The flags that may still be given. Before the verb, those that all commands have.
fn names_of_flags(root: &Command, command: &Command, line: &Line) -> Candidates {
    let is_verb_open = command.has_subcommands();
    let flags = if is_verb_open { cli::shared() } else { own_and_global(root, command) };
    let given: Vec<&Arg> =
        command.get_arguments().filter(|arg| line.has_flag(arg.get_id().as_str())).collect();
    let is_refused = |arg: &Arg| {
        let is_repeated = matches!(arg.get_action(), ArgAction::Append);
        let is_given = line.has_flag(arg.get_id().as_str()) && !is_repeated;
        let is_own = !is_verb_open && !arg.is_global_set();
        is_given || is_own && given.iter().any(|other| contradict(command, arg, other))
    };
    let visible = flags.iter().filter(|arg| !arg.is_hide_set() && !is_refused(arg));
    let named = visible.filter_map(|arg| {
        let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
        Some((format!("--{}", arg.get_long()?), about))
    });
    named.collect()
}

fn own_and_global(root: &Command, command: &Command) -> Vec<Arg> {
    let global = root.get_arguments().filter(|arg| arg.is_global_set());
    command.get_arguments().chain(global).cloned().collect()
}

/// Whether a command takes one of two flags only.
fn contradict(command: &Command, one: &Arg, other: &Arg) -> bool {
    let excludes = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|of| of.get_id() == other.get_id())
    };
    excludes(one, other) || excludes(other, one)
}

fn possible(arg: &Arg) -> Candidates {
    let values = arg.get_possible_values();
    let about = |value: &clap::builder::PossibleValue| {
        value.get_help().map(ToString::to_string).unwrap_or_default()
    };
    values.iter().map(|value| (value.get_name().to_owned(), about(value))).collect()
}

/// What may be the value of a flag that begins like this.
fn values(flag: &Arg, command: &Command, line: &Line, begun: &str) -> (Candidates, Directive) {
    let names: Vec<String> = match flag.get_long() {
        Some("context" | "contexts") => cluster::contexts(command, line),
        Some("from" | "to") => {
            let sides = cluster::contexts(command, line).into_iter();
            sides.chain(["external".to_owned()]).collect()
        }
        Some("ccm-version") => CcmVersion::ALL.iter().rev().map(ToString::to_string).collect(),
        Some("namespace") => cluster::namespaces(command, line),
        _ if is_path(flag) => return (Vec::new(), Directive::Files),
        _ => return (possible(flag), Directive::NoFiles),
    };
    // Of several values, those before the last comma stay.
    let before = match flag.get_value_delimiter().and_then(|delimiter| begun.rfind(delimiter)) {
        Some(comma) => begun.get(..=comma).unwrap_or_default(),
        None => "",
    };
    let chosen: Vec<&str> = before.split(',').collect();
    let names = names.into_iter().filter(|name| !chosen.contains(&name.as_str()));
    let names = names.map(|name| (format!("{before}{name}"), String::new()));
    (names.collect(), Directive::NoFiles)
}

fn is_path(flag: &Arg) -> bool {
    matches!(flag.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn offered(words: &str) -> Vec<String> {
        let mut words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let last = words.pop().unwrap_or_default();
        let (candidates, _) = candidates(&words, &last, Language::English);
        candidates.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn verbs_are_those_of_the_command_line() {
        let root = Cli::command();
        let visible = root.get_subcommands().filter(|command| !command.is_hide_set());
        let visible: Vec<&str> = visible.map(Command::get_name).collect();
        for line in ["", "-n shop ", "--context status ", "-v=6 -A=true ", "help "] {
            assert_eq!(offered(line), visible, "{line:?}");
        }
        assert_eq!(offered("webhook "), ["status"]);
        assert_eq!(offered("-n shop webhook "), ["status"]);
    }

    #[test]
    fn every_verb_offers_its_flags_and_those_of_all() {
        let root = Cli::command();
        for command in
            root.get_subcommands().filter(|of| !of.is_hide_set() && !of.has_subcommands())
        {
            let offered = offered(&format!("{} --", command.get_name()));
            let own = own_and_global(&root, command);
            for arg in own.iter().filter(|arg| !arg.is_hide_set()) {
                let Some(long) = arg.get_long() else { continue };
                assert!(offered.contains(&format!("--{long}")), "{} {long}", command.get_name());
            }
        }
        assert_eq!(offered("--").len(), cli::shared().len());
    }

    #[rstest]
    #[case::what_contradicts("status -f x --", "--token", false)]
    #[case::what_does_not("status --no-headers --", "--token", true)]
    #[case::what_is_given("status --watch --", "--watch", false)]
    #[case::what_is_off("status --watch=false --", "--watch", true)]
    #[case::what_may_be_repeated("check --cluster-id a --", "--cluster-id", true)]
    #[case::a_flag_of_others("set svc/web 3 --", "--filename", false)]
    #[case::the_user_of_attach("attach --", "--as-user", true)]
    #[case::no_flag_is_hidden("shift --", "--wait", false)]
    fn no_flag_is_offered_that_is_refused(
        #[case] line: &str,
        #[case] flag: &str,
        #[case] is_offered: bool,
    ) {
        assert_eq!(offered(line).contains(&flag.to_owned()), is_offered, "{:?}", offered(line));
    }

    #[rstest]
    #[case::apart("status -o ", &["table", "wide", "json", "yaml", "name"])]
    #[case::joined("status --output=", &["table", "wide", "json", "yaml", "name"])]
    #[case::a_letter("status -o=", &["table", "wide", "json", "yaml", "name"])]
    #[case::before_the_verb("--color ", &["auto", "always", "never"])]
    #[case::a_value_or_none("set web 3 --dry-run=", &["none", "client", "server"])]
    #[case::shells("completion ", &["bash", "zsh", "fish", "powershell", "install"])]
    #[case::nothing_behind_a_bare_dry_run("set web 3 --dry-run ", &[])]
    #[case::an_unknown_verb("nonsense ", &[])]
    #[case::a_line_that_is_wrong("status -w=maybe -o ", &[])]
    fn values_are_those_of_the_flag(#[case] line: &str, #[case] values: &[&str]) {
        assert_eq!(offered(line), values);
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
