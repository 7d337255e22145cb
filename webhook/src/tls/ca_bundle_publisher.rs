//! Writes the CA bundle into the webhook configurations, so that API servers trust the serving
//! certificate.
//!
//! Every replica does it: all of them compute the same. Server-side apply is no way to do it, for it
//! would own the list's entry together with Helm, and no upgrade could rename a webhook any more.

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
    CaBundle, FIELD_MANAGER,
    publication::Publication,
    publish_step::{PublishStep, WebhookService, publish_step, published_entries},
};
use crate::{Webhook, metrics::Metrics};

/// How long to wait between two writes of one configuration, where somebody else keeps writing another
/// bundle.
const MIN_WAIT: Duration = Duration::from_secs(1);

/// The longest wait after writes that failed.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Keeps the bundle in the configuration of one webhook. A configuration that is not there is waited
/// for; none is ever created or deleted.
pub struct CaBundlePublisher {
    /// A client of the API server.
    pub client: Client,
    /// The webhook whose configuration is written.
    pub webhook: Webhook,
    /// The Service that the configuration must send reviews to; others are left alone.
    pub service: WebhookService,
    /// Receives published generations that are higher than the bundle's.
    pub newer: mpsc::Sender<u64>,
    /// Told what the configuration carries.
    pub publication: Arc<Publication>,
    /// The metrics that count writes.
    pub metrics: Arc<Metrics>,
}

impl CaBundlePublisher {
    /// Publishes every bundle that `bundle` brings, for ever.
    pub async fn run(self, mut bundle: watch::Receiver<Option<CaBundle>>) {
        let api = self.api();
        let mut versions =
            watch_object(api.clone(), self.webhook.configuration()).default_backoff().boxed();
        let mut configuration = None;
        let mut backoff = WriteBackoff::new();
        loop {
            tokio::select! {
                version = versions.next() => match version {
                    Some(Ok(version)) => {
                        let entries = version.as_ref().map(|it| published_entries(it, &self.service));
                        self.publication.set(self.webhook, entries.unwrap_or_default());
                        configuration = version;
                    }
                    Some(Err(error)) => {
                        self.publication.unreadable(self.webhook, error.to_string());
                        tracing::warn!(configuration = self.webhook.configuration(), %error, "not watched");
                        continue;
                    }
                    None => return,
                },
                changed = bundle.changed() => if changed.is_err() { return },
                () = backoff.due() => {}
            }
            if !backoff.is_over() {
                continue;
            }
            let current = bundle.borrow().clone();
            let (Some(object), Some(bundle)) = (&configuration, current) else { continue };
            match publish_step(object, &bundle, &self.service) {
                PublishStep::Nothing => backoff.reset(),
                PublishStep::NewerPublished(generation) => {
                    // Where the channel is full another publisher has sent it; and it is sent again.
                    let _ = self.newer.try_send(generation);
                    backoff.retry();
                }
                PublishStep::Write(patch) => {
                    let is_written = self.patch(&api, patch, bundle.generation()).await;
                    backoff.written(is_written);
                }
            }
        }
    }

    fn api(&self) -> Api<DynamicObject> {
        let kind = if self.webhook.is_mutating() {
            "MutatingWebhookConfiguration"
        } else {
            "ValidatingWebhookConfiguration"
        };
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        Api::all_with(self.client.clone(), &ApiResource::from_gvk(&kind))
    }

    async fn patch(&self, api: &Api<DynamicObject>, patch: Value, generation: u64) -> bool {
        let configuration = self.webhook.configuration();
        let patch = match serde_json::from_value(patch) {
            Ok(patch) => Patch::Json::<()>(patch),
            Err(error) => {
                tracing::error!(configuration, %error, "no patch");
                return false;
            }
        };
        let params =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        match api.patch(configuration, &params, &patch).await {
            Ok(_) => {
                self.metrics.count_ca_publication();
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

/// When the configuration may be written next.
struct WriteBackoff {
    earliest: Instant,
    /// Whether there is something to look at when the time has come.
    pending: bool,
    wait: Duration,
}

impl WriteBackoff {
    fn new() -> Self {
        Self { earliest: Instant::now(), pending: false, wait: MIN_WAIT }
    }

    /// Whether the configuration may be written now. If not, [`Self::due`] ends when it may.
    fn is_over(&mut self) -> bool {
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

    fn reset(&mut self) {
        self.wait = MIN_WAIT;
    }

    /// Looks again after the shortest wait, whether or not anything changes.
    fn retry(&mut self) {
        self.earliest = Instant::now() + MIN_WAIT;
        self.pending = true;
    }

    /// Waits after a write: longer each time that it fails.
    fn written(&mut self, is_written: bool) {
        self.earliest = Instant::now() + self.wait;
        self.pending = !is_written;
        self.wait = if is_written { MIN_WAIT } else { (self.wait * 2).min(MAX_WAIT) };
    }
}
