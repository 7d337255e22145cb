//! YAML, turned into JSON of the same lines.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    DuplicateKeyPolicy, MessageFormatter, Options, Spanned, UserMessageFormatter,
    budget::BudgetBreach,
};

use crate::parse::LoadError;

/// The limit of nodes in a document; a document of more bytes may have one node a byte. It stops
/// aliases that multiply each other.
const NODES: usize = 250_000;

/// The same for the bytes of keys and values.
const SCALARS: usize = 16 << 20;

/// Levels of nesting. The deepest schemas in custom resource definitions need about 40, and a
/// thread of 2 MiB has room for 80 even in an unoptimised build.
const DEPTH: usize = 64;

/// One document of a YAML file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Document<'a> {
    /// Its text, from its `---` on.
    pub text: &'a str,
    /// The line of the file it starts on.
    pub line: u32,
}

/// The documents of a file that hold anything. A syntax error in one of them leaves the others
/// alone, since no line of theirs can start with a marker.
pub(crate) fn documents(text: &str) -> impl Iterator<Item = Document<'_>> {
    let mut found = Vec::new();
    let mut open = Document { text: "", line: 1 };
    let (mut start, mut at, mut line) = (0, 0, 1_u32);
    for row in text.split_inclusive('\n') {
        let marker = row.trim_end();
        let opens = marker == "---" || row.starts_with("--- ") || row.starts_with("---\t");
        let is_end = marker == "...";
        let next = at + row.len();
        if opens || is_end {
            open.text = text.get(start..at).unwrap_or_default();
            found.push(open);
            start = if is_end { next } else { at };
            open.line = if is_end { line.saturating_add(1) } else { line };
        }
        at = next;
        line = line.saturating_add(1);
    }
    open.text = text.get(start..).unwrap_or_default();
    found.push(open);
    found.into_iter().filter(|document| document.text.lines().any(says_something))
}

fn says_something(line: &str) -> bool {
    let line = line.strip_prefix("---").unwrap_or(line).trim();
    !(line.is_empty() || line.starts_with('#') || line.starts_with('%'))
}

/// A document as JSON, in which every key stands on the line it has in the document.
pub(super) fn to_json(document: Document<'_>) -> Result<Vec<u8>, LoadError> {
    convert(document, options(document.text.len()))
}

/// The same of a kubeconfig, in which the last of two equal keys counts (sigs.k8s.io/yaml, not
/// strict).
pub(crate) fn to_json_of_config(document: Document<'_>) -> Result<Vec<u8>, LoadError> {
    let mut options = options(document.text.len());
    options.duplicate_keys = DuplicateKeyPolicy::LastWins;
    convert(document, options)
}

fn convert(document: Document<'_>, options: Options) -> Result<Vec<u8>, LoadError> {
    let mut writer = Writer { json: Vec::with_capacity(document.text.len()), line: 1 };
    serde_saphyr::with_deserializer_from_str_with_options(document.text, options, |yaml| {
        (&mut writer).deserialize(yaml)
    })
    .map_err(|error| {
        let line = error.location().map_or(1, |location| location.line());
        let line = u32::try_from(line).unwrap_or(u32::MAX).saturating_sub(1);
        LoadError::Yaml {
            line: document.line.saturating_add(line),
            message: message_of(&error, document),
        }
    })?;
    Ok(writer.json)
}

fn message_of(error: &serde_saphyr::Error, document: Document<'_>) -> String {
    use serde_saphyr::Error;

    match error.without_snippet() {
        Error::AliasError { error, .. } => message_of(error, document),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            format!("nested deeper than {DEPTH} levels")
        }
        Error::Budget { .. } => "its aliases come to far more than is written".to_owned(),
        other => {
            let message = UserMessageFormatter.format_message(other);
            let is_template = document.text.contains("{{");
            let hint = if is_template { " (a template? render it first)" } else { "" };
            format!("{message}{hint}")
        }
    }
}

fn options(size: usize) -> Options {
    let nodes = NODES.max(size);
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH,
            max_nodes: nodes,
            max_events: nodes.saturating_mul(2),
            max_total_scalar_bytes: SCALARS.max(size),
        },
        // What Kubernetes' own parser does: 010 is 8.
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

/// Writes JSON, and line breaks where the next key stands further down.
struct Writer {
    json: Vec<u8>,
    line: u64,
}

impl Writer {
    fn go_to(&mut self, line: u64) {
        while self.line < line {
            self.json.push(b'\n');
            self.line += 1;
        }
    }

    fn write<E: Error>(&mut self, value: &(impl serde::Serialize + ?Sized)) -> Result<(), E> {
        serde_json::to_writer(&mut self.json, value).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for &mut Writer {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Writer {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.write(&())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        // 080 and 1e3 are whole numbers to Kubernetes. Display writes them without a fraction.
        self.json.extend(value.to_string().bytes());
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.write(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.json.push(b'[');
        let mut is_first = true;
        loop {
            let end = self.json.len();
            if !is_first {
                self.json.push(b',');
            }
            if items.next_element_seed(&mut *self)?.is_none() {
                self.json.truncate(end);
                break;
            }
            is_first = false;
        }
        self.json.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut between = b'{';
        while let Some(key) = fields.next_key::<Spanned<String>>()? {
            // The object starts where its first key does.
            self.go_to(key.referenced.line());
            self.json.push(between);
            between = b',';
            self.write(&key.value)?;
            self.json.push(b':');
            fields.next_value_seed(&mut *self)?;
        }
        if between == b'{' {
            self.json.push(between);
        }
        self.json.push(b'}');
        Ok(())
    }
}
