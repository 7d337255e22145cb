//! Follows the serving certificate in a mounted directory.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval},
};

use super::{CaBundle, CertDir, CertResolver, Publication, ServingCertificate};
use crate::server_clock::ServerClock;

/// How long a replica may see old files after others see the new ones. kubelet needs about two
/// minutes.
const MAX_LAG: Duration = Duration::from_secs(300);

/// Serves the certificate that a directory holds; a bad one never replaces a good one, and a good one
/// is served once API servers trust it.
#[derive(Debug)]
pub struct CertDirWatcher {
    dir: CertDir,
    resolver: Arc<CertResolver>,
    bundle: watch::Sender<Option<CaBundle>>,
    publication: Arc<Publication>,
    /// A certificate that is not served yet, and since when it waits.
    pending: Option<(ServingCertificate, Instant)>,
    /// Since when the bundle's certificates are known.
    bundle_since: Option<Instant>,
    /// Since when a bundle is published that is newer than the directory's.
    outdated_since: Option<Instant>,
}

impl CertDirWatcher {
    /// A watcher that hands the directory's certificate to `resolver`, and its `ca.crt` to `bundle`.
    pub fn new(
        dir: CertDir,
        resolver: Arc<CertResolver>,
        bundle: watch::Sender<Option<CaBundle>>,
        publication: Arc<Publication>,
    ) -> Self {
        Self {
            dir,
            resolver,
            bundle,
            publication,
            pending: None,
            bundle_since: None,
            outdated_since: None,
        }
    }

    /// Polls the directory at this interval, for ever. `newer` brings generations that are published and
    /// higher than the bundle's.
    pub async fn run(
        mut self,
        every: Duration,
        clock: Arc<ServerClock>,
        mut newer: mpsc::Receiver<u64>,
    ) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.poll(clock.now(), Instant::now()),
                Some(published) = newer.recv() => self.exceed(published, Instant::now()),
            }
        }
    }

    /// Reads the directory once. What is new and good there is published, and served once API servers
    /// trust it, or after five minutes.
    pub fn poll(&mut self, now: SystemTime, instant: Instant) {
        match self.dir.poll(now) {
            None => {}
            Some(Err(why)) => tracing::error!(why, "the certificate stays as it is"),
            Some(Ok(contents)) => {
                tracing::info!("new certificate from files");
                self.pending = Some((contents.certificate, instant));
                self.outdated_since = None;
                self.take_bundle(contents.bundle, now, instant);
            }
        }
        self.serve_pending(now, instant);
        self.settle_bundle(instant);
    }

    /// Publishes the directory's authorities beside those before, which other replicas may need still.
    fn take_bundle(&mut self, bundle: Option<CaBundle>, now: SystemTime, instant: Instant) {
        let before = self.bundle.borrow().clone();
        self.bundle_since = bundle.is_some().then_some(instant);
        self.bundle.send_replace(bundle.map(|bundle| bundle.following(before.as_ref(), now)));
    }

    /// Serves what waits, where nothing else can be served or API servers trust it.
    fn serve_pending(&mut self, now: SystemTime, instant: Instant) {
        let Some((certificate, since)) = &self.pending else { return };
        let serves = self.resolver.current().is_some_and(|current| now < current.not_after());
        let waits = self.publication.is_known() && instant.duration_since(*since) < MAX_LAG;
        if serves && waits && self.publication.verify(certificate, now).is_err() {
            return;
        }
        if let Some((certificate, _)) = self.pending.take() {
            self.resolver.set(certificate);
        }
    }

    /// Publishes the directory's authorities alone once all replicas know them.
    fn settle_bundle(&mut self, instant: Instant) {
        let is_known = |since: &mut Instant| instant.duration_since(*since) >= MAX_LAG;
        if self.bundle_since.take_if(is_known).is_some() {
            self.bundle.send_modify(|bundle| *bundle = bundle.take().map(CaBundle::settled));
        }
    }

    /// Raises the bundle's generation beyond one that is published, but only after [`MAX_LAG`]: before,
    /// another replica may have published files that this one does not see yet; after that it was an
    /// authority that is gone.
    fn exceed(&mut self, published: u64, now: Instant) {
        let since = *self.outdated_since.get_or_insert(now);
        if now.duration_since(since) < MAX_LAG {
            return;
        }
        self.outdated_since = None;
        let current = self.bundle.borrow().clone();
        if let Some(bundle) = current.filter(|bundle| bundle.generation() < published) {
            self.bundle.send_replace(Some(bundle.with_generation(published.saturating_add(1))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CertificateAuthority, Lifetimes};
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_bundle_that_is_behind_for_long_counts_as_newer() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = SystemTime::now();
        let authority = CertificateAuthority::create(1, Lifetimes::default(), now);
        let authority = authority.expect("an authority");
        let bundle = CaBundle::new(authority.certificate(), 10).expect("a bundle");
        let (sender, receiver) = watch::channel(Some(bundle));
        let resolver = CertResolver::new(Arc::new(Metrics::default()));
        let dir = CertDir::new(folder.path());
        let mut watcher = CertDirWatcher::new(dir, resolver, sender, Publication::new());
        let generation = || receiver.borrow().as_ref().map(CaBundle::generation);

        let start = Instant::now();
        watcher.exceed(20, start);
        watcher.exceed(20, start + MAX_LAG / 2);
        assert_eq!(generation(), Some(10), "another replica may only be earlier");
        watcher.exceed(20, start + MAX_LAG);
        assert_eq!(generation(), Some(21));
    }
}
