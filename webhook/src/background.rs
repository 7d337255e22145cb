//! The thread for all work that no review waits for: watches, certificates, the configuration.
//!
//! Reviews have the main thread and a runtime of their own. To take over a list of 50 MB keeps this
//! thread busy for a second, and no review stands behind it; and the program has two threads, however many
//! cores its node has.

use std::{convert::Infallible, thread};

use anyhow::{Context as _, Result};
use kube::{Client, Config};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::JoinSet,
};

/// The background thread, and the parts of the program that run there. They end when this value is
/// dropped.
#[derive(Debug)]
pub struct Background {
    parts: JoinSet<()>,
    runtime: Handle,
    /// The thread runs its runtime until this is dropped.
    _thread: oneshot::Sender<Infallible>,
}

/// A client of the API server whose connections are served by the background thread, and a way to run
/// what is asked through it there.
#[derive(Clone)]
pub struct BackgroundClient {
    /// The client.
    pub client: Client,
    runtime: Handle,
}

impl Background {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system refuses a thread or what its runtime needs.
    pub fn start() -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime for the background")?;
        let handle = runtime.handle().clone();
        let (running, end) = oneshot::channel::<Infallible>();
        thread::Builder::new()
            .name("background".to_owned())
            .spawn(move || {
                // Nothing is ever sent: this is the moment when the sender is dropped.
                let _ = runtime.block_on(end);
                // A name that is being looked up must not hold up the program's end.
                runtime.shutdown_background();
            })
            .context("no background thread")?;
        Ok(Self { parts: JoinSet::new(), runtime: handle, _thread: running })
    }

    /// Runs a part of the program on the thread. It is to go on for ever.
    pub fn spawn(&mut self, part: impl Future<Output = ()> + Send + 'static) {
        self.parts.spawn_on(part, &self.runtime);
    }

    /// Waits until a part ends, or panics. Never returns while there are no parts.
    pub async fn wait_for_broken_part(&mut self) {
        if self.parts.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// A client for the work of this thread. A client's connections belong to the runtime on which they
    /// are opened, so reviews, which must not wait for this thread, need a client of their own.
    ///
    /// # Errors
    /// When the configuration is no good for a client.
    pub fn client(&self, config: Config) -> Result<BackgroundClient> {
        let _context = self.runtime.enter();
        let client =
            Client::try_from(config).context("no connection to the API server can be set up")?;
        Ok(BackgroundClient { client, runtime: self.runtime.clone() })
    }
}

impl BackgroundClient {
    /// Runs a future on the background thread to its end, also where the caller no longer waits.
    ///
    /// # Errors
    /// When it panics, or the program ends.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        self.runtime.spawn(work).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn reviews<T>(future: impl Future<Output = T>) -> T {
        Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn work_that_keeps_the_background_busy_keeps_no_review_waiting() {
        let mut background = Background::start().expect("a thread");
        let (done, finished) = mpsc::channel();
        let (begun, busy) = oneshot::channel();
        background.spawn(async move {
            let _ = begun.send(());
            // Blocks its thread, as a long list does, until the review has been answered.
            let _ = finished.recv();
        });
        reviews(async {
            busy.await.expect("the part has begun");
            let review = tokio::spawn(async { "answered" });
            assert_eq!(review.await.expect("no panic"), "answered");
            done.send(()).expect("the part still waits");
            background.wait_for_broken_part().await;
        });
    }

    #[test]
    fn a_part_that_panics_is_noticed() {
        let mut background = Background::start().expect("a thread");
        background.spawn(std::future::pending());
        background.spawn(async { panic!("a bug") });
        reviews(background.wait_for_broken_part());
    }

    #[test]
    fn the_thread_ends_with_the_value() {
        struct Told(Option<oneshot::Sender<()>>);

        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.take().map(|told| told.send(()));
            }
        }

        let mut background = Background::start().expect("a thread");
        let (told, dropped) = oneshot::channel();
        let told = Told(Some(told));
        background.spawn(async move {
            let _told = told;
            std::future::pending::<()>().await;
        });
        drop(background);
        reviews(dropped).expect("the part was dropped");
    }
}
