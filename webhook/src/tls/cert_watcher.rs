//! Follows the serving certificate in a mounted directory.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval},
};

use super::{CaBundle, CertDir, CertResolver};

/// How long a replica may see old files after others see the new ones. kubelet needs about two
/// minutes.
const MAX_LAG: Duration = Duration::from_secs(300);

/// Serves the certificate that a directory holds; a bad one never replaces a good one.
#[derive(Debug)]
pub struct CertDirWatcher {
    dir: CertDir,
    resolver: Arc<CertResolver>,
    bundle: watch::Sender<Option<CaBundle>>,
    /// Since when a bundle is published that is newer than the directory's.
    outdated_since: Option<Instant>,
}

impl CertDirWatcher {
    /// A watcher that hands the directory's certificate to `resolver`, and its `ca.crt` to `bundle`.
    pub fn new(
        dir: CertDir,
        resolver: Arc<CertResolver>,
        bundle: watch::Sender<Option<CaBundle>>,
    ) -> Self {
        Self { dir, resolver, bundle, outdated_since: None }
    }

    /// Polls the directory at this interval, for ever. `newer` brings generations that are published and
    /// higher than the bundle's.
    pub async fn run(mut self, every: Duration, mut newer: mpsc::Receiver<u64>) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.poll(SystemTime::now()),
                Some(published) = newer.recv() => self.exceed(published, Instant::now()),
            }
        }
    }

    /// Reads the directory once, and serves what is new and good there.
    pub fn poll(&mut self, now: SystemTime) {
        match self.dir.poll(now) {
            None => {}
            Some(Err(why)) => tracing::error!(why, "the certificate stays as it is"),
            Some(Ok(contents)) => {
                tracing::info!("new certificate from files");
                self.resolver.set(contents.certificate);
                self.outdated_since = None;
                self.bundle.send_replace(contents.bundle);
            }
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
    use super::super::CertificateAuthority;
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_bundle_that_is_behind_for_long_counts_as_newer() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = SystemTime::now();
        let authority = CertificateAuthority::create(1, now).expect("an authority");
        let bundle = CaBundle::new(authority.certificate(), 10).expect("a bundle");
        let (sender, receiver) = watch::channel(Some(bundle));
        let resolver = CertResolver::new(Arc::new(Metrics::default()));
        let mut watcher = CertDirWatcher::new(CertDir::new(folder.path()), resolver, sender);
        let generation = || receiver.borrow().as_ref().map(CaBundle::generation);

        let start = Instant::now();
        watcher.exceed(20, start);
        watcher.exceed(20, start + MAX_LAG / 2);
        assert_eq!(generation(), Some(10), "another replica may only be earlier");
        watcher.exceed(20, start + MAX_LAG);
        assert_eq!(generation(), Some(21));
    }
}
