//! What help shows: of each command its own flags, and of `options` those that all commands have.

use std::{collections::BTreeSet, fmt::Write};

use clap::{Arg, Args, Command, CommandFactory, builder::StyledStr};

use super::{AccessArgs, Cli, MAX_WIDTH};

/// The last line of every help. kubectl has the same.
const MORE: &str =
    "Use \"kubectl clbmigrate options\" for a list of the options that all commands have.";

/// The last but one line of the program's help. kubectl has the same.
const MORE_OF_COMMANDS: &str =
    "Use \"kubectl clbmigrate COMMAND --help\" for more about a command.";

/// The program's commands, in whose help the flags are left out that all of them have.
pub fn parser() -> Command {
    let shared = shared();
    let root = with_footer(Cli::command(), &[MORE_OF_COMMANDS, MORE]);
    let longs: BTreeSet<&str> = shared.iter().filter_map(|arg| arg.get_long()).collect();
    without(root, &longs)
}

/// The command and all below it, without these flags in their help.
fn without(command: Command, shared: &BTreeSet<&str>) -> Command {
    let hidden = |arg: Arg| {
        let is_shared = arg.get_long().is_some_and(|long| shared.contains(long));
        // The `--as` of `attach` is its own.
        if is_shared && arg.get_id() != "new_name" { arg.hide(true) } else { arg }
    };
    command.mut_args(hidden).mut_subcommands(|command| {
        if command.is_hide_set() { command } else { without(with_footer(command, &[MORE]), shared) }
    })
}

fn with_footer(command: Command, lines: &[&str]) -> Command {
    let before = command.get_after_help().map(|help| format!("{help}\n\n")).unwrap_or_default();
    command.after_help(before + &lines.join("\n"))
}

/// The flags that all commands have.
pub fn shared() -> Vec<Arg> {
    let access = AccessArgs::augment_args(Command::new("access"));
    let own = Cli::command();
    let own = own.get_arguments().filter(|arg| arg.is_global_set());
    access.get_arguments().chain(own).cloned().collect()
}

/// The flags that all commands have, under their headings, at the most so wide.
pub fn options(width: Option<usize>) -> StyledStr {
    let mut command = Command::new("options")
        .disable_help_flag(true)
        .help_template("{all-args}")
        .max_term_width(MAX_WIDTH)
        .args(shared());
    if let Some(width) = width {
        command = command.term_width(width);
    }
    let mut help = StyledStr::from("All commands have these options.\n\n");
    let _ = write!(help, "{}", command.render_help().ansi());
    for (command, as_here, there) in renamed() {
        let _ = write!(help, "\n{command} has {there} in place of {as_here}.\n");
    }
    help
}

/// The commands that have such a flag under another name: the command, the name here and there.
fn renamed() -> Vec<(String, String, String)> {
    let shared = shared();
    let root = Cli::command();
    let mut renamed = Vec::new();
    for command in root.get_subcommands() {
        for arg in command.get_arguments() {
            let here = shared.iter().find(|of| of.get_id() == arg.get_id());
            if let Some(here) = here.and_then(Arg::get_long)
                && let Some(there) = arg.get_long()
                && here != there
            {
                let name = command.get_name().to_owned();
                renamed.push((name, format!("--{here}"), format!("--{there}")));
            }
        }
    }
    renamed
}
