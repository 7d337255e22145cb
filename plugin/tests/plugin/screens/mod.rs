//! What each verb prints at 60, 80 and 120 columns, with and without colours, where all is known and
//! where nothing is but the Service. Each snapshot holds all six, so that they are read side by side.

mod changes;
mod reads;

use std::process::Command;

use clbmigrate_core::rules;

use crate::program::{command, finish};

/// The columns of the terminals.
const WIDTHS: [usize; 3] = [60, 80, 120];

/// What a command prints in every terminal, each under a ruler. `make` is the command.
fn screens(make: impl Fn() -> Command) -> String {
    let mut screens = Vec::new();
    for color in ["never", "always"] {
        for width in WIDTHS {
            let mut command = make();
            command.env("COLUMNS", width.to_string()).args(["--color", color]);
            let ran = finish(&mut command);
            if color == "never" {
                assert_fits(&ran.out, width);
            }
            let title = match color {
                "never" => format!("{width} columns"),
                _ => format!("{width} columns, colours"),
            };
            screens.push(format!("{title:-<width$}\n{}", ran.out));
            if !ran.err.is_empty() {
                screens.push(format!("{:-<width$}\n{}", "stderr", ran.err));
            }
            let exit = format!("exit {}", ran.code);
            screens.push(format!("{exit:-<width$}\n\n"));
        }
    }
    readable(&screens.concat())
}

/// Escape codes as somebody types them.
fn readable(text: &str) -> String {
    text.replace('\u{1b}', "\\e")
}

/// How lines begin that stay whole: those of a diff, and commands.
const COPIED: [&str; 6] = ["+ ", "- ", "  aliyun ", "  kubectl ", "helm ", "kubectl "];

/// Whether a line is one of a rule's example, which is printed as it is typed.
fn is_example(line: &str) -> bool {
    rules::catalogue().any(|rule| {
        [rule.bad, rule.good].iter().any(|text| text.lines().any(|of| of == line.trim_start()))
    })
}

/// Demands that no line is wider than the terminal, but one that is copied whole: a word that is wider
/// itself, a command, or a line of a diff.
fn assert_fits(shown: &str, width: usize) {
    for line in shown.lines() {
        let is_copied = COPIED.iter().any(|start| line.starts_with(start)) || is_example(line);
        let longest = line.split_whitespace().map(|word| word.chars().count()).max();
        let is_one_word = longest.unwrap_or_default() + 6 > width;
        assert!(
            is_copied || is_one_word || unicode_width::UnicodeWidthStr::width(line) <= width,
            "{width} columns: {line}"
        );
    }
}

/// The program with these arguments, split at spaces.
fn program(arguments: &str) -> Command {
    let mut command = command();
    command.args(arguments.split_whitespace());
    command
}
