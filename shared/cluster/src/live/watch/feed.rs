//! Endless streams of what happens to the objects of one resource.

use std::time::Duration;

use futures::{
    Stream, StreamExt,
    channel::mpsc::{self, UnboundedSender},
    stream,
};
use kube::{
    Api,
    runtime::watcher::{
        Config, DefaultBackoff, Error as WatcherError, Event, ListSemantic, watcher,
    },
};
use tokio::time::sleep;

use super::{
    object::{ObjectText, api_resource},
    pace::{self, Rest},
    store::Told,
};
use crate::live::{
    connect::Connection,
    error::{Error, ErrorKind},
    namespaces::Resource,
};

/// How long the API server keeps a watch open, in seconds. One whose connection is dead says nothing,
/// and is begun again 5 seconds after that.
const WATCH_SECONDS: u32 = 240;

/// The time between two lists of a resource that may be listed and not watched.
const UNWATCHED: Duration = Duration::from_secs(60);

/// The time after which a resource is asked for again that may not be listed, or is not served.
const REFUSED: Duration = Duration::from_secs(300);

/// How many objects a page of a list holds that is not taken from the API server's cache.
const PAGE: u32 = 500;

/// The objects of a resource, of one namespace or of all.
pub(super) struct Feed {
    connection: Connection,
    resource: Resource,
    api: Api<ObjectText>,
    tell: UnboundedSender<Told>,
}

/// How a watch goes on.
enum Next {
    /// As it is.
    Resume,
    /// With a new list, after a pause.
    Anew(Duration, ListSemantic),
}

impl Feed {
    /// Lists and watches a resource for ever. It has to be called on a runtime.
    pub fn open(
        connection: &Connection,
        rest: &Rest,
        resource: Resource,
        namespace: Option<&str>,
    ) -> impl Stream<Item = Told> + use<> {
        let (tell, told) = mpsc::unbounded();
        let client = pace::client(connection, rest, &tell);
        let kind = api_resource(&resource);
        let api = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &kind),
            None => Api::all_with(client, &kind),
        };
        let feed = Self { connection: connection.clone(), resource, api, tell };
        let work = stream::once(feed.run()).filter_map(async |()| None);
        stream::select(told, work)
    }

    async fn run(self) {
        let mut back_off = DefaultBackoff::default();
        let mut semantic = ListSemantic::Any;
        loop {
            let (pause, next) = self.watch(semantic, &mut back_off).await;
            sleep(pause).await;
            semantic = next;
        }
    }

    /// Watches until a new list is needed. Returns the pause before it, and which versions of the
    /// objects it may hold.
    async fn watch(
        &self,
        semantic: ListSemantic,
        back_off: &mut DefaultBackoff,
    ) -> (Duration, ListSemantic) {
        let page_size = (semantic == ListSemantic::MostRecent).then_some(PAGE);
        let config = Config { page_size, ..Config::default() };
        let config = config.timeout(WATCH_SECONDS).list_semantic(semantic);
        let mut events = watcher(self.api.clone(), config).boxed();
        while let Some(event) = events.next().await {
            let told = match event {
                Ok(Event::Init) => Told::Begin,
                Ok(Event::InitApply(object)) => {
                    Told::Found(object.name(), object.parse(&self.resource))
                }
                Ok(Event::InitDone) => Told::End,
                Ok(Event::Apply(object)) => Told::Put(object.name(), object.parse(&self.resource)),
                Ok(Event::Delete(object)) => Told::Gone(object.name()),
                Err(error) => {
                    // Without an end of its own, the back-off is never over.
                    let pause = back_off.next().unwrap_or(REFUSED);
                    match self.next_after(error, pause) {
                        Next::Resume => sleep(pause).await,
                        Next::Anew(pause, semantic) => return (pause, semantic),
                    }
                    continue;
                }
            };
            self.tell(told);
        }
        (Duration::ZERO, ListSemantic::Any)
    }

    /// How it goes on after an error. `pause` is how long to wait where nothing else is known.
    fn next_after(&self, error: WatcherError, pause: Duration) -> Next {
        match error {
            WatcherError::InitialListFailed(error) => {
                let error = self.connection.translate(&error);
                match error.kind {
                    ErrorKind::Forbidden | ErrorKind::NotFound => {
                        self.tell(Told::Refused(error));
                        Next::Anew(REFUSED, ListSemantic::Any)
                    }
                    ErrorKind::Expired => Next::Anew(pause, ListSemantic::MostRecent),
                    _ => {
                        self.tell(Told::Failed(error));
                        Next::Resume
                    }
                }
            }
            WatcherError::WatchStartFailed(error) => {
                let error = self.connection.translate(&error);
                match error.kind {
                    ErrorKind::Forbidden | ErrorKind::NotFound => {
                        Next::Anew(UNWATCHED, ListSemantic::Any)
                    }
                    ErrorKind::Expired => Next::Anew(pause, ListSemantic::MostRecent),
                    _ => {
                        self.tell(Told::Failed(error));
                        Next::Resume
                    }
                }
            }
            // The version that the watch has seen last is forgotten.
            WatcherError::WatchError(status) if status.code == 410 => {
                Next::Anew(pause, ListSemantic::MostRecent)
            }
            // The connection broke, which happens. Whether the server is gone shows when the watch is
            // begun again.
            WatcherError::WatchError(_) | WatcherError::WatchFailed(_) => Next::Resume,
            WatcherError::NoResourceVersion => {
                let message = format!("{} have no resourceVersion", self.resource.label);
                let error = Error::new(ErrorKind::Malformed, message);
                self.tell(Told::Failed(self.connection.in_context(error)));
                Next::Anew(pause, ListSemantic::Any)
            }
        }
    }

    fn tell(&self, told: Told) {
        // Nobody listens where the watch is not wanted any more.
        let _ = self.tell.unbounded_send(told);
    }
}
