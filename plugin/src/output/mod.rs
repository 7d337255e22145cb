//! Output: what a command answers on stdout, messages on stderr.

mod bar;
mod closed;
mod format;
pub mod human;
pub mod json;
mod junit;
mod printable;
mod progress;
mod sarif;
mod screen;
mod stream;
pub(crate) mod style;
mod table;
pub(crate) mod text;
mod verbosity;
pub mod yaml;

use std::{
    env,
    io::{self, BufWriter, IsTerminal, Write},
};

use clbmigrate_cluster::Loaded;
use clbmigrate_core::rules::Language;

use self::{
    progress::ProgressLine,
    stream::{StreamState, Unfailing},
    style::{ERROR, FAINT, WARNING},
    text::Text,
};
use crate::error::{Error, Exit};

pub use closed::stdout_is_closed;
pub use format::{ChangeFormat, Color, Format, Lang, Rendering, ReportFormat};
pub use printable::{Detail, FindingsReport, Printable};
pub use progress::Progress;
pub use screen::{CapturedOutput, Screen};
pub use style::Terminal;
pub use verbosity::Verbosity;

/// The program's output: stdout, stderr, and what they can show.
pub struct Printer {
    /// The width and the characters that stdout can show.
    pub terminal: Terminal,
    text: Box<dyn Write>,
    data: Box<dyn Write>,
    stderr: Box<dyn Write>,
    stdout_state: StreamState,
    progress: ProgressLine,
    colours: Colours,
    shows_notes: bool,
    is_verbose: bool,
}

/// Which streams take colours.
#[derive(Debug, Clone, Copy)]
struct Colours {
    stdout: bool,
    stderr: bool,
}

impl Printer {
    /// A printer to the program's own stdout and stderr. Without `lang`, the locale decides.
    pub fn new(color: Color, lang: Option<Lang>, verbosity: Verbosity) -> Self {
        let mut terminal = Terminal::from_stdout();
        terminal.language = lang.map_or(terminal.language, Language::from);
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let colours = is_coloured(color, stdout.is_terminal());
        let has_coloured_stderr = is_coloured(color, stderr.is_terminal());
        let stdout_state = StreamState::default();
        let is_verbose = verbosity.is_verbose();
        // Each request says what is going on, and nothing makes room for it.
        let progress = if verbosity >= Verbosity::REQUESTS {
            ProgressLine::hidden()
        } else {
            ProgressLine::of_stderr(terminal.unicode)
        };
        let data = BufWriter::new(progress.beside(io::stdout()));
        let text = BufWriter::new(progress.beside(stdout));
        let stderr = progress.beside(stderr);
        Self {
            terminal,
            text: styled(Unfailing::new(text, &stdout_state), colours),
            data: Box::new(Unfailing::new(data, &stdout_state)),
            // Talk that nobody hears is no failure.
            stderr: styled(Unfailing::new(stderr, &StreamState::default()), has_coloured_stderr),
            stdout_state,
            progress,
            colours: Colours { stdout: colours, stderr: has_coloured_stderr },
            shows_notes: is_verbose || io::stderr().is_terminal(),
            is_verbose,
        }
    }

    /// A printer that drops everything.
    #[cfg(test)]
    #[must_use]
    pub fn silenced(self) -> Self {
        let nowhere = || Box::new(io::sink());
        Self { text: nowhere(), data: nowhere(), stderr: nowhere(), ..self }
    }

    /// A printer that keeps everything instead of writing it.
    fn into_captured(captured: &CapturedOutput, colours: bool) -> Self {
        let data = || captured.data.clone();
        Self {
            terminal: Terminal::from_stdout(),
            text: styled(data(), colours),
            data: Box::new(data()),
            stderr: styled(captured.stderr.clone(), false),
            stdout_state: StreamState::default(),
            progress: ProgressLine::hidden(),
            colours: Colours { stdout: colours, stderr: false },
            shows_notes: false,
            is_verbose: false,
        }
    }

    /// Has no colours made that no stream takes. It is for the whole program.
    pub fn settle_colours(&self) {
        if !self.colours.stdout && !self.colours.stderr {
            style::never_paint();
        }
    }

    /// Says on a terminal what takes long, until the result is dropped.
    pub fn progress(&self, message: impl Into<String>) -> Progress {
        self.progress.show(message)
    }

    /// Prints what a command answers in that format, and flushes stdout.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn answer(
        &mut self,
        format: impl Into<Rendering>,
        answer: &impl Printable,
    ) -> Result<(), Error> {
        format::print(format.into(), answer, self)
    }

    /// How much is shown to people; `is_wide` is whether all columns are.
    pub fn detail(&self, is_wide: bool) -> Detail {
        Detail { is_wide, is_verbose: self.is_verbose }
    }

    /// Stdout for text with colours, which are dropped where they do not belong.
    pub fn text(&mut self) -> &mut dyn Write {
        &mut self.text
    }

    /// Stdout for programs: what is written arrives unchanged.
    pub fn data(&mut self) -> &mut dyn Write {
        &mut self.data
    }

    /// Writes what is buffered to stdout.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.text.flush()?;
        self.data.flush()?;
        Ok(())
    }

    /// Whether nothing that is written to stdout arrives any more.
    pub fn is_stdout_over(&self) -> bool {
        self.stdout_state.is_over()
    }

    /// Whether the answer is lost though somebody wants it: the disk is full, for example. A reader that
    /// went away wants none.
    pub fn has_lost_answer(&self) -> bool {
        self.stdout_state.has_failed()
    }

    /// Writes what is buffered to stdout, and says why that failed, or an earlier write to it. Then the
    /// program ends with an error, unless its exit says what became of a write.
    pub fn finish(&mut self, exit: Exit) -> Exit {
        let failure = match self.flush() {
            Ok(()) => self.stdout_state.take_failure().map(Error::Io),
            Err(error) => Some(error),
        };
        let Some(failure) = failure else { return exit };
        self.error(&failure);
        match exit {
            Exit::Done | Exit::Findings => Exit::Error,
            exit => exit,
        }
    }

    /// Writes an error with its hints to stderr.
    pub fn error(&mut self, error: &Error) {
        let message = error.to_string();
        let mut lines = message.lines();
        let first = lines.next().unwrap_or_default();
        self.say(&Text::styled(ERROR, "error").and(style::PLAIN, format!(": {first}")));
        for line in lines {
            self.say(&Text::plain(format!("  {line}")));
        }
        for hint in error.hints() {
            self.say(&Text::styled(FAINT, "  hint").and(style::PLAIN, format!(": {hint}")));
        }
    }

    /// Writes a warning to stderr: the command goes on.
    pub fn warning(&mut self, message: &str) {
        self.say(&Text::styled(WARNING, "warning").and(style::PLAIN, format!(": {message}")));
    }

    /// Writes a line to stderr that is no part of the answer.
    pub fn info(&mut self, message: &str) {
        self.say(&Text::plain(message));
    }

    /// Writes a line to stderr where it is a terminal, or with `--verbose`.
    pub fn note(&mut self, message: &str) {
        if self.shows_notes {
            self.say(&Text::styled(FAINT, message));
        }
    }

    /// Stderr, for more than a line.
    pub fn stderr(&mut self) -> &mut dyn Write {
        &mut self.stderr
    }

    /// Writes to stderr what could not be read; on a terminal also which kinds were skipped, and
    /// with `--verbose` how much was read.
    pub fn report_loaded(&mut self, loaded: &Loaded) {
        for problem in &loaded.problems {
            let text = format!(": {problem}");
            self.say(&Text::styled(ERROR, "error").and(style::PLAIN, text));
        }
        let skipped: usize = loaded.skipped.values().sum();
        if self.shows_notes && skipped > 0 {
            let kinds = loaded.skipped.iter();
            let kinds: Vec<String> =
                kinds.map(|(kind, count)| format!("{} {kind}", grouped(*count))).collect();
            let objects = if skipped == 1 { "object" } else { "objects" };
            let message = format!(
                "skipped {} {objects} of kinds nobody needs: {}",
                grouped(skipped),
                kinds.join(", ")
            );
            self.say(&Text::styled(FAINT, message));
        }
        if self.is_verbose {
            let message = format!(
                "read {} objects and {} answers of the CLB API from {} files",
                grouped(loaded.objects),
                grouped(loaded.answers),
                grouped(loaded.files)
            );
            self.say(&Text::styled(FAINT, message));
        }
    }

    /// Writes a line to stderr. A failure to do so changes nothing.
    fn say(&mut self, line: &Text) {
        let written = line.write(&mut self.stderr).and_then(|()| writeln!(self.stderr));
        written.unwrap_or_default();
    }
}

/// A stream that drops the codes of colours, unless it takes them.
fn styled(stream: impl Write + 'static, takes_colours: bool) -> Box<dyn Write> {
    if takes_colours { Box::new(stream) } else { Box::new(Uncoloured(stream)) }
}

/// A stream without the codes of colours, each of which is written at once.
struct Uncoloured<W>(W);

impl<W: Write> Write for Uncoloured<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        const ESCAPE: u8 = 0x1b;
        // Most of what is written has none.
        if bytes.contains(&ESCAPE) {
            self.0.write_all(&strip_ansi_escapes::strip(bytes))?;
        } else {
            self.0.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether to colour: the flag, then `NO_COLOR`, then `CLICOLOR_FORCE`, of which 0 forces nothing,
/// then whether a terminal that can is there.
fn is_coloured(color: Color, is_terminal: bool) -> bool {
    let value = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let is = |name: &str, wanted: &str| value(name).as_deref() == Some(wanted);
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if value("NO_COLOR").is_some() => false,
        Color::Auto if value("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        Color::Auto => is_terminal && !is("CLICOLOR", "0") && !is("TERM", "dumb"),
    }
}

/// `20000` as `20,000`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::grouped;
    use rstest::rstest;

    #[rstest]
    #[case(0, "0")]
    #[case(999, "999")]
    #[case(1000, "1,000")]
    #[case(20_000, "20,000")]
    #[case(1_234_567, "1,234,567")]
    fn large_numbers_are_grouped(#[case] number: usize, #[case] text: &str) {
        assert_eq!(grouped(number), text);
    }
}
