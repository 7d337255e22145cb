//! Help texts, whose examples work; the version; completion scripts.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use clap::CommandFactory;
use kubectl_clbmigrate::cli::Cli;
use rstest::rstest;

use crate::program::{isolated, program, root, run};

/// The examples of all help texts, each as one line of shell.
fn examples() -> Vec<String> {
    let command = Cli::command();
    let helps = std::iter::once(&command).chain(command.get_subcommands());
    let mut examples = Vec::new();
    for help in helps.filter_map(|command| command.get_after_help()) {
        let text = help.to_string().replace("\\\n", " ").replace("|\n", "| ");
        let lines = text.lines().map(str::trim);
        let commands = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        examples.extend(commands.filter(|line| line.contains("clbmigrate ")).map(str::to_owned));
    }
    examples
}

#[test]
fn every_command_has_examples() {
    for command in Cli::command().get_subcommands() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("Examples:"), "{}", command.get_name());
    }
}

#[test]
fn lines_of_examples_fit_a_terminal() {
    for command in Cli::command().get_subcommands() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in help.lines() {
            assert!(line.chars().count() <= 78, "{line}");
        }
    }
}

#[test]
fn every_example_of_every_help_text_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let kubectl = folder.path().join("kubectl");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = clbmigrate ] || exit 9\nshift\nexec {} \"$@\"\n",
        program().display()
    );
    fs::write(&kubectl, script).expect("a script");
    Command::new("chmod").arg("+x").arg(&kubectl).status().expect("chmod");
    let path = format!(
        "{}:{}:{}",
        folder.path().display(),
        program().parent().expect("a folder").display(),
        std::env::var("PATH").expect("PATH")
    );
    let examples = examples();
    assert!(examples.len() > 15, "{examples:#?}");
    // What needs a cluster is tried on one, elsewhere; what writes to the user's shell is not.
    let needs_nothing = |line: &str| {
        line.contains(" -f ")
            || ["explain", "version", "completion"].iter().any(|w| line.contains(w))
    };
    let runnable = examples.iter().filter(|line| {
        needs_nothing(line) && !line.starts_with("kubectl get") && !line.contains("fpath")
    });
    for line in runnable {
        let output = isolated(Path::new("bash"))
            .args(["-c", line])
            .current_dir(root())
            .env("PATH", &path)
            .output()
            .expect("bash");
        let code = output.status.code().expect("a code");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(code == 0 || code == 3, "{line}\n{code}: {err}");
        assert_eq!(err, "", "{line}");
    }
}

#[rstest]
#[case("--help")]
#[case("-h")]
#[case("help")]
#[case("status --help")]
#[case("help preview")]
#[case("check -h")]
fn help_speaks_of_kubectl(#[case] arguments: &str) {
    let ran = run(arguments);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("kubectl clbmigrate"), "{}", ran.out);
    assert!(!ran.out.contains("Usage: kubectl-clbmigrate"), "{}", ran.out);
    assert!(ran.out.contains("Examples:"), "{}", ran.out);
}

#[test]
fn the_help_of_a_usage_error_goes_to_stderr() {
    let ran = run("");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("Usage: kubectl clbmigrate"), "{}", ran.err);
}

#[test]
fn the_version_is_told_in_both_ways() {
    let version = env!("CARGO_PKG_VERSION");
    let flag = run("--version");
    assert_eq!((flag.code, flag.out), (0, format!("kubectl-clbmigrate {version}\n")));
    let command = run("version");
    assert_eq!(command.code, 0);
    assert!(command.out.starts_with(&format!("kubectl-clbmigrate {version}\n")), "{}", command.out);
    assert!(command.out.contains("CCM 2.14"), "{}", command.out);
}

#[rstest]
#[case("bash", "complete -F")]
#[case("zsh", "#compdef kubectl-clbmigrate")]
#[case("fish", "complete -c kubectl-clbmigrate")]
#[case("powershell", "Register-ArgumentCompleter")]
fn completion_scripts_complete_the_plugin(#[case] shell: &str, #[case] part: &str) {
    let ran = run(&format!("completion {shell}"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains(part), "{}", ran.out);
    assert!(ran.out.contains("against"), "{}", ran.out);
}

#[test]
fn the_bash_script_is_valid() {
    let mut bash = isolated(Path::new("bash"))
        .arg("-n")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash");
    let script = run("completion bash").out;
    bash.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("all is read");
    let output = bash.wait_with_output().expect("bash ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_unknown_shell_is_a_usage_error() {
    let ran = run("completion tcsh");
    assert_eq!(ran.code, 2);
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[rstest]
#[case("status")]
#[case("preview")]
#[case("check")]
#[case("set")]
#[case("shift")]
#[case("undo")]
fn what_only_one_command_has_stands_under_no_heading_of_what_all_have(#[case] verb: &str) {
    let help = run(&format!("{verb} --help")).out;
    for heading in ["Connection:", "CLB API:", "Clusters:"] {
        assert!(!help.lines().any(|line| line == heading), "{heading} {help}");
    }
}
