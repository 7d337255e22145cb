//! Watching for changes of Services, nodes and EndpointSlices.

use std::{future::ready, time::Duration};

use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::sleep;

use super::{
    connect::Connection,
    error::{Error, ErrorKind},
};

/// The resources that are watched.
const WATCHED: [&str; 3] =
    ["/api/v1/services", "/api/v1/nodes", "/apis/discovery.k8s.io/v1/endpointslices"];

/// The pause before a watch that ended is started again.
const PAUSE: Duration = Duration::from_secs(2);

/// The time between two items of the stream for a resource that the user may not watch.
const UNWATCHED: Duration = Duration::from_secs(30);

/// How long a watch lasts at the most. One whose connection is dead says nothing, and neither does
/// a cluster in which nothing happens; a new one tells them apart.
const LIFETIME: Duration = Duration::from_secs(240);

impl Connection {
    /// A stream with an item each time that something may have changed. It never ends. A watch that
    /// ends or fails is started again, which counts as a change, for changes in between are
    /// unknown.
    pub fn changes(&self) -> impl Stream<Item = ()> + '_ {
        let watches = WATCHED.map(|path| Box::pin(self.changes_of(path)));
        stream::select_all(watches)
    }

    fn changes_of<'c>(&'c self, path: &'static str) -> impl Stream<Item = ()> + 'c {
        let endless = stream::unfold(Duration::ZERO, move |pause| async move {
            sleep(pause).await;
            let watch = self.watch_from_now(path).await;
            let pause = match &watch {
                Err(error) if error.kind == ErrorKind::Forbidden => UNWATCHED,
                _ => PAUSE,
            };
            let events: BoxStream<'c, ()> = match watch {
                Ok(events) => events.take_until(sleep(LIFETIME)).boxed(),
                Err(_) => stream::empty().boxed(),
            };
            // What changed before the watch began was missed, and what changes after its end.
            let once = || stream::once(ready(()));
            Some((once().chain(events).chain(once()), pause))
        });
        endless.flatten()
    }

    /// A watch that does not begin with all there is.
    async fn watch_from_now(&self, path: &str) -> Result<impl Stream<Item = ()> + use<>, Error> {
        let version = self.version_of(path).await?;
        self.watch(&format!("{path}?watch=true&resourceVersion={version}")).await
    }
}
