//! The kubectl plugin `kubectl clbmigrate`: what traffic goes where behind a shared CLB, what a
//! change would do, and what is wrong.
//!
//! A library, so that documents and tests are made from the same types and the same command line as
//! the program.
#![forbid(unsafe_code)]

mod change;
mod clb;
pub mod cli;
mod commands;
mod document;
mod error;
mod input;
mod namespaces;
pub mod output;
pub mod policies;
mod request;
mod request_log;
mod selection;
mod selector;
mod session;
mod signals;
mod target;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::FromArgMatches;

use crate::{
    cli::{Cli, Color, Command, Line, Verbosity},
    error::{Error, Exit},
    output::Printer,
};

/// Runs the program. `arguments` begin with the program's name. Errors are written to stderr, and
/// the exit code says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let (cli, notes) = match parse(&arguments) {
        Ok(read) => read,
        Err(error) => return print_clap_error(&error),
    };
    if cli.verbose >= Verbosity::REQUESTS {
        request_log::start();
    }
    let mut printer = Printer::new(cli.color, cli.lang, cli.verbose);
    printer.settle_colours();
    for note in &notes {
        printer.info(note);
    }
    let result = dispatch(&cli, &mut printer);
    let exit = result.unwrap_or_else(|error| {
        printer.error(&error);
        error.exit()
    });
    printer.finish(exit).into()
}

/// Reads the command line. Returns what there is to say of the way it was written, too.
fn parse(arguments: &[OsString]) -> Result<(Cli, Vec<String>), clap::Error> {
    let command = cli::parser().color(match early_color(arguments) {
        Color::Auto => clap::ColorChoice::Auto,
        Color::Always => clap::ColorChoice::Always,
        Color::Never => clap::ColorChoice::Never,
    });
    let line = Line::read(&command, arguments.iter().cloned())?;
    let (verb, notes) = (line.verbs().next().map(str::to_owned), line.notes().to_vec());
    let matches = command.clone().try_get_matches_from(line.into_words());
    let matches = matches.map_err(|error| cli::explained(error, &command, verb.as_deref()))?;
    Ok((Cli::from_arg_matches(&matches)?, notes))
}

/// What `--color` says, for what clap itself prints.
fn early_color(arguments: &[OsString]) -> Color {
    let mut words = arguments.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        match value {
            Some("always") => return Color::Always,
            Some("never") => return Color::Never,
            _ => {}
        }
    }
    Color::Auto
}

/// Help, the version, or what is wrong with the command line.
fn print_clap_error(error: &clap::Error) -> ExitCode {
    let printed = error.print().and_then(|()| io::stdout().flush());
    let exit = match printed {
        // A mistake is one whether or not anybody hears of it.
        _ if error.use_stderr() => Exit::Usage,
        Err(problem) if problem.kind() != io::ErrorKind::BrokenPipe => Exit::Error,
        _ => Exit::Done,
    };
    exit.into()
}

fn dispatch(cli: &Cli, printer: &mut Printer) -> Result<Exit, Error> {
    match &cli.command {
        Command::Status(args) => commands::status::run(args, printer),
        Command::Preview(args) => commands::preview::run(args, printer),
        Command::Set(args) => commands::set::run(args, printer),
        Command::Shift(args) => commands::shift::run(args, printer),
        Command::Undo(args) => commands::undo::run(args, printer),
        Command::Attach(args) => commands::attach::run(args, printer),
        Command::Check(args) => commands::check::run(args, printer),
        Command::Explain(args) => commands::explain::run(args, printer),
        Command::Policies(args) => commands::policies::run(args, printer),
        Command::Webhook(args) => commands::webhook::run(args, printer),
        Command::Version(_) => commands::version::run(printer),
        Command::Options(_) => commands::options::run(printer),
        Command::Complete(args) => commands::complete::run(args, printer),
        Command::Completion(args) => commands::completion::run(args, printer),
    }
}
