//! Keeps the certificate of a mounted folder at hand.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval},
};

use super::{Bundle, Folder, Resolver};

/// How long a replica may see an old folder after others see the new one. kubelet needs about two
/// minutes.
const LATE: Duration = Duration::from_secs(300);

/// Shows what a folder holds, as long as that is good.
#[derive(Debug)]
pub struct Mounted {
    folder: Folder,
    resolver: Arc<Resolver>,
    bundle: watch::Sender<Option<Bundle>>,
    /// Since when a bundle is published that is newer than the folder's.
    behind: Option<Instant>,
}

impl Mounted {
    /// The folder's certificate is shown by `resolver`, and its `ca.crt` told to `bundle`.
    pub fn new(
        folder: Folder,
        resolver: Arc<Resolver>,
        bundle: watch::Sender<Option<Bundle>>,
    ) -> Self {
        Self { folder, resolver, bundle, behind: None }
    }

    /// Keeps for ever, looking so often. `behind` brings generations that are published and newer.
    pub async fn run(mut self, every: Duration, mut behind: mpsc::Receiver<u64>) {
        let mut looks = interval(every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => self.look(SystemTime::now()),
                Some(published) = behind.recv() => self.pass(published, Instant::now()),
            }
        }
    }

    /// Looks into the folder, and shows what is new and good there.
    pub fn look(&mut self, now: SystemTime) {
        match self.folder.look(now) {
            None => {}
            Some(Err(why)) => tracing::error!(why, "the certificate stays as it is"),
            Some(Ok(found)) => {
                tracing::info!("new certificate from files");
                self.resolver.show(found.pair);
                self.behind = None;
                self.bundle.send_replace(found.bundle);
            }
        }
    }

    /// Somebody has published a bundle that counts as newer than the folder's: another replica that
    /// sees the folder's next contents already, or long ago an authority that is no more. In the
    /// second case the folder's counts as newer when the first has become unlikely.
    fn pass(&mut self, published: u64, now: Instant) {
        let since = *self.behind.get_or_insert(now);
        if now.duration_since(since) < LATE {
            return;
        }
        self.behind = None;
        let current = self.bundle.borrow().clone();
        if let Some(bundle) = current.filter(|bundle| bundle.generation() < published) {
            self.bundle.send_replace(Some(bundle.renumbered(published.saturating_add(1))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Authority;
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_bundle_that_is_behind_for_long_counts_as_newer() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = SystemTime::now();
        let authority = Authority::create(1, now).expect("an authority");
        let bundle = Bundle::new(authority.certificate(), 10).expect("a bundle");
        let (sender, receiver) = watch::channel(Some(bundle));
        let resolver = Resolver::new(Arc::new(Metrics::default()));
        let mut mounted = Mounted::new(Folder::new(folder.path()), resolver, sender);
        let generation = || receiver.borrow().as_ref().map(Bundle::generation);

        let start = Instant::now();
        mounted.pass(20, start);
        mounted.pass(20, start + LATE / 2);
        assert_eq!(generation(), Some(10), "another replica may only be earlier");
        mounted.pass(20, start + LATE);
        assert_eq!(generation(), Some(21));
    }
}
