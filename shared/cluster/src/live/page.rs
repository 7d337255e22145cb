//! Listings, page by page.

use std::{
    fmt,
    io::{BufReader, Read},
    ops::RangeInclusive,
};

use futures::{Stream, TryStreamExt, stream::try_unfold};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    request::ApiResponse,
};
use crate::{
    loaded::ParsedObject,
    parse::{Event, JsonReader, Kind, LoadError, ObjectParser, TextReader},
};

/// How many objects the first page of a listing holds, as kubectl has it, and how many a page holds
/// at the most. Every page asks for twice as many as the one before, for in a large cluster most of
/// the time goes into waiting for one page after the other.
const PAGE: RangeInclusive<usize> = 500..=2000;

/// How many pages of a listing are read at once, while the next one is on its way.
const AT_ONCE: usize = 2;

/// A page of a listing, or a single object.
pub(super) struct Page(ApiResponse);

/// The objects of pages, in their order.
#[derive(Default)]
pub(super) struct ListItems {
    /// The objects, or why one of them could not be parsed.
    pub objects: Vec<Result<ParsedObject, LoadError>>,
    /// Errors that are about a page as a whole.
    pub errors: Vec<LoadError>,
}

impl ListItems {
    /// These objects, followed by others.
    #[must_use]
    pub fn and(mut self, mut others: Self) -> Self {
        self.objects.append(&mut others.objects);
        self.errors.append(&mut others.errors);
        self
    }

    /// Parses a page.
    fn of(page: &Page) -> Self {
        let mut items = Self::default();
        let text = match page.0.open() {
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

impl Page {
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

    fn list_meta(&self) -> ListMeta {
        let mut meta = ListMeta::default();
        if let Some(text) = self.text() {
            // An error, for the text goes on.
            let _ = serde_json::Deserializer::from_reader(text).deserialize_map(&mut meta);
        }
        meta
    }

    /// The token that asks for the next page; `None` on the last.
    fn next(&self) -> Option<String> {
        self.list_meta().next.filter(|token| !token.is_empty())
    }
}

#[derive(Deserialize, Default)]
struct ListMeta {
    #[serde(rename = "continue")]
    next: Option<String>,
    #[serde(rename = "resourceVersion", default)]
    version: String,
}

/// Reads a list as far as its metadata, which API servers write before the items.
impl<'de> Visitor<'de> for &mut ListMeta {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "metadata" {
                *self = map.next_value()?;
                break;
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

impl Connection {
    /// Reads a whole listing.
    pub(super) async fn list(&self, path: &str) -> Result<ListItems, Error> {
        self.list_inspecting(path, |_| ()).await
    }

    /// Reads a whole listing and calls `see` with every page as soon as it is read. If the listing
    /// expires and is read anew, `see` may have got objects that are not in the result.
    pub(super) async fn list_inspecting(
        &self,
        path: &str,
        mut see: impl FnMut(&ListItems),
    ) -> Result<ListItems, Error> {
        let pages = self.pages(path).map_ok(|page| self.items(page)).try_buffered(AT_ONCE);
        let pages = pages.inspect_ok(&mut see);
        match pages.try_fold(ListItems::default(), async |all, page| Ok(all.and(page))).await {
            // Compaction overtook the listing: all at once cannot expire.
            Err(error) if error.kind == ErrorKind::Expired => {
                let all = self.items(Page(self.get(path).await?)).await?;
                see(&all);
                Ok(all)
            }
            items => items,
        }
    }

    fn pages(&self, path: &str) -> impl Stream<Item = Result<Page, Error>> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let first = Some((*PAGE.start(), String::new()));
        try_unfold(first, move |next| async move {
            let Some((size, token)) = next else { return Ok(None) };
            let page = Page(self.get(&format!("{path}{mark}limit={size}{token}")).await?);
            let size = (size * 2).min(*PAGE.end());
            let next = page.next().map(|token| (size, format!("&continue={token}")));
            Ok(Some((page, next)))
        })
    }

    /// Parses a page on another thread.
    pub(super) async fn items(&self, page: Page) -> Result<ListItems, Error> {
        let read = tokio::task::spawn_blocking(move || ListItems::of(&page)).await;
        read.map_err(|error| self.in_context(Error::new(ErrorKind::Other, error.to_string())))
    }

    /// The resource version of a listing, to watch from.
    pub(super) async fn version_of(&self, path: &str) -> Result<String, Error> {
        let page = Page(self.get(&format!("{path}?limit=1")).await?);
        Ok(page.list_meta().version)
    }

    /// Reads a single object; `None` where it does not exist or the user may not read it.
    pub(super) async fn object(&self, path: &str) -> Result<Option<Page>, Error> {
        match self.existing_object(path).await {
            Err(error) if error.kind == ErrorKind::Forbidden => Ok(None),
            answer => answer,
        }
    }

    /// Reads a single object; `None` where it does not exist.
    pub(super) async fn existing_object(&self, path: &str) -> Result<Option<Page>, Error> {
        Ok(self.get_optional(path).await?.map(Page))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{ApiResponse, Page};

    #[rstest]
    #[case::as_api_servers_write(
        r#"{"kind":"ServiceList","metadata":{"resourceVersion":"7","continue":"abc"},"items":[not read"#,
        Some("abc")
    )]
    #[case::behind_the_items(
        r#"{"items":[{"metadata":{"continue":"no"}}],"metadata":{"continue":"abc"}}"#,
        Some("abc")
    )]
    #[case::the_last_page(r#"{"metadata":{"resourceVersion":"7"},"items":[]}"#, None)]
    #[case::an_empty_token(r#"{"metadata":{"continue":""},"items":[]}"#, None)]
    #[case::no_list("[]", None)]
    fn the_next_page_is_asked_for_by_the_token(#[case] text: &str, #[case] token: Option<&str>) {
        assert_eq!(Page(ApiResponse::of(text)).next().as_deref(), token);
    }
}
