//! Single objects.

use std::io::{BufReader, Read};

use serde::Deserialize;

use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    list::ListItems,
    request::ApiResponse,
};
use crate::{
    loaded::ParsedObject,
    parse::{Event, JsonReader, Kind, LoadError, ObjectParser, TextReader},
};

/// A single object.
pub(super) struct SingleObject(ApiResponse);

impl ListItems {
    /// Parses an object.
    fn of(object: &SingleObject) -> Self {
        let mut items = Self::default();
        let text = match object.0.open() {
            Ok(text) => TextReader::new(text),
            Err(error) => return Self { errors: vec![LoadError::Read(error)], ..items },
        };
        let mut oddity = None;
        let objects = ObjectParser { file: None, default_namespace: "" };
        let mut reader = JsonReader::new(text, |event: Event<'_>| {
            let Event::Object(raw) = event else { return };
            match raw.kind {
                Some(kind) if raw.text.starts_with('{') => {
                    let kind = Kind::of(raw.api_version, kind);
                    items.objects.push(ParsedObject::of(&objects, kind, &raw));
                }
                Some(_) => {
                    oddity = Some(LoadError::NotAnObject(raw.text.chars().take(40).collect()));
                }
                None => oddity = Some(LoadError::NoKind),
            }
        });
        let read = reader.read();
        items.errors.extend(read.err().or(oddity));
        items
    }
}

impl SingleObject {
    /// The object's UID.
    pub fn uid(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Object {
            metadata: Meta,
        }
        #[derive(Deserialize)]
        struct Meta {
            uid: Option<String>,
        }
        serde_json::from_reader::<_, Object>(self.text()?).ok()?.metadata.uid
    }

    fn text(&self) -> Option<impl Read> {
        self.0.open().ok().map(BufReader::new)
    }
}

impl Connection {
    /// Parses an object on another thread.
    pub(super) async fn items(&self, object: SingleObject) -> Result<ListItems, Error> {
        let read = tokio::task::spawn_blocking(move || ListItems::of(&object)).await;
        read.map_err(|error| self.in_context(Error::new(ErrorKind::Other, error.to_string())))
    }

    /// Reads a single object; `None` where it does not exist or the user may not read it.
    pub(super) async fn object(&self, path: &str) -> Result<Option<SingleObject>, Error> {
        match self.existing_object(path).await {
            Err(error) if error.kind == ErrorKind::Forbidden => Ok(None),
            answer => answer,
        }
    }

    /// Reads a single object; `None` where it does not exist.
    pub(super) async fn existing_object(&self, path: &str) -> Result<Option<SingleObject>, Error> {
        Ok(self.get_optional(path).await?.map(SingleObject))
    }
}
