//! What help offers: each command its own flags, `options` those of all; and that all of it is accepted.

use clap::{Arg, Command, CommandFactory};
use kubectl_clbmigrate::cli::{self, Cli, Line};
use rstest::rstest;
use serde_json::json;

use crate::{
    api_server::ApiServer,
    program::{Folder, command, finish, run},
};

const MORE: &str =
    "Use \"kubectl clbmigrate options\" for a list of the options that all commands have.\n";

/// The visible commands, as they are typed.
fn commands() -> Vec<(String, Command)> {
    let mut commands = Vec::new();
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name().to_owned();
        for below in command.get_subcommands() {
            commands.push((format!("{name} {}", below.get_name()), below.clone()));
        }
        if !command.has_subcommands() {
            commands.push((name, command.clone()));
        }
    }
    commands
}

/// The flags of a command's own.
fn own(command: &Command) -> Vec<Arg> {
    let shared = cli::shared();
    // `attach` has one under another name.
    let is_same =
        |of: &Arg, arg: &Arg| of.get_id() == arg.get_id() && of.get_long() == arg.get_long();
    let is_shared = |arg: &Arg| shared.iter().any(|of| is_same(of, arg));
    let own = command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set());
    own.filter(|arg| !is_shared(arg)).cloned().collect()
}

fn long(arg: &Arg) -> String {
    format!("--{}", arg.get_long().expect("a long name"))
}

/// Whether help shows a flag, at the head of a line.
fn shows(help: &str, long: &str) -> bool {
    let is_it = |word: &str| word == long || word.starts_with(&format!("{long}["));
    help.lines().any(|line| {
        line.split_whitespace()
            .take(2)
            .any(|word| is_it(word) && line.trim_start().starts_with('-'))
    })
}

#[test]
fn every_help_shows_the_commands_own_flags_and_where_the_others_are() {
    for (name, command) in commands() {
        let help = run(&format!("{name} --help")).out;
        assert!(help.ends_with(MORE), "{help}");
        for arg in own(&command) {
            assert!(shows(&help, &long(&arg)), "{} in {help}", long(&arg));
        }
        let own: Vec<String> = own(&command).iter().map(long).collect();
        for arg in cli::shared() {
            let long = long(&arg);
            assert_eq!(shows(&help, &long), own.contains(&long), "{long} in {help}");
        }
    }
}

#[rstest]
#[case("")]
#[case("--help")]
#[case("webhook --help")]
#[case("help set")]
#[case("options -h")]
fn other_helps_name_the_list_too(#[case] arguments: &str) {
    let ran = run(arguments);
    assert!(format!("{}{}", ran.out, ran.err).ends_with(MORE), "{}{}", ran.out, ran.err);
}

#[test]
fn options_lists_the_flags_of_all_commands_by_heading() {
    let ran = run("options");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for arg in cli::shared() {
        assert!(shows(&ran.out, &long(&arg)), "{} in {}", long(&arg), ran.out);
    }
    let headings: Vec<&str> =
        ran.out.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
    assert_eq!(headings, ["Input:", "Connection:", "CLB API:", "Clusters:", "Output:"]);
    assert!(ran.out.ends_with("\nattach has --as-user in place of --as.\n"), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "{:?}", ran.out);
}

#[rstest]
#[case(60)]
#[case(80)]
fn options_fit_the_terminal(#[case] width: usize) {
    let ran = finish(command().args(["options"]).env("COLUMNS", width.to_string()));
    assert!(ran.out.lines().all(|line| line.chars().count() <= width), "{}", ran.out);
}

#[test]
fn options_are_coloured_where_that_is_asked_for() {
    assert!(run("options --color always").out.contains("\u{1b}["));
}

/// A value that a flag takes.
fn value(arg: &Arg, folder: &Folder, server: &str) -> Option<String> {
    if !arg.get_action().takes_values() {
        return None;
    }
    let long = arg.get_long().expect("a long name");
    if let Some(value) = arg.get_possible_values().first() {
        return Some(value.get_name().to_owned());
    }
    Some(match long {
        "server" => server.to_owned(),
        "filename" | "against" | "overlay" => folder.path("empty.yaml"),
        "kubeconfig" => folder.path("kubeconfig"),
        "dir" => folder.path(""),
        "context" | "cluster" | "from" => "old".to_owned(),
        "to" => "new".to_owned(),
        "contexts" => "old,new".to_owned(),
        "request-timeout" | "timeout" => "2s".to_owned(),
        "as-user-extra" => "a=b".to_owned(),
        "external" => "i-bp1a=30".to_owned(),
        "vgroup" => "rsp-bp1example2:443".to_owned(),
        "backend-type" => "eni".to_owned(),
        "ccm-version" => "2.11".to_owned(),
        "verbose" => "2".to_owned(),
        _ => "x".to_owned(),
    })
}

/// What else a command line needs for a flag, where it does not go with the usual one.
fn base(name: &str, long: &str) -> &'static str {
    match (name, long) {
        ("preview", "against" | "prune") => "-f EMPTY --against EMPTY",
        ("preview", "overlay") => "",
        ("preview", _) => "svc/web 40",
        ("set", "external") | ("undo", _) => "svc/web --yes --force",
        ("set", _) => "svc/web 40 --yes --force",
        ("shift", "finish") => "svc/web --contexts old,new",
        ("shift", _) => "svc/web --from old --to new 20% --yes --force",
        ("attach", _) => "svc/web --clb lb-bp1example --vgroup rsp-bp1example:80 --yes --force",
        ("completion", _) => "install --dir FOLDER",
        _ => "",
    }
}

/// A cluster under two names, and an empty file.
fn world() -> (ApiServer, Folder) {
    let server = ApiServer::start(Vec::new());
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "old",
        "users": [{"name": "x", "user": {}}],
        "clusters": [{"name": "old", "cluster": {"server": server.url}},
                     {"name": "new", "cluster": {"server": server.url}}],
        "contexts": [{"name": "old", "context": {"cluster": "old", "user": "x"}},
                     {"name": "new", "context": {"cluster": "new", "user": "x"}}],
    });
    let folder = Folder::new(&[("kubeconfig", &kubeconfig.to_string()), ("empty.yaml", "")]);
    (server, folder)
}

/// A command line with one flag.
fn line(name: &str, arg: &Arg, (server, folder): &(ApiServer, Folder)) -> Vec<String> {
    let base = base(name, arg.get_long().expect("a long name"));
    let base =
        base.replace("EMPTY", &folder.path("empty.yaml")).replace("FOLDER", &folder.path(""));
    let mut words: Vec<String> =
        name.split(' ').chain(base.split_whitespace()).map(str::to_owned).collect();
    words.push(match value(arg, folder, &server.url) {
        Some(value) => format!("{}={value}", long(arg)),
        None => long(arg),
    });
    words
}

#[test]
fn every_flag_that_help_or_options_shows_is_read_by_every_command() {
    let world = world();
    for (name, command) in commands() {
        let renamed = cli::shared().into_iter().filter(|of| {
            command
                .get_arguments()
                .all(|arg| arg.get_id() != of.get_id() || arg.get_long() == of.get_long())
        });
        for arg in own(&command).into_iter().chain(renamed) {
            let words = line(&name, &arg, &world);
            let all = ["kubectl-clbmigrate".to_owned()].into_iter().chain(words.iter().cloned());
            let root = Cli::command();
            let read = Line::read(&root, all.map(Into::into)).expect("a line").into_words();
            let parsed = root.try_get_matches_from(read);
            assert!(parsed.is_ok(), "{words:?}: {}", parsed.expect_err("an error"));
        }
    }
}

#[rstest]
#[case("status")]
#[case("preview")]
#[case("set")]
#[case("shift")]
#[case("undo")]
#[case("attach")]
#[case("check")]
#[case("explain")]
#[case("webhook status")]
#[case("completion")]
fn no_flag_that_help_shows_is_refused_when_it_is_used(#[case] name: &str) {
    let world = world();
    let command = commands().into_iter().find(|(of, _)| of == name).expect("a command").1;
    // It goes on until somebody ends it.
    let ends = |arg: &&Arg| arg.get_long() != Some("watch");
    let flags: Vec<Arg> = own(&command).iter().filter(ends).cloned().collect();
    assert!(!flags.is_empty());
    for arg in flags {
        let words = line(name, &arg, &world);
        let mut program = crate::program::command();
        let ran = finish(program.args(&words).env("KUBECONFIG", world.1.path("kubeconfig")));
        // What is not there is no refusal of the flag; two names for one cluster are not the flag's.
        let is_refused = ran.code == 2 && !ran.err.contains("are one cluster");
        assert!(!is_refused, "{words:?}: {}", ran.err);
    }
}

#[test]
fn shared_flags_are_taken_where_they_say_nothing() {
    for line in [
        "version -n shop",
        "explain CLB001 --context x",
        "options --token x",
        "-n shop completion bash",
    ] {
        let ran = run(line);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}");
    }
}
