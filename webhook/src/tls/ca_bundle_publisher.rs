//! Writing the bundle into the webhook configurations, so that API servers trust the certificate.
//!
//! Every replica does it: all of them compute the same. Server-side apply is no way to do it, for it
//! would own the list's entry together with Helm, and no upgrade could rename a hook any more.

use std::{future::Future, sync::Arc, time::Duration};

use futures::StreamExt as _;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
    runtime::{WatchStreamExt as _, watcher::watch_object},
};
use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{
    Bundle, MANAGER,
    step::{Step, Target, step},
};
use crate::{Hook, metrics::Metrics};

/// Between two writes of one configuration, where somebody else keeps writing another bundle.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest wait after writes that failed.
const LONGEST: Duration = Duration::from_secs(30);

/// Keeps the bundle in one hook's configuration, for ever. A configuration that is not there is
/// waited for; none is ever created or deleted.
pub struct Publisher {
    /// The API server.
    pub client: Client,
    /// The hook.
    pub hook: Hook,
    /// Where its reviews must go for the configuration to be ours.
    pub target: Target,
    /// Told of generations that are newer than ours.
    pub behind: mpsc::Sender<u64>,
    /// Counts writes.
    pub metrics: Arc<Metrics>,
}

impl Publisher {
    /// Publishes every bundle that comes.
    pub async fn run(self, mut bundle: watch::Receiver<Option<Bundle>>) {
        let api = self.api();
        let mut versions =
            watch_object(api.clone(), self.hook.configuration()).default_backoff().boxed();
        let mut configuration = None;
        let mut write = Pace::new();
        loop {
            tokio::select! {
                version = versions.next() => match version {
                    Some(Ok(version)) => configuration = version,
                    Some(Err(error)) => {
                        tracing::warn!(configuration = self.hook.configuration(), %error, "not watched");
                        continue;
                    }
                    None => return,
                },
                changed = bundle.changed() => if changed.is_err() { return },
                () = write.due() => {}
            }
            if !write.may() {
                continue;
            }
            let current = bundle.borrow().clone();
            let (Some(object), Some(bundle)) = (&configuration, current) else { continue };
            match step(object, &bundle, &self.target) {
                Step::Nothing => write.settled(),
                Step::Behind(generation) => {
                    // Where the channel is full somebody else has said it; and it is said again.
                    let _ = self.behind.try_send(generation);
                    write.again();
                }
                Step::Write(patch) => {
                    let is_written = self.patch(&api, patch, bundle.generation()).await;
                    write.done(is_written);
                }
            }
        }
    }

    fn api(&self) -> Api<DynamicObject> {
        let kind = if self.hook.is_mutating() {
            "MutatingWebhookConfiguration"
        } else {
            "ValidatingWebhookConfiguration"
        };
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        Api::all_with(self.client.clone(), &ApiResource::from_gvk(&kind))
    }

    async fn patch(&self, api: &Api<DynamicObject>, patch: Value, generation: u64) -> bool {
        let configuration = self.hook.configuration();
        let patch = match serde_json::from_value(patch) {
            Ok(patch) => Patch::Json::<()>(patch),
            Err(error) => {
                tracing::error!(configuration, %error, "no patch");
                return false;
            }
        };
        let params =
            PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match api.patch(configuration, &params, &patch).await {
            Ok(_) => {
                self.metrics.published();
                tracing::info!(configuration, generation, "CA published");
                true
            }
            // Another replica, or Helm, was faster; the watch brings what is there now.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => {
                tracing::debug!(configuration, %status, "CA not published over a newer version");
                true
            }
            Err(error) => {
                tracing::warn!(configuration, %error, "CA not published; will be tried again");
                false
            }
        }
    }
}

/// When the next write may be.
struct Pace {
    earliest: Instant,
    /// Whether there is something to look at when the time has come.
    pending: bool,
    wait: Duration,
}

impl Pace {
    fn new() -> Self {
        Self { earliest: Instant::now(), pending: false, wait: PAUSE }
    }

    /// Whether a write may be now. If not, [`Self::due`] tells when.
    fn may(&mut self) -> bool {
        self.pending = Instant::now() < self.earliest;
        !self.pending
    }

    fn due(&self) -> impl Future<Output = ()> + use<> {
        let (pending, earliest) = (self.pending, self.earliest);
        async move {
            if !pending {
                std::future::pending::<()>().await;
            }
            sleep_until(earliest).await;
        }
    }

    fn settled(&mut self) {
        self.wait = PAUSE;
    }

    /// What was found may be so for a while only, or for good.
    fn again(&mut self) {
        self.earliest = Instant::now() + PAUSE;
        self.pending = true;
    }

    /// After a write, whether it succeeded: the result is looked at again after the pause.
    fn done(&mut self, is_written: bool) {
        self.earliest = Instant::now() + self.wait;
        self.pending = !is_written;
        self.wait = if is_written { PAUSE } else { (self.wait * 2).min(LONGEST) };
    }
}
