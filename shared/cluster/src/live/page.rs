//! Listings in pages, as the API server gives them.

use serde::Deserialize;

use super::{
    connect::Connection,
    error::{Error, ErrorKind},
};
use crate::parse::{Event, Fault, Kind, Piece, Reader, Text};

/// How many objects a page holds, as kubectl has it.
const PAGE: usize = 500;

/// A page of a listing, or a single object.
pub(super) struct Page(String);

impl Page {
    /// Hands out every object. Whatever is odd about one of them, the others are handed out too.
    pub fn each(&self, mut take: impl FnMut(Kind, &Piece<'_>)) -> Result<(), Fault> {
        let text = Text::whole(self.0.clone().into_bytes(), 1);
        let mut fault = None;
        let mut reader = Reader::new(text, |event: Event<'_>| {
            if let Event::Piece(piece) = event {
                match piece.kind {
                    Some(kind) if piece.text.starts_with('{') => {
                        take(Kind::of(piece.api_version, kind), &piece);
                    }
                    Some(_) => {
                        fault = Some(Fault::NotAnObject(piece.text.chars().take(40).collect()));
                    }
                    None => fault = Some(Fault::NoKind),
                }
            }
        });
        reader.read()?;
        fault.map_or(Ok(()), Err)
    }

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
        serde_json::from_str::<Object>(&self.0).ok()?.metadata.uid
    }

    /// The names of the items.
    pub fn names(&self) -> Vec<String> {
        #[derive(Deserialize)]
        struct Items {
            #[serde(default)]
            items: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            metadata: Name,
        }
        #[derive(Deserialize)]
        struct Name {
            name: String,
        }
        let items = serde_json::from_str::<Items>(&self.0).map(|list| list.items);
        items.unwrap_or_default().into_iter().map(|item| item.metadata.name).collect()
    }

    fn list_meta(&self) -> ListMeta {
        serde_json::from_str::<List>(&self.0).map(|list| list.metadata).unwrap_or_default()
    }

    /// What asks for the next page.
    fn next(&self) -> Option<String> {
        self.list_meta().next.filter(|token| !token.is_empty())
    }
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMeta,
}

#[derive(Deserialize, Default)]
struct ListMeta {
    #[serde(rename = "continue")]
    next: Option<String>,
    #[serde(rename = "resourceVersion", default)]
    version: String,
}

impl Connection {
    /// A whole listing.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Page>, Error> {
        match self.pages(path).await {
            // Compaction overtook the listing: all at once cannot expire.
            Err(error) if error.kind == ErrorKind::Expired => {
                Ok(vec![Page(self.get(path).await?.text)])
            }
            pages => pages,
        }
    }

    async fn pages(&self, path: &str) -> Result<Vec<Page>, Error> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut pages = Vec::new();
        let mut query = format!("{path}{mark}limit={PAGE}");
        loop {
            let page = Page(self.get(&query).await?.text);
            let next = page.next();
            pages.push(page);
            match next {
                Some(token) => query = format!("{path}{mark}limit={PAGE}&continue={token}"),
                None => return Ok(pages),
            }
        }
    }

    /// The version of what a listing would show, to watch from there.
    pub(super) async fn version_of(&self, path: &str) -> Result<String, Error> {
        let page = Page(self.get(&format!("{path}?limit=1")).await?.text);
        Ok(page.list_meta().version)
    }

    /// A single object; `None` where it is not there, or not for the user.
    pub(super) async fn object(&self, path: &str) -> Result<Option<Page>, Error> {
        match self.get_optional(path).await {
            Err(error) if error.kind == ErrorKind::Forbidden => Ok(None),
            answer => Ok(answer?.map(|answer| Page(answer.text))),
        }
    }
}
