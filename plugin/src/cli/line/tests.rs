use clap::{CommandFactory, FromArgMatches};
use rstest::rstest;

use super::{flags::FlagKind, *};
use crate::cli::{Cli, Command as Verb, DryRun, Verbosity};

const PROGRAM: &str = "kubectl-clbmigrate";

fn read(line: &str) -> Result<Line, Error> {
    let words = [PROGRAM].into_iter().chain(line.split_whitespace()).map(OsString::from);
    Line::read(&Cli::command(), words)
}

/// The line in clap's order, without the program's name.
fn arranged(line: &str) -> String {
    let words = read(line).expect("a line").into_words();
    let words: Vec<&str> = words.iter().skip(1).filter_map(|word| word.to_str()).collect();
    words.join(" ")
}

fn parsed(line: &str) -> Result<Cli, Error> {
    let matches = Cli::command().try_get_matches_from(read(line)?.into_words())?;
    Cli::from_arg_matches(&matches)
}

#[rstest]
#[case::a_value("-n shop status", "status -n shop")]
#[case::a_joined_value("-nshop status", "status -nshop")]
#[case::a_value_with_equals("--namespace=shop status", "status --namespace=shop")]
#[case::a_long_name("--context old status", "status --context old")]
#[case::files("-f x.yaml check", "check -f x.yaml")]
#[case::a_namespace_named_like_a_verb("-n status set web 3", "set -n status web 3")]
#[case::a_value_like_a_flag("--reason -x set web 3", "set --reason -x web 3")]
#[case::several(
    "-n shop --context old -A status svc/web",
    "status -n shop --context old -A svc/web"
)]
#[case::on_both_sides("-n shop status -o json", "status -n shop -o json")]
#[case::two_verbs("-n shop webhook status", "webhook status -n shop")]
#[case::between_two_verbs("webhook -n shop status", "webhook status -n shop")]
#[case::a_letter_of_others("-s https://x:6443 set web 3", "set -s https://x:6443 web 3")]
#[case::impersonation("--as ann status", "status --as ann")]
#[case::the_name_of_a_new_service("--as web-2 attach web", "attach --as web-2 web")]
#[case::of_all_commands("--color never status", "status --color never")]
#[case::help("-h status", "status -h")]
#[case::help_of_two("--help webhook status", "webhook status --help")]
#[case::help_as_a_verb("-n shop help status", "help status")]
#[case::an_unknown_flag("--nonsense status", "status --nonsense")]
#[case::a_misspelt_verb("-n shop stauts", "stauts")]
#[case::an_unknown_flag_before_no_verb("--nonsense x status", "--nonsense x status")]
#[case::no_verb("-n shop", "")]
#[case::no_verb_and_own_flags("--color never -h", "--color never -h")]
#[case::the_version("--version status", "--version status")]
#[case::behind_the_end_of_flags("-n shop status -- -w", "status -n shop -- -w")]
#[case::no_verb_before_the_end_of_flags("-- status", "-- status")]
#[case::what_completion_is_asked("__complete -- -n shop st", "__complete -- -n shop st")]
#[case::what_completion_is_asked_at_once("__complete set -n", "__complete set -n")]
fn flags_before_the_verb_are_read_behind_it(#[case] line: &str, #[case] expected: &str) {
    assert_eq!(arranged(line), expected);
}

#[rstest]
#[case("status")]
#[case("status -Aw -o json")]
#[case("status svc/web -n shop --context=old -v=6 --verbose")]
#[case("set svc/web 40 --reason=x=y --wait -y")]
#[case("set web -1 --wait")]
#[case("preview -f - --against old/ --prune")]
#[case("check --cluster-suffix -blue")]
#[case("nonsense -x")]
#[case("")]
fn an_ordered_line_is_unchanged(#[case] line: &str) {
    assert_eq!(arranged(line), line);
}

#[rstest]
#[case("set web 3 --wait=true", "set web 3 --wait")]
#[case("set web 3 --wait=1", "set web 3 --wait")]
#[case("set web 3 --wait=T", "set web 3 --wait")]
#[case("set web 3 --wait=false", "set web 3")]
#[case("set web 3 --wait --wait=false", "set web 3")]
#[case("set web 3 --wait=false --wait", "set web 3 --wait")]
#[case("set web 3 --wait=F -y=TRUE", "set web 3 -y")]
#[case("status -Aw=true", "status -A -w")]
#[case("status -Aw=0", "status -A")]
#[case("status -Aw -A=false", "status -w")]
#[case("status -w -n=shop", "status -w -n=shop")]
#[case("-A=true status", "status -A")]
#[case("--all-namespaces=false status", "status")]
#[case("status --help=false", "status")]
#[case("set web 3 --reason --wait=false", "set web 3 --reason --wait=false")]
fn a_switch_takes_a_truth_value(#[case] line: &str, #[case] expected: &str) {
    assert_eq!(arranged(line), expected);
}

#[test]
fn a_switch_takes_no_other_value() {
    for value in ["maybe", "", "yes", "tRUE", "2", " true"] {
        let words = [PROGRAM.to_owned(), "status".to_owned(), format!("-w={value}")];
        let error = Line::read(&Cli::command(), words.map(OsString::from)).expect_err("no truth");
        let said = error.to_string();
        assert!(
            said.contains(&format!("invalid value '{value}' for '-w'")) || value.is_empty(),
            "{said}"
        );
        assert!(said.contains("[possible values: true, false]"), "{said}");
    }
}

#[test]
fn a_switch_that_is_off_contradicts_nothing() {
    for line in [
        "status -n shop -A=false",
        "status -f x --watch=false",
        "set web 3 --wait --dry-run=none",
        "set web 3 --wait --dry-run=false",
        "set web 3 --wait=false --dry-run=server",
        "preview web 3 --prune=false",
        "status --no-clb=false --clb-profile x",
    ] {
        assert!(parsed(line).is_ok(), "{line}: {:?}", parsed(line).map(|_| ()));
    }
}

/// All switches of all verbs, with a verb's words.
fn switches() -> Vec<(Vec<String>, String)> {
    let root = Cli::command();
    let mut found = Vec::new();
    let mut open: Vec<(Vec<String>, &Command)> = vec![(Vec::new(), &root)];
    while let Some((verbs, command)) = open.pop() {
        for arg in command.get_arguments().filter(|arg| FlagKind::of(arg) == FlagKind::Switch) {
            let long = arg.get_long().map(|long| format!("--{long}"));
            let short = arg.get_short().map(|short| format!("-{short}"));
            found.extend(long.into_iter().chain(short).map(|name| (verbs.clone(), name)));
        }
        for below in command.get_subcommands() {
            let verbs = verbs.iter().cloned().chain([below.get_name().to_owned()]);
            open.push((verbs.collect(), below));
        }
    }
    found
}

#[test]
fn every_switch_of_every_verb_takes_a_truth_value_and_never_the_next_word() {
    let switches = switches();
    assert!(switches.len() > 40, "{switches:?}");
    for (verbs, name) in switches {
        let verbs = verbs.join(" ");
        let bare = format!("{verbs} {name}");
        for (value, expected) in [("", &bare), ("=true", &bare), ("=1", &bare), ("=false", &verbs)]
        {
            // A verb before which the flag stands, and a word that it might swallow.
            assert_eq!(arranged(&format!("{verbs} {name}{value}")), *expected);
            assert_eq!(arranged(&format!("{name}{value} {verbs}")), *expected);
            assert_eq!(
                arranged(&format!("{verbs} {name}{value} true")),
                format!("{expected} true")
            );
        }
        assert!(read(&format!("{verbs} {name}=maybe")).is_err(), "{verbs} {name}");
    }
}

#[test]
fn a_flag_takes_the_same_in_all_verbs() {
    let root = Cli::command();
    let mut kinds: std::collections::BTreeMap<String, FlagKind> = std::collections::BTreeMap::new();
    for arg in flags_of(&root, &root) {
        let long = arg.get_long().map(|long| format!("--{long}"));
        let short = arg.get_short().map(|short| format!("-{short}"));
        for name in long.into_iter().chain(short) {
            let kind = FlagKind::of(arg);
            assert_eq!(*kinds.entry(name.clone()).or_insert(kind), kind, "{name}");
        }
    }
}

#[rstest]
#[case("status", 0)]
#[case("status -v", 1)]
#[case("-v status", 1)]
#[case("status -v svc/web", 1)]
#[case("-v=6 status", 6)]
#[case("-v6 status", 6)]
#[case("-v 6 status", 6)]
#[case("--v=6 status", 6)]
#[case("--v 6 status", 6)]
#[case("status -v 6", 6)]
#[case("status -Av 6", 6)]
#[case("status -Av6", 6)]
#[case("status -vA", 1)]
#[case("status -vv", 2)]
#[case("status -vvv", 3)]
#[case("status --verbose", 1)]
#[case("status --verbose=8", 8)]
#[case("status --verbose=false", 0)]
#[case("status -v=0", 0)]
#[case("status -v=6 -v=2", 2)]
#[case("explain CLB001 -v 7", 7)]
#[case("undo svc/web -v 7", 7)]
#[case("set svc/web 40 -v 7", 7)]
#[case("set -v 7 svc/web 40", 7)]
#[case("set svc/web -v 40", 1)]
#[case("check -v -A", 1)]
fn the_level_is_a_number_as_for_kubectl(#[case] line: &str, #[case] level: u32) {
    let cli = parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(cli.verbose, Verbosity(level));
}

#[test]
fn a_weight_behind_a_bare_level_is_the_weight() {
    let Verb::Set(args) = parsed("set svc/web -v 40").expect("a line").command else {
        panic!("not set")
    };
    assert_eq!(args.weight.as_deref(), Some("40"));
}

#[rstest]
#[case("status -v=x")]
#[case("status -v=-1")]
#[case("status -v6x")]
fn a_level_is_nothing_else(#[case] line: &str) {
    assert!(parsed(line).is_err());
}

#[rstest]
#[case("set web 3", None, 0)]
#[case("set web 3 --dry-run", Some(DryRun::Client), 1)]
#[case("--dry-run set web 3", Some(DryRun::Client), 1)]
#[case("set --dry-run web 3", Some(DryRun::Client), 1)]
#[case("set web 3 --dry-run=true", Some(DryRun::Client), 1)]
#[case("set web 3 --dry-run=client", Some(DryRun::Client), 0)]
#[case("set web 3 --dry-run=server", Some(DryRun::ApiServer), 0)]
#[case("set web 3 --dry-run=none", None, 0)]
#[case("set web 3 --dry-run=false", None, 0)]
#[case("set web 3 --dry-run=server --dry-run=none", None, 0)]
fn a_dry_run_is_written_as_for_kubectl(
    #[case] line: &str,
    #[case] expected: Option<DryRun>,
    #[case] notes: usize,
) {
    assert_eq!(read(line).expect("a line").notes().len(), notes);
    let Verb::Set(args) = parsed(line).expect("a line").command else { panic!("not set") };
    assert_eq!(args.write.dry_run(), expected);
    assert_eq!((args.target.as_str(), args.weight.as_deref()), ("web", Some("3")));
}

#[test]
fn another_dry_run_is_an_error() {
    assert!(parsed("set web 3 --dry-run=maybe").is_err());
}

#[test]
fn of_a_flag_that_is_given_twice_the_last_one_counts() {
    let Verb::Status(args) = parsed("-n a status -n b --namespace=c").expect("a line").command
    else {
        panic!("not status")
    };
    assert_eq!(args.input.access.namespace.as_deref(), Some("c"));
}

#[test]
fn flags_that_may_be_given_several_times_are_all_kept() {
    let Verb::Check(args) =
        parsed("-f a check -f b --cluster-id x=1 --cluster-id y=2").expect("a line").command
    else {
        panic!("not check")
    };
    assert_eq!((args.input.files.len(), args.input.access.clusters.cluster_id.len()), (2, 2));
}

mod properties {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// Words that command lines are made of, in any order.
    fn words() -> impl Strategy<Value = Vec<String>> {
        const KNOWN: &[&str] = &[
            "status",
            "set",
            "attach",
            "webhook",
            "help",
            "__complete",
            "-n",
            "shop",
            "-Aw",
            "-w=false",
            "--as",
            "--as=x",
            "--dry-run",
            "--dry-run=none",
            "-v",
            "6",
            "-v=6",
            "-vv",
            "--",
            "-",
            "-f",
            "svc/web",
            "40",
            "--wait=maybe",
            "--color",
            "never",
            "-h",
            "-V",
            "--reason=",
            "-o=json",
            "-é",
        ];
        vec(prop_oneof![4 => select(KNOWN).prop_map(str::to_owned), 1 => any::<String>()], 0..9)
    }

    /// Flags that `status` takes, each with its value.
    fn flags() -> impl Strategy<Value = Vec<&'static str>> {
        const KNOWN: &[&str] = &[
            "-n shop",
            "-nlive",
            "--context old",
            "--context=status",
            "-o json",
            "-o=name",
            "-w",
            "-w=true",
            "--as ann",
            "-v=6",
            "-v",
            "--token x",
            "--cluster-id a=b",
            "--no-clb=false",
            "--lang zh",
        ];
        vec(select(KNOWN), 0..6)
    }

    fn shown(line: &str) -> Result<String, String> {
        parsed(line).map(|cli| format!("{cli:?}")).map_err(|error| error.kind().to_string())
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(words in words()) {
            let words = words.into_iter().map(OsString::from);
            if let Ok(line) = Line::read(&Cli::command(), [PROGRAM.into()].into_iter().chain(words)) {
                let _ = Cli::command().try_get_matches_from(line.into_words());
            }
        }

        // In a line that is refused, a flag that its verb does not have may stand before what looks like
        // its value.
        #[test]
        fn a_good_line_that_was_arranged_stays_as_it_is(words in words()) {
            let words = [PROGRAM.to_owned()].into_iter().chain(words).map(OsString::from);
            if let Ok(line) = Line::read(&Cli::command(), words) {
                let once = line.into_words();
                let is_good = Cli::command().try_get_matches_from(once.clone()).is_ok();
                let twice = Line::read(&Cli::command(), once.clone()).map(Line::into_words);
                prop_assert!(!is_good || twice.ok() == Some(once));
            }
        }

        #[test]
        fn flags_mean_the_same_before_and_behind_the_verb(
            flags in flags(),
            split in 0_usize..6,
            target in select(&["", "svc/web", "web svc/api"][..]),
        ) {
            let split = split.min(flags.len());
            let (before, behind) = flags.split_at(split);
            let (before, behind, all) = (before.join(" "), behind.join(" "), flags.join(" "));
            let expected = shown(&format!("status {all} {target}"));
            prop_assert_eq!(&shown(&format!("{before} status {behind} {target}")), &expected);
            prop_assert_eq!(&shown(&format!("{before} status {target} {behind}")), &expected);
            prop_assert_eq!(&shown(&format!("{all} status {target}")), &expected);
        }
    }
}
