//! The flags of a command line.

use std::ffi::{OsStr, OsString};

use clap::{
    Arg, Command, Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// The flags that clap adds.
const BUILT_IN: [(&str, char); 2] = [("help", 'h'), ("version", 'V')];

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagKind {
    /// Nothing, or a truth value behind `=`.
    Switch,
    /// A level, behind `=` or right behind the letter; else one more each time it is given.
    Level,
    /// A dry run's kind behind `=`.
    DryRun,
    /// A value.
    Value,
}

impl FlagKind {
    /// What a flag of clap's model takes.
    pub fn of(arg: &Arg) -> Self {
        match arg.get_id().as_str() {
            "verbose" => Self::Level,
            "dry_run" => Self::DryRun,
            _ if arg.get_action().takes_values() => Self::Value,
            _ => Self::Switch,
        }
    }
}

/// The flags of a command: its own, those of all commands below it, and those of all commands.
pub fn flags_of<'c>(root: &'c Command, command: &'c Command) -> Vec<&'c Arg> {
    let mut flags: Vec<&Arg> = Vec::new();
    let mut commands = vec![command];
    while let Some(command) = commands.pop() {
        flags.extend(command.get_arguments().filter(|arg| !arg.is_positional()));
        commands.extend(command.get_subcommands());
    }
    flags.extend(root.get_arguments().filter(|arg| arg.is_global_set()));
    flags
}

/// A flag that is given.
#[derive(Debug, Clone)]
struct Flag {
    id: String,
    kind: FlagKind,
    /// As it was typed: `-v` or `--verbose`.
    name: String,
    value: Option<OsString>,
    /// Whether it is one of the program itself.
    is_of_root: bool,
    /// Whether it is a switch that is off, or a dry run that is none.
    is_off: bool,
}

/// A word of flags, as `-A`, `-Aw`, `-n shop` or `--wait=true`.
#[derive(Debug, Default)]
pub(super) struct FlagWord {
    typed: Vec<OsString>,
    flags: Vec<Flag>,
    /// Whether they are no longer what was typed.
    is_changed: bool,
}

impl FlagWord {
    /// The ids of flags that are off.
    pub fn take_off(&self) -> Vec<String> {
        self.flags.iter().filter(|flag| flag.is_off).map(|flag| flag.id.clone()).collect()
    }

    /// Leaves a flag out.
    pub fn remove(&mut self, id: &str) {
        let count = self.flags.len();
        self.flags.retain(|flag| flag.id != id);
        self.is_changed |= self.flags.len() != count;
    }

    /// The id of the last flag where that still needs a value.
    pub fn without_value(&self) -> Option<&str> {
        let last = self.flags.last();
        let open = last.filter(|flag| flag.kind == FlagKind::Value && flag.value.is_none());
        open.map(|flag| flag.id.as_str())
    }

    /// Whether a flag of this id is among them.
    pub fn contains(&self, id: &str) -> bool {
        self.flags.iter().any(|flag| flag.id == id)
    }

    /// Whether it ends with a level that is not given.
    pub fn wants_level(&self) -> bool {
        let last = self.flags.last();
        last.is_some_and(|flag| flag.kind == FlagKind::Level && flag.value.is_none())
    }

    /// Gives the last flag this level.
    pub fn set_level(&mut self, level: OsString) {
        if let Some(flag) = self.flags.last_mut() {
            flag.value = Some(level);
            self.is_changed = true;
        }
    }

    /// Whether it asks for the version.
    pub fn is_version(&self) -> bool {
        self.flags.iter().any(|flag| flag.id == "version")
    }

    /// Whether all of it makes sense without a verb.
    pub fn is_of_root(&self) -> bool {
        self.flags.iter().all(|flag| flag.is_of_root)
    }

    /// Adds its words.
    pub fn write(self, words: &mut Vec<OsString>) {
        if self.is_changed {
            self.write_some(&|_| true, words);
        } else {
            words.extend(self.typed);
        }
    }

    /// Adds the words of the flags whose ids fulfil a condition.
    pub fn write_some(&self, is_wanted: &dyn Fn(&str) -> bool, words: &mut Vec<OsString>) {
        for flag in self.flags.iter().filter(|flag| is_wanted(&flag.id)) {
            let mut word = OsString::from(&flag.name);
            if let Some(value) = &flag.value {
                word.push("=");
                word.push(value);
            }
            words.push(word);
        }
    }
}

/// Whether a word may be a flag.
pub(super) fn looks_like_flag(word: &OsStr) -> bool {
    word.len() > 1 && word.as_encoded_bytes().starts_with(b"-")
}

/// Whether a word is a number that a level may be.
pub(super) fn is_number(word: &OsStr) -> bool {
    !word.is_empty() && word.as_encoded_bytes().iter().all(u8::is_ascii_digit)
}

/// A truth value as kubectl reads it. Go: strconv.ParseBool.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Reads flags.
pub(super) struct Reader<'c> {
    root: &'c Command,
    notes: Vec<String>,
}

impl<'c> Reader<'c> {
    /// A reader of the flags of this program.
    pub fn new(root: &'c Command) -> Self {
        Self { root, notes: Vec::new() }
    }

    /// What there is to say of the flags that were read.
    pub fn into_notes(self) -> Vec<String> {
        self.notes
    }

    /// Reads a word of flags of a command, with a value that is a word of its own; nothing where a flag
    /// is not known.
    ///
    /// # Errors
    /// Where a switch has a value that is neither true nor false.
    pub fn read(
        &mut self,
        command: &Command,
        word: &OsStr,
        more: &mut dyn Iterator<Item = OsString>,
    ) -> Result<Option<FlagWord>, Error> {
        let Some(text) = word.to_str() else { return Ok(None) };
        let known = Known::of(self.root, command);
        let mut read = FlagWord { typed: vec![word.to_owned()], ..FlagWord::default() };
        let is_known = match text.strip_prefix("--") {
            Some(long) => self.long(&known, long, &mut read)?,
            None => self.short(&known, text.get(1..).unwrap_or_default(), &mut read)?,
        };
        if let Some(last) = read.flags.last_mut()
            && last.kind == FlagKind::Value
            && last.value.is_none()
            && let Some(value) = more.next()
        {
            read.typed.push(value.clone());
            last.value = Some(value);
        }
        Ok(is_known.then_some(read))
    }

    fn flag(&self, id: String, kind: FlagKind, name: String) -> Flag {
        let is_built_in = BUILT_IN.iter().any(|(name, _)| *name == id);
        let is_of_root = is_built_in || self.root.get_arguments().any(|arg| arg.get_id() == &id);
        Flag { id, kind, name, value: None, is_of_root, is_off: false }
    }

    /// Reads `name` or `name=value`.
    fn long(&mut self, known: &Known<'_>, text: &str, read: &mut FlagWord) -> Result<bool, Error> {
        let (long, value) =
            text.split_once('=').map_or((text, None), |(of, value)| (of, Some(value)));
        let Some((id, kind)) = known.long(long) else { return Ok(false) };
        let flag = self.flag(id, kind, format!("--{long}"));
        self.add(flag, value, read)?;
        Ok(true)
    }

    /// Reads letters, of which the last may have a value right behind it.
    fn short(&mut self, known: &Known<'_>, text: &str, read: &mut FlagWord) -> Result<bool, Error> {
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            let Some((id, kind)) = known.short(letter) else { return Ok(false) };
            let flag = self.flag(id, kind, format!("-{letter}"));
            let value = match (kind, rest.strip_prefix('=')) {
                (_, Some(value)) => Some(std::mem::take(&mut rest)).map(|_| value),
                (FlagKind::Value, None) if !rest.is_empty() => Some(std::mem::take(&mut rest)),
                (FlagKind::Level, None) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
                    read.is_changed = true;
                    Some(std::mem::take(&mut rest))
                }
                _ => None,
            };
            self.add(flag, value, read)?;
        }
        Ok(true)
    }

    /// Adds a flag with the value that stands behind it.
    fn add(
        &mut self,
        mut flag: Flag,
        value: Option<&str>,
        read: &mut FlagWord,
    ) -> Result<(), Error> {
        let truth = value.and_then(parse_bool);
        match (flag.kind, value) {
            (FlagKind::Switch, Some(value)) => {
                flag.is_off = !truth.ok_or_else(|| self.no_truth(&flag.name, value))?;
                read.is_changed = true;
            }
            (FlagKind::DryRun, _) if truth.unwrap_or(value.is_none()) => {
                self.notes.push(format!("{} means {0}=client", flag.name));
                flag.value = Some("client".into());
                read.is_changed = true;
            }
            (FlagKind::DryRun, Some("none")) => flag.is_off = true,
            (FlagKind::DryRun, Some(_)) if truth == Some(false) => flag.is_off = true,
            // `-vv`
            (FlagKind::Level, None) if read.flags.last().is_some_and(|last| last.id == flag.id) => {
                read.is_changed = true;
                if let Some(last) = read.flags.last_mut() {
                    let level = last.value.as_deref().and_then(OsStr::to_str);
                    let level = level.and_then(|level| level.parse().ok()).unwrap_or(1_u32);
                    last.value = Some(level.saturating_add(1).to_string().into());
                }
                return Ok(());
            }
            _ => flag.value = value.map(OsString::from),
        }
        read.flags.push(flag);
        Ok(())
    }

    fn no_truth(&self, flag: &str, value: &str) -> Error {
        let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(self.root);
        let valid = ["true", "false"].map(str::to_owned).to_vec();
        error.insert(ContextKind::InvalidArg, ContextValue::String(flag.to_owned()));
        error.insert(ContextKind::InvalidValue, ContextValue::String(value.to_owned()));
        error.insert(ContextKind::ValidValue, ContextValue::Strings(valid));
        error
    }
}

/// The flags that are known at a place of the command line.
struct Known<'c>(Vec<&'c Arg>);

impl<'c> Known<'c> {
    fn of(root: &'c Command, command: &'c Command) -> Self {
        Self(flags_of(root, command))
    }

    fn long(&self, long: &str) -> Option<(String, FlagKind)> {
        let is_it = |arg: &Arg| {
            let aliases = arg.get_all_aliases().unwrap_or_default();
            arg.get_long() == Some(long) || aliases.contains(&long)
        };
        self.find(is_it, |(name, _)| name == long)
    }

    fn short(&self, letter: char) -> Option<(String, FlagKind)> {
        self.find(|arg| arg.get_short() == Some(letter), |(_, of)| of == letter)
    }

    fn find(
        &self,
        is_it: impl Fn(&Arg) -> bool,
        is_built_in: impl Fn((&str, char)) -> bool,
    ) -> Option<(String, FlagKind)> {
        let found = self.0.iter().find(|arg| is_it(arg));
        let found = found.map(|arg| (arg.get_id().to_string(), FlagKind::of(arg)));
        let built_in = || BUILT_IN.into_iter().find(|built_in| is_built_in(*built_in));
        found.or_else(|| built_in().map(|(name, _)| (name.to_owned(), FlagKind::Switch)))
    }
}
