//! When something changed that routes hang on.

use std::{future::ready, time::Duration};

use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::sleep;

use super::{connect::Connection, error::Error};

/// What is watched: what moves traffic.
const WATCHED: [&str; 3] =
    ["/api/v1/services", "/api/v1/nodes", "/apis/discovery.k8s.io/v1/endpointslices"];

/// How long to wait before a watch that ended is begun anew.
const PAUSE: Duration = Duration::from_secs(2);

impl Connection {
    /// A stream that says each time that something may have changed. It goes on for ever: a watch
    /// that ends or fails is begun anew, and that counts as a change, for nobody knows what was missed.
    pub fn changes(&self) -> impl Stream<Item = ()> + '_ {
        let watches = WATCHED.map(|path| Box::pin(self.changes_of(path)));
        stream::select_all(watches)
    }

    fn changes_of<'c>(&'c self, path: &'static str) -> impl Stream<Item = ()> + 'c {
        let endless = stream::unfold(true, move |is_first| async move {
            if !is_first {
                sleep(PAUSE).await;
            }
            let events: BoxStream<'c, ()> = match self.watch_from_now(path).await {
                Ok(events) => events.boxed(),
                Err(_) => stream::empty().boxed(),
            };
            // What changed before the watch began was missed, and what changes after its end.
            let once = || stream::once(ready(()));
            Some((once().chain(events).chain(once()), false))
        });
        endless.flatten()
    }

    /// A watch that does not begin with all there is.
    async fn watch_from_now(&self, path: &str) -> Result<impl Stream<Item = ()> + use<>, Error> {
        let version = self.version_of(path).await?;
        self.watch(&format!("{path}?watch=true&resourceVersion={version}")).await
    }
}
