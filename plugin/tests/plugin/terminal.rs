//! Colours, widths, characters, and pipes that close early.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use insta::assert_snapshot;
use rstest::rstest;

use crate::program::{TWO_CLUSTERS, command, finish, isolated, root, run, service, spawn};

const ESCAPE: char = '\u{1b}';

fn status(setup: impl Fn(&mut Command)) -> crate::program::Output {
    let mut command = command();
    command.args(["status", "-f", "deploy/examples/canary/"]);
    setup(&mut command);
    finish(&mut command)
}

#[rstest]
#[case::in_a_pipe(&[], &[], false)]
#[case::forced_by_the_environment(&[("CLICOLOR_FORCE", "1")], &[], true)]
#[case::not_forced_by_0(&[("CLICOLOR_FORCE", "0")], &[], false)]
#[case::no_color_wins(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &[], false)]
#[case::an_empty_no_color_says_nothing(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")], &[], true)]
#[case::the_flag_wins(&[("NO_COLOR", "1")], &["--color", "always"], true)]
#[case::the_flag_wins_over_force(&[("CLICOLOR_FORCE", "1")], &["--color=never"], false)]
#[case::auto_asks_the_environment(&[("CLICOLOR_FORCE", "1")], &["--color", "auto"], true)]
fn colours_follow_the_rules(
    #[case] variables: &[(&str, &str)],
    #[case] flags: &[&str],
    #[case] coloured: bool,
) {
    let ran = status(|command| {
        command.envs(variables.iter().copied()).args(flags);
    });
    assert_eq!(ran.code, 0);
    assert_eq!(ran.out.contains(ESCAPE), coloured, "{:?}", ran.out);
}

#[test]
fn without_colour_not_a_word_is_lost() {
    let plain = status(|_| ());
    let coloured = status(|command| {
        command.args(["--color", "always"]);
    });
    let stripped = strip_ansi_escapes::strip_str(&coloured.out);
    assert_eq!(stripped, plain.out);
}

#[rstest]
#[case("json")]
#[case("yaml")]
#[case("name")]
fn documents_are_never_coloured(#[case] format: &str) {
    let ran = status(|command| {
        command.args(["-o", format, "--color", "always"]);
    });
    assert!(!ran.out.contains(ESCAPE));
}

#[test]
fn messages_and_help_follow_the_flag_too() {
    let bad = ["status", "-f", "missing.yaml", "--color"];
    assert!(finish(command().args(bad).arg("always")).err.contains(ESCAPE));
    assert!(
        !finish(command().args(bad).arg("never").env("CLICOLOR_FORCE", "1")).err.contains(ESCAPE)
    );
    assert!(run("--color always --help").out.contains(ESCAPE));
    assert!(
        !finish(command().args(["--color=never", "--help"]).env("CLICOLOR_FORCE", "1"))
            .out
            .contains(ESCAPE)
    );
}

#[rstest]
#[case("LANG", "C")]
#[case("LC_ALL", "POSIX")]
#[case("TERM", "dumb")]
fn a_plain_terminal_gets_ascii_only(#[case] name: &str, #[case] value: &str) {
    let ran = status(|command| {
        command.env(name, value);
    });
    assert!(ran.out.is_ascii(), "{}", ran.out);
    assert!(ran.out.contains("####"), "{}", ran.out);
    let ran = finish(command().env(name, value).args([
        "preview",
        "web",
        "40",
        "-f",
        "deploy/examples/canary/",
    ]));
    assert!(ran.out.is_ascii(), "{}", ran.out);
    assert!(ran.out.contains("20 -> 40"), "{}", ran.out);
}

fn at_width(width: &str, arguments: &str) -> String {
    finish(command().env("COLUMNS", width).args(arguments.split_whitespace())).out
}

#[rstest]
#[case("40")]
#[case("80")]
#[case("140")]
fn status_fits_the_width(#[case] width: &str) {
    assert_snapshot!(
        format!("status-at-{width}"),
        at_width(width, &format!("status {TWO_CLUSTERS}"))
    );
}

#[rstest]
#[case("40")]
#[case("80")]
#[case("140")]
fn preview_fits_the_width(#[case] width: &str) {
    let out = at_width(width, "preview web 40 -f deploy/examples/canary/");
    assert_snapshot!(format!("preview-at-{width}"), out);
}

#[test]
fn check_fits_the_width() {
    let out = at_width("80", "check -f deploy/examples/mistakes/CLB001-weight-101.yaml");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
}

#[rstest]
#[case("0")]
#[case("1")]
#[case("nonsense")]
#[case("99999999999999999999")]
fn no_width_is_a_panic(#[case] width: &str) {
    for arguments in [
        "status -f deploy/examples/canary/",
        "preview web 101 -f deploy/examples/canary/",
        "explain",
    ] {
        let ran = finish(command().env("COLUMNS", width).args(arguments.split_whitespace()));
        assert!([0, 3].contains(&ran.code), "{arguments}: {}", ran.err);
        assert_eq!(ran.err, "");
    }
}

#[test]
fn a_narrow_terminal_loses_no_word_of_the_table() {
    let words = |text: &str| -> Vec<String> {
        let is_bar = |word: &&str| word.chars().all(|c| "▏▎▍▌▋▊▉█".contains(c));
        let words = text.split_whitespace().filter(|word| !is_bar(word));
        let mut words: Vec<String> = words.map(str::to_lowercase).collect();
        words.sort();
        words.dedup();
        words
    };
    let status = format!("status {TWO_CLUSTERS}");
    let narrow = words(&at_width("30", &status));
    let wide = words(&at_width("200", &status));
    for word in wide.iter().filter(|word| !["context", "name"].contains(&word.as_str())) {
        assert!(narrow.contains(word), "{word} is lost");
    }
}

#[rstest]
#[case("check -f -", 3)]
#[case("check -f - -o json", 3)]
#[case("check -f - -o yaml", 3)]
#[case("check -f - -o sarif", 3)]
#[case("check -f - -o junit", 3)]
#[case("check -f - -o name", 3)]
#[case("status -f -", 0)]
#[case("preview web 101 -f -", 0)]
fn a_reader_that_goes_away_changes_no_exit_code(#[case] arguments: &str, #[case] code: i32) {
    let mut child = spawn(arguments);
    // Nobody reads any more before the program has seen its input, and so before it writes.
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(service("shop", "web", "", "101").as_bytes()).expect("read");
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(code));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[rstest]
#[case("explain")]
#[case("completion bash")]
#[case("version")]
#[case("--help")]
#[case("status --help")]
fn a_reader_that_was_never_there_is_no_error(#[case] arguments: &str) {
    let script =
        format!("sleep 0.1; {} {arguments}; echo $? >&2", crate::program::program().display());
    let mut child = isolated(Path::new("sh"))
        .current_dir(root())
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the shell ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "0\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("the device");
    for format in ["table", "json"] {
        let mut command = command();
        command.args(["status", "-f", "deploy/examples/canary/", "-o", format]);
        command.stdout(full.try_clone().expect("a handle"));
        let output = command.output().expect("the program runs");
        assert_eq!(output.status.code(), Some(1));
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(err.contains("cannot write the output"), "{err}");
    }
}
