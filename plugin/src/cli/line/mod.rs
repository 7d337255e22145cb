//! Brings a command line as people type it for kubectl into the form that clap reads.
//!
//! kubectl takes flags before the verb, switches with a value (`--wait=false`), and `--dry-run` alone.
//! Which flags there are, and which of them take a value, is in clap's own model of the command line.

mod flags;
#[cfg(test)]
mod tests;

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, Error};

pub use flags::flags_of;
use flags::{FlagWord, Reader};

/// The subcommand that clap adds.
const HELP: &str = "help";

/// A command line, taken apart.
#[derive(Debug, Default)]
pub struct Line {
    program: Option<OsString>,
    /// The verb, with those below it.
    verbs: Vec<OsString>,
    /// Whether there is such a verb.
    is_verb_known: bool,
    /// What stands beside the verbs, in order.
    parts: Vec<Part>,
    /// What is not looked into: from `--` on, or behind an unknown verb.
    rest: Vec<OsString>,
    notes: Vec<String>,
}

/// What stands beside the verbs.
#[derive(Debug)]
enum Part {
    /// A word that is no flag and no flag's value.
    Word(OsString),
    /// A word of flags, with the value of the last one.
    Flags(FlagWord),
    /// What looks like a flag and is none that is known.
    Unknown(OsString),
}

impl Line {
    /// Takes a command line apart, which begins with the program's name.
    ///
    /// # Errors
    /// Where a switch has a value that is neither true nor false.
    pub fn read(root: &Command, words: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let mut words = words.into_iter();
        let mut line = Self { program: words.next(), ..Self::default() };
        let mut command = root;
        let mut reader = Reader::new(root);
        while let Some(word) = words.next() {
            if word == "--" {
                line.rest.push(word);
                break;
            }
            if flags::looks_like_flag(&word) {
                let part = match reader.read(command, &word, &mut words)? {
                    Some(flags) => Part::Flags(flags),
                    None => Part::Unknown(word),
                };
                line.add(part);
            } else if !command.has_subcommands() || line.ends_with_level_for(&word) {
                line.parts.push(Part::Word(word));
            } else {
                let found = command.find_subcommand(&word);
                let is_help = word == HELP || line.is_help();
                line.verbs.push(word);
                match found {
                    _ if is_help => line.is_verb_known = true,
                    Some(found) => {
                        line.is_verb_known = true;
                        command = found;
                        if takes_all(command) {
                            break;
                        }
                    }
                    None => {
                        line.is_verb_known &= line.verbs.len() > 1;
                        break;
                    }
                }
            }
        }
        line.rest.extend(words);
        line.notes = reader.into_notes();
        line.take_levels(places(command));
        Ok(line)
    }

    fn is_help(&self) -> bool {
        self.verbs.first().is_some_and(|verb| verb == HELP)
    }

    /// Adds a part. A switch that is off takes back what was said of it before.
    fn add(&mut self, mut part: Part) {
        if let Part::Flags(new) = &mut part {
            for off in new.take_off() {
                for part in &mut self.parts {
                    if let Part::Flags(flags) = part {
                        flags.remove(&off);
                    }
                }
                new.remove(&off);
            }
        }
        self.parts.push(part);
    }

    /// Whether a word may be the level of a `-v` right before it.
    fn ends_with_level_for(&self, word: &OsString) -> bool {
        let is_bare = matches!(self.parts.last(), Some(Part::Flags(flags)) if flags.wants_level());
        is_bare && flags::is_number(word)
    }

    /// Makes levels of the numbers behind `-v` for which the verb has no place: `-v 6` is a level, but in
    /// `set svc/web -v 40` the number is the weight.
    fn take_levels(&mut self, places: usize) {
        let words = self.parts.iter().filter(|part| matches!(part, Part::Word(_)));
        let mut spare = words.count().saturating_sub(places);
        let mut parts: Vec<Part> = Vec::new();
        for part in std::mem::take(&mut self.parts) {
            match (parts.last_mut(), part) {
                (Some(Part::Flags(flags)), Part::Word(word))
                    if spare > 0 && flags.wants_level() && flags::is_number(&word) =>
                {
                    flags.set_level(word);
                    spare -= 1;
                }
                (_, part) => parts.push(part),
            }
        }
        self.parts = parts;
    }

    /// What the user should know of the way it was written.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The verb, with those below it.
    pub fn verbs(&self) -> impl Iterator<Item = &str> {
        self.verbs.iter().filter_map(|verb| verb.to_str())
    }

    /// The words that are no flags, no flags' values and no verbs.
    pub fn plain_words(&self) -> impl Iterator<Item = &OsString> {
        self.parts.iter().filter_map(|part| match part {
            Part::Word(word) => Some(word),
            Part::Flags(_) | Part::Unknown(_) => None,
        })
    }

    /// The id of the flag at the end that still needs a value.
    pub fn flag_without_value(&self) -> Option<&str> {
        match self.parts.last() {
            Some(Part::Flags(flags)) if self.rest.is_empty() => flags.without_value(),
            _ => None,
        }
    }

    /// Whether a flag of this id is given.
    pub fn has_flag(&self, id: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Flags(flags) if flags.contains(id)))
    }

    /// The flags that are given whose ids fulfil a condition, with their values, in order. One that still
    /// needs a value is left out.
    pub fn flags(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<OsString> {
        let open = self.flag_without_value();
        let is_wanted = |id: &str| is_wanted(id) && open != Some(id);
        let mut words = Vec::new();
        for part in &self.parts {
            if let Part::Flags(flags) = part {
                flags.write_some(&is_wanted, &mut words);
            }
        }
        words
    }

    /// The line as clap reads it: the verbs first, then flags and words in the order in which they were
    /// typed.
    ///
    /// Without a verb that is known, clap complains of that, or of a flag that nothing knows: all others
    /// are left out.
    pub fn into_words(self) -> Vec<OsString> {
        let is_help = self.is_help();
        let mut words: Vec<OsString> = self.program.into_iter().collect();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for part in self.parts {
            match part {
                Part::Flags(flags) if flags.is_version() => flags.write(&mut before),
                Part::Flags(flags) if self.is_verb_known && !is_help => flags.write(&mut after),
                Part::Flags(flags) if self.verbs.is_empty() && flags.is_of_root() => {
                    flags.write(&mut before);
                }
                Part::Flags(_) => {}
                Part::Word(word) => after.push(word),
                Part::Unknown(word) if self.is_verb_known => after.push(word),
                Part::Unknown(word) => before.push(word),
            }
        }
        for more in [before, self.verbs, after, self.rest] {
            words.extend(more);
        }
        words
    }
}

/// How many words that are no flags a command has a place for. One that takes any number of names is
/// counted without them: no name is a number.
fn places(command: &Command) -> usize {
    let takes_one = |arg: &&Arg| !matches!(arg.get_action(), ArgAction::Append);
    command.get_positionals().filter(takes_one).count()
}

/// Whether all that follows is a command's own, flags or not.
fn takes_all(command: &Command) -> bool {
    command.get_positionals().any(Arg::is_trailing_var_arg_set)
}
