//! How long a command takes at the least, as far as its `sleep`s tell. Of a shell's script, only
//! what is carried out in any case counts.

mod words;

use std::time::Duration;

use self::words::{Separator, Word, words_of};

/// How long a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunTime {
    /// At the least; `None` where nothing was read that takes time.
    pub at_least: Option<Duration>,
    /// Whether the command does nothing else that takes time.
    pub is_exact: bool,
}

/// A part of a script that was read.
struct Ran {
    time: RunTime,
    /// Whether it is known to succeed.
    succeeds: bool,
    /// Whether the script ends with it.
    ends: bool,
    /// Whether a command that fails ends the script from here on.
    exits_on_error: bool,
}

impl RunTime {
    const NOTHING: Self = Self { at_least: None, is_exact: true };
    const UNKNOWN: Self = Self { at_least: None, is_exact: false };

    /// One after the other.
    fn then(self, next: Self) -> Self {
        let at_least = match (self.at_least, next.at_least) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Self { at_least, is_exact: self.is_exact && next.is_exact }
    }

    /// Both at once, until both have ended.
    fn beside(self, other: Self) -> Self {
        Self {
            at_least: self.at_least.max(other.at_least),
            is_exact: self.is_exact && other.is_exact,
        }
    }
}

/// How long a program with these arguments takes.
pub(super) fn run_time(command: &[String]) -> RunTime {
    let words: Vec<Word> = command.iter().map(|word| Word::literal(word)).collect();
    run(&words).time
}

/// Commands that take no time and do not fail.
const QUICK: [&str; 4] = ["true", ":", "echo", "set"];

/// Commands that run the one behind them.
const WRAPPERS: [&str; 5] = ["exec", "command", "env", "nohup", "busybox"];

/// Shells that take a script behind `-c`.
const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "ksh", "zsh"];

/// Words that begin something else than a simple command.
const RESERVED: [&str; 12] =
    ["if", "for", "while", "until", "case", "select", "function", "{", "[[", "!", "time", "do"];

/// Reads a program and its arguments.
fn run(words: &[Word]) -> Ran {
    let unknown =
        Ran { time: RunTime::UNKNOWN, succeeds: false, ends: false, exits_on_error: false };
    let mut words = words;
    let mut ends = false;
    let (program, arguments) = loop {
        let Some((first, rest)) = words.split_first() else {
            return Ran { time: RunTime::NOTHING, succeeds: true, ..unknown };
        };
        let Some(text) = first.text() else { return Ran { ends, ..unknown } };
        let name = text.rsplit('/').next().unwrap_or_default();
        if WRAPPERS.contains(&name) {
            ends |= name == "exec";
        } else if !is_assignment(text) {
            break (name, rest);
        }
        words = rest;
    };
    let quick = Ran { time: RunTime::NOTHING, succeeds: true, ends, exits_on_error: false };
    match program {
        "sleep" => match sleep_time(arguments) {
            Some(time) => Ran { time: RunTime { at_least: Some(time), is_exact: true }, ..quick },
            None => Ran { ends, ..unknown },
        },
        "exit" | "return" => Ran { ends: true, ..quick },
        name if QUICK.contains(&name) => {
            Ran { exits_on_error: name == "set" && has_errexit(arguments), ..quick }
        }
        name if SHELLS.contains(&name) => Ran { time: shell_time(arguments), ends, ..unknown },
        _ => Ran { ends, ..unknown },
    }
}

fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else { return false };
    let is_name = |letter: char| letter == '_' || letter.is_ascii_alphanumeric();
    !name.is_empty() && name.chars().all(is_name)
}

/// The arguments of `sleep`, which it adds up: numbers, each with one of `s`, `m`, `h` and `d` or
/// none.
fn sleep_time(arguments: &[Word]) -> Option<Duration> {
    let mut sum = Duration::ZERO;
    for argument in arguments {
        let text = argument.text()?;
        let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
            Some(number) => (number, text.chars().next_back()),
            None => (text, None),
        };
        let seconds = match unit {
            Some('m') => 60.0,
            Some('h') => 3600.0,
            Some('d') => 86400.0,
            _ => 1.0,
        };
        let is_plain = number.chars().all(|letter| letter == '.' || letter.is_ascii_digit());
        let number: f64 = number.parse().ok().filter(|_| is_plain)?;
        sum = sum.saturating_add(Duration::try_from_secs_f64(number * seconds).ok()?);
    }
    (!arguments.is_empty()).then_some(sum)
}

/// Whether the flags of `set`, or of a shell, make it end where a command fails.
fn has_errexit(flags: &[Word]) -> bool {
    let mut flags = flags.iter().filter_map(Word::text);
    flags.any(|flag| flag == "errexit" || (is_flags(flag) && flag.contains('e')))
}

/// Whether a word is of several single-letter flags, such as `-ec`.
fn is_flags(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--")
}

/// How long a shell with these arguments takes.
fn shell_time(arguments: &[Word]) -> RunTime {
    let takes_script = |word: &Word| word.text().is_some_and(|t| is_flags(t) && t.contains('c'));
    let Some(at) = arguments.iter().position(takes_script) else { return RunTime::UNKNOWN };
    let (flags, rest) = arguments.split_at(at + 1);
    match rest.first().and_then(Word::text) {
        Some(script) => script_time(script, has_errexit(flags)),
        None => RunTime::UNKNOWN,
    }
}

/// Whether a part of a script is carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Certainty {
    Always,
    Perhaps,
    Never,
}

/// How long a script takes.
fn script_time(script: &str, exits_on_error: bool) -> RunTime {
    let mut reader = ScriptReader {
        time: RunTime::NOTHING,
        exits_on_error,
        may_have_ended: false,
        succeeds: true,
    };
    let mut pipelines = Vec::new();
    let mut pipeline: Vec<Vec<Word>> = vec![Vec::new()];
    for token in words_of(script) {
        match token {
            words::Token::Word(word) => {
                let is_first = pipeline.last().is_some_and(Vec::is_empty);
                if is_first && word.text().is_some_and(|text| RESERVED.contains(&text)) {
                    return reader.unread(&pipelines);
                }
                if let Some(command) = pipeline.last_mut() {
                    command.push(word);
                }
            }
            words::Token::Separator(Separator::Pipe) => pipeline.push(Vec::new()),
            words::Token::Separator(separator) => {
                let whole = std::mem::replace(&mut pipeline, vec![Vec::new()]);
                pipelines.push((whole, separator));
                let is_list = matches!(separator, Separator::And | Separator::Or);
                if !is_list && reader.list(&std::mem::take(&mut pipelines)) {
                    return reader.time;
                }
            }
            words::Token::Unread => return reader.unread(&pipelines),
        }
    }
    pipelines.push((pipeline, Separator::Next));
    reader.list(&pipelines);
    reader.time
}

type Pipelines = Vec<(Vec<Vec<Word>>, Separator)>;

/// Reads a script's lists of commands, one after the other.
struct ScriptReader {
    time: RunTime,
    exits_on_error: bool,
    may_have_ended: bool,
    /// Whether the last command is known to have succeeded.
    succeeds: bool,
}

impl ScriptReader {
    /// Reads pipelines that `&&` and `||` join. Returns whether the script ends with them.
    fn list(&mut self, pipelines: &Pipelines) -> bool {
        if pipelines.last().is_some_and(|(_, end)| *end == Separator::Background) {
            self.time = self.time.then(RunTime::UNKNOWN);
            return false;
        }
        let mut certainty =
            if self.may_have_ended { Certainty::Perhaps } else { Certainty::Always };
        for (pipeline, separator) in pipelines {
            match certainty {
                Certainty::Always => {
                    if self.pipeline(pipeline) {
                        return true;
                    }
                }
                Certainty::Perhaps => {
                    self.time = self.time.then(RunTime::UNKNOWN);
                    self.succeeds = false;
                }
                Certainty::Never => {}
            }
            certainty = match (separator, self.succeeds) {
                (Separator::Or, true) => Certainty::Never,
                (Separator::And, true) => Certainty::Always,
                _ => Certainty::Perhaps,
            };
        }
        self.may_have_ended |= self.exits_on_error && !self.succeeds;
        false
    }

    /// Reads one pipeline. Returns whether the script ends with it.
    fn pipeline(&mut self, commands: &[Vec<Word>]) -> bool {
        let ran = commands.iter().map(|words| run(words));
        let together = ran.reduce(|a, b| Ran {
            time: a.time.beside(b.time),
            // Each command of a pipeline has a shell of its own.
            ends: false,
            exits_on_error: false,
            ..b
        });
        let Some(ran) = together else { return false };
        self.time = self.time.then(ran.time);
        self.succeeds = ran.succeeds;
        self.exits_on_error |= ran.exits_on_error;
        ran.ends
    }

    /// Ends where something comes that is not read, and that these pipelines may belong to.
    fn unread(mut self, pipelines: &Pipelines) -> RunTime {
        if !pipelines.is_empty() {
            self.list(pipelines);
        }
        self.time.then(RunTime::UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{RunTime, run_time};

    /// The seconds that a command takes, with `+` where it may take more, and `?` where nothing is
    /// known.
    fn read(command: &[&str]) -> String {
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        match run_time(&command) {
            RunTime { at_least: None, .. } => "?".to_owned(),
            RunTime { at_least: Some(time), is_exact } => {
                format!("{}{}", time.as_secs_f64(), if is_exact { "" } else { "+" })
            }
        }
    }

    #[rstest]
    #[case(&["sleep", "30"], "30")]
    #[case(&["/bin/sleep", "30"], "30")]
    #[case(&["sleep", "1m"], "60")]
    #[case(&["sleep", "1.5h", "30s"], "5430")]
    #[case(&["sleep", "0.5"], "0.5")]
    #[case(&["env", "A=1", "sleep", "3"], "3")]
    #[case(&["busybox", "sleep", "3"], "3")]
    #[case(&["sh", "-c", "sleep 3"], "3")]
    #[case(&["/bin/bash", "-ec", "sleep 3"], "3")]
    #[case(&["/bin/sh", "-e", "-c", "sleep 3", "name"], "3")]
    #[case(&["sleep 30"], "?")]
    #[case(&["sleep"], "?")]
    #[case(&["sleep", "infinity"], "?")]
    #[case(&["sleep", "-1"], "?")]
    #[case(&["sleep", "$TIME"], "?")]
    #[case(&["sh", "sleep 3"], "?")]
    #[case(&["sh", "-c"], "?")]
    #[case(&["timeout", "3", "sleep", "30"], "?")]
    #[case(&["nginx", "-s", "quit"], "?")]
    #[case(&[], "?")]
    fn a_program_with_its_arguments(#[case] command: &[&str], #[case] expected: &str) {
        assert_eq!(read(command), expected);
    }

    #[rstest]
    #[case("sleep 30; nginx -s quit", "30+")]
    #[case("sleep 30 && nginx -s quit", "30+")]
    #[case("sleep 30 || nginx -s quit", "30")]
    #[case("sleep 30 && sleep 20 && nginx -s quit", "50+")]
    #[case("nginx -s quit; sleep 30", "30+")]
    #[case("nginx -s quit && sleep 30", "?")]
    #[case("nginx -s quit || sleep 30", "?")]
    #[case("nginx -s quit &&\n sleep 30", "?")]
    #[case("nginx -s quit & sleep 30", "30+")]
    #[case("set -e; nginx -s quit; sleep 30", "?")]
    #[case("set -e; sleep 10; nginx -s quit; sleep 30", "10+")]
    #[case("set -e\nnginx -s quit || true\nsleep 30", "?")]
    #[case("sleep 30 & nginx -s quit", "?")]
    #[case("sleep 30 &", "?")]
    #[case("sleep 30 | cat", "30+")]
    #[case("cat /x | sleep 30; sleep 1", "31+")]
    #[case("exec sleep 30", "30")]
    #[case("exec sleep 30; nginx -s quit", "30")]
    #[case("exec nginx -s quit; sleep 30", "?")]
    #[case("exit 0; sleep 30", "?")]
    #[case("sleep 30; exit 0", "30")]
    #[case("echo \"stops at $(date)\"; sleep 30; true", "30")]
    #[case("echo stops > /proc/1/fd/1 2>&1; sleep 30", "30")]
    #[case("sleep 30 >/dev/null 2>&1", "30")]
    #[case("sleep 30 &> /dev/null", "30")]
    #[case("WAIT=30; sleep $WAIT", "?")]
    #[case("sleep ${WAIT:-30}; sleep 5", "5+")]
    #[case("sleep '30'; sleep \"5\"", "35")]
    #[case("sleep \\\n30", "30")]
    #[case("# sleep 40\n\n  sleep 30  # and that is all\n", "30")]
    #[case("sleep 5; while killall -0 nginx; do sleep 1; done", "5+")]
    #[case("if true; then sleep 30; fi", "?")]
    #[case("(sleep 30)", "?")]
    #[case("sleep 3; (sleep 30)", "3+")]
    #[case("sleep 3 && { sleep 30; }", "3+")]
    #[case("sh -c 'sleep 30; quit'", "30+")]
    #[case("sleep 3; cat <<END\nsleep 30\nEND", "3+")]
    #[case("sleep 30; echo 'open", "30+")]
    #[case("sleep 3;; sleep 4", "7")]
    #[case("", "?")]
    fn a_script(#[case] script: &str, #[case] expected: &str) {
        assert_eq!(read(&["/bin/sh", "-c", script]), expected);
    }
}
