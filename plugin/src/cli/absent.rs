//! Flags of other commands, given to one that does not take them.

use clap::{
    Command, Error,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Why the commands that write do not take flags that those take which read.
const OF_WRITES: [(&str, &str); 4] = [
    ("all-namespaces", "-A names no namespace to write in; give one with -n"),
    ("filename", "files cannot be changed; preview shows what a change would do to them"),
    (
        "selector",
        "-l may match several Services; name one: kubectl clbmigrate status -l LABELS -o name lists them",
    ),
    ("contexts", "this command writes in one cluster; name it with --context"),
];

/// The error, with what the flag is that a command does not know, where other commands know it.
pub fn explained(mut error: Error, root: &Command, verb: Option<&str>) -> Error {
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg)
        && let Some(tip) = tip(root, verb.unwrap_or_default(), flag)
    {
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    error
}

/// Why a command does not take a flag, or which commands do.
fn tip(root: &Command, verb: &str, flag: &str) -> Option<String> {
    let flags = |command: &Command| -> Vec<String> {
        let is_it = |arg: &&clap::Arg| {
            arg.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long))
                || arg.get_short().is_some_and(|short| flag == format!("-{short}"))
        };
        command
            .get_arguments()
            .filter(is_it)
            .filter_map(|arg| arg.get_long())
            .map(str::to_owned)
            .collect()
    };
    let takers = root.get_subcommands().filter(|command| !command.is_hide_set());
    let takers: Vec<(&str, Vec<String>)> =
        takers.map(|command| (command.get_name(), flags(command))).collect();
    let known = takers.iter().flat_map(|(_, flags)| flags).next()?;
    let writes = root.find_subcommand(verb)?.get_arguments().any(|arg| arg.get_id() == "dry_run");
    let why = OF_WRITES.iter().find(|(long, _)| writes && known == long);
    if let Some((_, why)) = why {
        return Some((*why).to_owned());
    }
    let takers = takers.iter().filter(|(_, flags)| !flags.is_empty());
    let takers: Vec<&str> = takers.map(|(name, _)| *name).collect();
    Some(format!("{flag} is a flag of {}", takers.join(", ")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use rstest::rstest;

    use super::*;
    use crate::cli::Cli;

    #[rstest]
    #[case::of_reads(&["set", "web", "30", "-A"], "-A names no namespace to write in")]
    #[case::joined(&["undo", "web", "--filename=x"], "files cannot be changed")]
    #[case::of_several_clusters(&["attach", "web", "--contexts", "a,b"], "writes in one cluster")]
    #[case::of_others(&["check", "--wait"], "--wait is a flag of set, shift, undo, attach")]
    fn a_flag_of_other_commands_is_told_as_such(#[case] words: &[&str], #[case] tip: &str) {
        let line = ["kubectl-clbmigrate"].iter().chain(words);
        let error = Cli::command().try_get_matches_from(line).expect_err("an unknown flag");
        let root = Cli::command();
        let said = explained(error, &root, words.first().copied()).to_string();
        assert!(said.contains(tip), "{said}");
        assert!(!said.contains("as a value"), "{said}");
    }

    #[test]
    fn a_misspelt_flag_keeps_its_suggestion() {
        let line = ["kubectl-clbmigrate", "status", "--all-namespace"];
        let error = Cli::command().try_get_matches_from(line).expect_err("an unknown flag");
        let said = explained(error, &Cli::command(), Some("status")).to_string();
        assert!(said.contains("'--all-namespaces'"), "{said}");
    }
}
