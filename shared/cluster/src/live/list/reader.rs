//! A List as an API server writes it, object by object, while it arrives.

use std::{io, str, sync::Arc};

use serde::Deserialize;

use super::ListItems;
use crate::{
    loaded::ParsedObject,
    parse::{FirstValue, Kind, LoadError, ObjectParser, RawObject, end_of_value, message_of},
};

/// How much text is waited for before it is looked at again.
const STEP: usize = 64 << 10;

/// Is called with every object as soon as it is parsed, on the thread that parses.
pub(in crate::live) type SeeObject = Arc<dyn Fn(&ParsedObject) + Send + Sync>;

/// What a List's `metadata` says.
#[derive(Debug, Deserialize, Default, PartialEq)]
pub(super) struct ListMeta {
    /// The token that asks for what follows; empty where nothing does.
    #[serde(rename = "continue", default)]
    pub next: Option<String>,
}

impl ListMeta {
    /// The token that asks for the next page; `None` on the last.
    pub fn token(&self) -> Option<&str> {
        self.next.as_deref().filter(|token| !token.is_empty())
    }
}

/// Where in a List the text stops that was used.
#[derive(Clone, Copy, Default, PartialEq)]
enum Place {
    /// Before everything.
    #[default]
    Start,
    /// Before a field, or the end of a List without any.
    FirstField,
    /// Before a field.
    Field,
    /// Behind a field.
    AfterField,
    /// Before an item, or the end of the items of a List without any.
    FirstItem,
    /// Before an item.
    Item,
    /// Behind an item.
    AfterItem,
    /// Behind the List.
    End,
    /// At something that is not part of a List. What follows is not read.
    Failed,
}

/// Reads a List from the pieces in which it arrives. Of the text it holds what is not parsed yet.
pub(super) struct ListReader {
    see: SeeObject,
    text: Vec<u8>,
    /// How much of the text was used.
    at: usize,
    /// How long the text has to become before it is looked at again.
    enough: usize,
    place: Place,
    has_items: bool,
    api_version: Option<String>,
    kind: Option<String>,
    meta: ListMeta,
    /// Items without a kind that came before the List's.
    waiting: Vec<String>,
    items: ListItems,
}

impl ListReader {
    /// A reader of a List that has not begun.
    pub fn new(see: SeeObject) -> Self {
        Self {
            see,
            text: Vec::new(),
            at: 0,
            enough: STEP,
            place: Place::Start,
            has_items: false,
            api_version: None,
            kind: None,
            meta: ListMeta::default(),
            waiting: Vec::new(),
            items: ListItems::default(),
        }
    }

    /// Reads on.
    pub fn feed(&mut self, text: &[u8]) {
        if self.place == Place::Failed {
            return;
        }
        self.text.extend_from_slice(text);
        if self.text.len() >= self.enough {
            self.advance();
        }
    }

    /// The objects, and what the List says of itself. A List that is not there to its end is an error
    /// of its own beside the objects before it.
    pub fn finish(mut self) -> (ListItems, ListMeta) {
        self.advance();
        match self.place {
            Place::End if self.has_items => self.parse_waiting(),
            Place::End => {
                let kind = self.kind.as_deref().unwrap_or("an object without kind");
                self.items.errors.push(LoadError::NotAList(kind.to_owned()));
            }
            Place::Failed => {}
            _ => self.items.errors.push(not_json("it ends before its end")),
        }
        (self.items, self.meta)
    }

    /// This reader, which leaves one that has not begun.
    pub fn take_out(&mut self) -> Self {
        let another = Self::new(Arc::clone(&self.see));
        std::mem::replace(self, another)
    }

    /// The text cannot be read any further. What was read before stays.
    pub fn fail(&mut self, error: LoadError) {
        if self.place != Place::Failed {
            self.place = Place::Failed;
            self.text = Vec::new();
            self.items.errors.push(error);
        }
    }

    /// Uses all text that there is enough of.
    fn advance(&mut self) {
        loop {
            match self.step() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return self.fail(error),
            }
        }
        self.text.drain(..self.at);
        self.at = 0;
        // What is looked at several times is looked at a few times only.
        self.enough = (2 * self.text.len()).max(STEP);
    }

    /// The text that was not used yet, without white space before it.
    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default().trim_ascii_start()
    }

    /// Goes on behind `end` of [`Self::rest`].
    fn go_on(&mut self, end: usize, place: Place) -> bool {
        self.at = self.text.len() - self.rest().len() + end;
        self.place = place;
        true
    }

    /// Uses one token, field or item. `Ok(false)` where there is not enough text for it.
    fn step(&mut self) -> Result<bool, LoadError> {
        let Some(&next) = self.rest().first() else { return Ok(false) };
        let to = match (self.place, next) {
            (Place::Start, b'{') => Place::FirstField,
            (Place::FirstField | Place::AfterField, b'}') => Place::End,
            (Place::FirstField | Place::Field, b'"') => return self.field(),
            (Place::AfterField, b',') => Place::Field,
            (Place::FirstItem | Place::AfterItem, b']') => Place::AfterField,
            (Place::FirstItem | Place::Item, _) => return self.item(),
            (Place::AfterItem, b',') => Place::Item,
            (place, found) => return Err(unexpected(place, found)),
        };
        Ok(self.go_on(1, to))
    }

    /// Reads a field of the List, or the beginning of its items.
    fn field(&mut self) -> Result<bool, LoadError> {
        let rest = self.rest();
        let Some(key_end) = end_of(rest)? else { return Ok(false) };
        let (key, value) = rest.split_at(key_end);
        let value = value.trim_ascii_start();
        let value = match value.split_first() {
            Some((b':', value)) => value.trim_ascii_start(),
            Some((found, _)) => return Err(unexpected(Place::Field, *found)),
            None => return Ok(false),
        };
        let Some(first) = value.first() else { return Ok(false) };
        let start = rest.len() - value.len();
        let is_items = key == b"\"items\"";
        if is_items && *first == b'[' {
            self.has_items = true;
            return Ok(self.go_on(start + 1, Place::FirstItem));
        }
        let Some(end) = end_of(value)? else { return Ok(false) };
        if end == value.len() {
            // A number may go on.
            return Ok(false);
        }
        let value = value.get(..end).unwrap_or_default();
        // Keys are compared as they are written: no server escapes the letters of these.
        match key {
            b"\"kind\"" => self.kind = serde_json::from_slice(value).ok(),
            b"\"apiVersion\"" => self.api_version = serde_json::from_slice(value).ok(),
            b"\"metadata\"" => self.meta = serde_json::from_slice(value).unwrap_or_default(),
            // Servers write `null` for no items at all.
            b"\"items\"" if value == b"null" => self.has_items = true,
            _ => {}
        }
        Ok(self.go_on(start + end, Place::AfterField))
    }

    /// What the List's kind says that its items are.
    fn item_kind(&self) -> Option<&str> {
        self.kind.as_deref()?.strip_suffix("List").filter(|kind| !kind.is_empty())
    }

    /// Reads an item. Most are parsed in one pass, which also tells where they end.
    fn item(&mut self) -> Result<bool, LoadError> {
        let rest = self.rest();
        if let Some(kind) = self.item_kind() {
            let kind = Kind::of(self.api_version.as_deref(), kind);
            match PARSER.read_first(kind, rest) {
                FirstValue::Whole((object, end)) => {
                    self.add(Ok(ParsedObject::Object(object)));
                    return Ok(self.go_on(end, Place::AfterItem));
                }
                FirstValue::Cut => return Ok(false),
                FirstValue::Other => {}
            }
        }
        let Some(end) = end_of(rest)? else { return Ok(false) };
        let text = rest.get(..end).unwrap_or_default();
        let text = str::from_utf8(text).map_err(|_| not_json("it is not UTF-8"))?;
        match self.parse(text) {
            Some(parsed) => self.add(parsed),
            None => self.waiting.push(text.to_owned()),
        }
        Ok(self.go_on(end, Place::AfterItem))
    }

    /// An item, by its own kind or the List's. `None` where the List's is not known yet.
    fn parse(&self, text: &str) -> Option<Result<ParsedObject, LoadError>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct TypeMeta {
            api_version: Option<String>,
            kind: Option<String>,
        }
        if !text.starts_with('{') {
            let start = text.chars().take(40).collect();
            return Some(Err(LoadError::NotAnObject(start)));
        }
        let own: Option<TypeMeta> = serde_json::from_str(text).ok();
        let own_kind = own.as_ref().and_then(|own| own.kind.as_deref());
        let of_list = || Some((self.api_version.as_deref(), self.item_kind()?));
        let of_item = own_kind.map(|kind| {
            let own_version = own.as_ref().and_then(|own| own.api_version.as_deref());
            (own_version, kind)
        });
        let (api_version, kind) = of_item.or_else(of_list)?;
        let raw = RawObject { text, line: 1, api_version, kind: Some(kind), is_item: true };
        Some(ParsedObject::of(&PARSER, Kind::of(api_version, kind), &raw))
    }

    fn add(&mut self, object: Result<ParsedObject, LoadError>) {
        if let Ok(object) = &object {
            (self.see)(object);
        }
        self.items.objects.push(object);
    }

    /// Parses what came before the List's kind.
    fn parse_waiting(&mut self) {
        for text in std::mem::take(&mut self.waiting) {
            match self.parse(&text) {
                Some(parsed) => self.add(parsed),
                None => self.items.errors.push(LoadError::NoKind),
            }
        }
    }
}

impl io::Write for ListReader {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.feed(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Objects of an API server always name their namespace.
const PARSER: ObjectParser<'static> = ObjectParser { file: None, default_namespace: "" };

/// Where the value ends that a text begins with; `None` where the text does not hold all of it.
fn end_of(text: &[u8]) -> Result<Option<usize>, LoadError> {
    end_of_value(text).map_err(|error| not_json(&message_of(&error)))
}

fn not_json(message: &str) -> LoadError {
    LoadError::Json { line: 1, message: message.to_owned() }
}

fn unexpected(place: Place, found: u8) -> LoadError {
    let what = match place {
        Place::Start => "a List",
        Place::FirstField | Place::Field => "a field in double quotes",
        Place::AfterField => "`,` or `}`",
        Place::FirstItem | Place::Item | Place::AfterItem => "`,` or `]`",
        Place::End | Place::Failed => "nothing more",
    };
    let found = match found {
        byte if byte.is_ascii_graphic() => format!("`{}`", char::from(byte)),
        _ => "something else".to_owned(),
    };
    not_json(&format!("expected {what}, found {found}"))
}
