//! JSON as a stream of objects.
//!
//! Only the outer two or three levels are walked here: documents one after another, arrays of them,
//! and the items of Lists. Everything inside an object is left to `serde_json`, on a slice.

use std::{borrow::Cow, io::Read, ops::Range};

use super::{
    error::LoadError,
    event::{Event, RawObject},
    text::TextReader,
};

/// How deep arrays and Lists may lie in each other; what is deeper counts as one value.
const DEPTH: usize = 8;

/// A List whose items are being read.
#[derive(Default)]
struct List {
    api_version: Option<String>,
    kind: Option<String>,
    is_page: bool,
    /// Items without kind that came before the List's kind, with their lines.
    waiting: Vec<(String, u32)>,
}

impl List {
    fn item_kind(&self) -> Option<&str> {
        self.kind.as_deref()?.strip_suffix("List").filter(|kind| !kind.is_empty())
    }
}

/// Where the fields of an object that matter here stand in its text.
#[derive(Default)]
struct TopLevelFields {
    api_version: Option<Range<usize>>,
    kind: Option<Range<usize>>,
    metadata: Option<Range<usize>>,
}

/// Reads objects from a text and hands them to a sink.
pub(crate) struct JsonReader<R, S> {
    text: TextReader<R>,
    sink: S,
}

impl<R: Read, S: FnMut(Event<'_>)> JsonReader<R, S> {
    /// A reader of `text`.
    pub fn new(text: TextReader<R>, sink: S) -> Self {
        Self { text, sink }
    }

    /// The line on which the object that is being read starts.
    pub fn line(&self) -> u32 {
        self.text.held_line()
    }

    /// Reads to the end.
    pub fn read(&mut self) -> Result<(), LoadError> {
        while self.text.peek()?.is_some() {
            self.document(None, 0)?;
        }
        Ok(())
    }

    fn document(&mut self, list: Option<&mut List>, depth: usize) -> Result<(), LoadError> {
        match self.text.peek()? {
            Some(b'{') => self.object(list, depth),
            Some(b'[') if list.is_none() && depth < DEPTH => self.elements(None, depth + 1),
            _ => {
                self.text.keep();
                let line = self.text.line();
                self.text.value()?;
                self.emit(&TopLevelFields::default(), line, list);
                self.text.forget();
                Ok(())
            }
        }
    }

    /// An array: of documents, or of a List's items.
    fn elements(&mut self, mut list: Option<&mut List>, depth: usize) -> Result<(), LoadError> {
        self.text.advance(1);
        if self.text.peek()? == Some(b']') {
            self.text.advance(1);
            return Ok(());
        }
        loop {
            self.document(list.as_deref_mut(), depth)?;
            match self.text.peek()? {
                Some(b',') => self.text.advance(1),
                Some(b']') => break,
                found => return Err(self.text.expected("`,` or `]`", found)),
            }
        }
        self.text.advance(1);
        Ok(())
    }

    /// An object, or a List.
    fn object(&mut self, around: Option<&mut List>, depth: usize) -> Result<(), LoadError> {
        self.text.keep();
        let line = self.text.line();
        let mut fields = TopLevelFields::default();
        let mut list: Option<List> = None;
        self.text.advance(1);
        let mut next = self.text.peek()?;
        while next != Some(b'}') {
            if next != Some(b'"') {
                return Err(self.text.expected("a key in double quotes", next));
            }
            if list.is_some() {
                // Its own text is long gone; only the field at hand is held.
                self.text.keep();
            }
            let key = self.text.value()?;
            match self.text.peek()? {
                Some(b':') => self.text.advance(1),
                found => return Err(self.text.expected("`:`", found)),
            }
            let first = self.text.peek()?;
            // `items` makes a List, as it does for Kubernetes' own clients.
            let is_items = self.text.held(key.clone()) == "\"items\"" && list.is_none();
            if is_items && first == Some(b'[') && depth < DEPTH && self.may_be_list(&fields) {
                let mut open = self.open(&fields);
                self.text.forget();
                self.elements(Some(&mut open), depth + 1)?;
                list = Some(open);
            } else {
                let value = self.text.value()?;
                if is_items && self.is_empty_list(&fields, value.clone()) {
                    list = Some(self.open(&fields));
                } else {
                    self.note(key, value, &mut fields, list.as_mut());
                }
            }
            next = self.text.peek()?;
            match next {
                Some(b',') => {
                    self.text.advance(1);
                    next = self.text.peek()?;
                    if next == Some(b'}') {
                        return Err(self.text.expected("a key in double quotes", next));
                    }
                }
                Some(b'}') => {}
                found => return Err(self.text.expected("`,` or `}`", found)),
            }
        }
        self.text.advance(1);
        match list {
            Some(list) => self.close(&list),
            None => self.emit(&fields, line, around),
        }
        self.text.forget();
        Ok(())
    }

    /// Remembers where a field stands, if it is one that matters here. Keys are compared as they
    /// are written: no writer escapes the letters of these.
    fn note(
        &self,
        key: Range<usize>,
        value: Range<usize>,
        fields: &mut TopLevelFields,
        list: Option<&mut List>,
    ) {
        let key = self.text.held(key);
        match (key, list) {
            ("\"apiVersion\"", None) => fields.api_version = Some(value),
            ("\"kind\"", None) => fields.kind = Some(value),
            ("\"metadata\"", None) => fields.metadata = Some(value),
            ("\"apiVersion\"", Some(list)) => list.api_version = self.string(Some(value)),
            ("\"kind\"", Some(list)) => list.kind = self.string(Some(value)),
            ("\"metadata\"", Some(list)) => list.is_page = is_page(self.text.held(value)),
            _ => {}
        }
    }

    fn may_be_list(&self, fields: &TopLevelFields) -> bool {
        fields.kind.is_none()
            || self.string(fields.kind.clone()).is_some_and(|k| k.ends_with("List"))
    }

    /// Servers write `null` for no items at all.
    fn is_empty_list(&self, fields: &TopLevelFields, items: Range<usize>) -> bool {
        fields.kind.is_some() && self.may_be_list(fields) && self.text.held(items) == "null"
    }

    fn open(&self, fields: &TopLevelFields) -> List {
        List {
            api_version: self.string(fields.api_version.clone()),
            kind: self.string(fields.kind.clone()),
            is_page: fields.metadata.clone().is_some_and(|part| is_page(self.text.held(part))),
            waiting: Vec::new(),
        }
    }

    fn close(&mut self, list: &List) {
        for (text, line) in &list.waiting {
            (self.sink)(Event::Object(RawObject {
                text,
                line: *line,
                api_version: list.api_version.as_deref(),
                kind: list.item_kind(),
                is_item: true,
            }));
        }
        (self.sink)(Event::ListEnd { kind: list.kind.as_deref(), is_whole: !list.is_page });
    }

    fn emit(&mut self, fields: &TopLevelFields, line: u32, around: Option<&mut List>) {
        let text = self.text.held(0..self.text.used());
        let field = |part: &Option<Range<usize>>| string_of(text.get(part.clone()?)?);
        let (api_version, kind) = (field(&fields.api_version), field(&fields.kind));
        if let (None, Some(list)) = (&kind, &around)
            && list.kind.is_none()
        {
            if let Some(list) = around {
                list.waiting.push((text.to_owned(), line));
            }
            return;
        }
        let around = around.as_deref();
        let raw = RawObject {
            text,
            line,
            api_version: api_version
                .as_deref()
                .or_else(|| around.filter(|_| kind.is_none())?.api_version.as_deref()),
            kind: kind.as_deref().or_else(|| around?.item_kind()),
            is_item: around.is_some(),
        };
        (self.sink)(Event::Object(raw));
    }

    fn string(&self, part: Option<Range<usize>>) -> Option<String> {
        string_of(self.text.held(part?)).map(Cow::into_owned)
    }
}

/// A JSON string's value; nothing for anything else.
fn string_of(json: &str) -> Option<Cow<'_, str>> {
    if json.contains('\\') {
        return serde_json::from_str(json).ok().map(Cow::Owned);
    }
    json.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed)
}

/// Whether a List's metadata says that more follows.
fn is_page(metadata: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct ListMeta {
        #[serde(rename = "continue", default)]
        next: Option<String>,
    }
    serde_json::from_str::<ListMeta>(metadata)
        .is_ok_and(|meta| meta.next.is_some_and(|token| !token.is_empty()))
}
