//! Listings.

mod intake;
mod reader;

#[cfg(test)]
mod tests;

use std::{cell::Cell, mem, ops::RangeInclusive, sync::Arc};

use futures::StreamExt;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use tokio::{
    task::{JoinError, JoinHandle, spawn_blocking},
    time::sleep,
};

use self::{intake::Intake, reader::ListMeta};
use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    request::Patience,
};
use crate::{loaded::ParsedObject, parse::LoadError};

pub(super) use self::reader::SeeObject;

/// How many objects the first page of a listing holds, as kubectl has it, and how many a page holds
/// at the most. Every page asks for twice as many as the one before, for in a large cluster most of
/// the time goes into waiting for one page after the other.
const PAGE: RangeInclusive<usize> = 500..=2000;

/// How many bytes of an answer are waited for before they are parsed, and how many may wait.
const WAITING: RangeInclusive<usize> = (16 << 10)..=(1 << 20);

/// How current a listing has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListMode {
    /// As the API server has it in memory, all in one answer. It is old by what the server has not
    /// heard of yet, mostly milliseconds, but nobody says how much. It proves nothing.
    FromCache,
    /// As it is now, page by page.
    Consistent,
}

/// The objects of a listing, in its order.
#[derive(Default)]
pub(super) struct ListItems {
    /// The objects, or why one of them could not be parsed.
    pub objects: Vec<Result<ParsedObject, LoadError>>,
    /// Errors that are about the listing as a whole.
    pub errors: Vec<LoadError>,
}

impl ListItems {
    /// These objects, followed by others.
    #[must_use]
    pub fn and(mut self, mut others: Self) -> Self {
        if self.objects.is_empty() {
            mem::swap(&mut self.objects, &mut others.objects);
        }
        self.objects.append(&mut others.objects);
        self.errors.append(&mut others.errors);
        self
    }
}

/// Why a listing did not come in one answer.
struct Failure {
    error: Error,
    /// Whether it may come in pages: it was too much for one answer, or broke off half way.
    may_come_in_pages: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, may_come_in_pages: false }
    }
}

impl Connection {
    /// Reads a whole listing.
    pub(super) async fn list(&self, path: &str, mode: ListMode) -> Result<ListItems, Error> {
        self.list_inspecting(path, mode, &nobody()).await
    }

    /// Reads a whole listing and calls `see` with every object as soon as it is parsed. If the listing
    /// has to be read anew, `see` is called with objects again, and may have got some that are not in
    /// the result.
    pub(super) async fn list_inspecting(
        &self,
        path: &str,
        mode: ListMode,
        see: &SeeObject,
    ) -> Result<ListItems, Error> {
        if mode == ListMode::FromCache {
            match self.list_in_one(&with_query(path, "resourceVersion=0"), see).await {
                Ok((items, _)) => return Ok(items),
                Err(failure) if failure.may_come_in_pages => {}
                Err(Failure { error, .. }) => return Err(error),
            }
        }
        self.list_in_pages(path, see).await
    }

    async fn list_in_pages(&self, path: &str, see: &SeeObject) -> Result<ListItems, Error> {
        let (mut all, mut size) = (ListItems::default(), *PAGE.start());
        let mut page = with_query(path, &format!("limit={size}"));
        loop {
            let (items, meta) = match self.list_in_one(&page, see).await {
                Ok(read) => read,
                // Compaction overtook the listing: all at once cannot expire.
                Err(Failure { error, .. }) if error.kind == ErrorKind::Expired => {
                    let all = self.list_in_one(path, see).await;
                    return all.map(|(items, _)| items).map_err(|failure| failure.error);
                }
                Err(Failure { error, .. }) => return Err(error),
            };
            all = all.and(items);
            let Some(token) = meta.token() else { return Ok(all) };
            size = (size * 2).min(*PAGE.end());
            page = with_query(path, &format!("limit={size}&continue={token}"));
        }
    }

    /// Reads one answer, and asks again while the server is too busy or in trouble.
    async fn list_in_one(
        &self,
        path: &str,
        see: &SeeObject,
    ) -> Result<(ListItems, ListMeta), Failure> {
        let mut patience = Patience::new(self.request_limit());
        loop {
            let has_begun = Cell::new(false);
            // It is large, and part of many others.
            let answer = Box::pin(async {
                let response = self.begin(Method::GET, path, None).await?;
                self.receive(response, see, &has_begun).await
            });
            let failure = match self.within_timeout(answer).await {
                Ok(read) => return Ok(read),
                Err(failure) => failure,
            };
            let may_come_in_pages = failure.may_come_in_pages || has_begun.get();
            match patience.pause_after(&failure.error).filter(|_| !may_come_in_pages) {
                Some(pause) => sleep(pause).await,
                None => return Err(Failure { may_come_in_pages, ..failure }),
            }
        }
    }

    fn thread_failed(&self, error: &JoinError) -> Error {
        self.in_context(Error::new(ErrorKind::Other, error.to_string()))
    }

    /// Parses an answer on other threads while it arrives.
    async fn receive(
        &self,
        response: Response<Body>,
        see: &SeeObject,
        has_begun: &Cell<bool>,
    ) -> Result<(ListItems, ListMeta), Failure> {
        let status = response.status();
        if !status.is_success() {
            // What a server says that cannot give a listing from memory, or not in its time.
            let may_come_in_pages =
                matches!(status, StatusCode::GONE | StatusCode::GATEWAY_TIMEOUT);
            let error = match self.answer(response).await {
                Err(error) => error,
                Ok(_) => self.in_context(Error::new(ErrorKind::Other, status.to_string())),
            };
            return Err(Failure { error, may_come_in_pages });
        }
        let mut body = response.into_body().into_data_stream();
        let mut idle = Some(Intake::new(Arc::clone(see)));
        let mut busy: Option<JoinHandle<Intake>> = None;
        let (mut waiting, mut length, mut is_over) = (Vec::new(), 0, false);
        loop {
            if let Some(intake) = idle.take() {
                if length >= *WAITING.start() || (is_over && length > 0) {
                    let pieces = mem::take(&mut waiting);
                    length = 0;
                    let parse = move || pieces.into_iter().fold(intake, Intake::feed);
                    busy = Some(spawn_blocking(parse));
                } else if is_over {
                    let finished = spawn_blocking(move || intake.finish()).await;
                    return finished.map_err(|error| self.thread_failed(&error).into());
                } else {
                    idle = Some(intake);
                }
            }
            let parsed = async {
                match &mut busy {
                    Some(busy) => busy.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                parsed = parsed => {
                    busy = None;
                    idle = Some(parsed.map_err(|error| self.thread_failed(&error))?);
                }
                piece = body.next(), if !is_over && length <= *WAITING.end() => match piece {
                    Some(Ok(piece)) => {
                        has_begun.set(true);
                        length += piece.len();
                        waiting.push(piece);
                    }
                    Some(Err(error)) => return Err(self.translate(&error).into()),
                    None => is_over = true,
                },
            }
        }
    }
}

fn nobody() -> SeeObject {
    Arc::new(|_| ())
}

/// A path with one more part of its query.
fn with_query(path: &str, part: &str) -> String {
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("{path}{mark}{part}")
}
