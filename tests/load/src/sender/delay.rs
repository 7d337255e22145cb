//! Changes that come into force after a delay, as in the cloud.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Returns a channel that holds `now` at once, and each later value `delay` after its arrival. Values
/// keep their order, and each is in force for a while, even one that is taken back within the delay.
pub fn delayed<T: Send + Sync + 'static>(
    delay: Duration,
    now: T,
    mut changes: mpsc::UnboundedReceiver<T>,
) -> watch::Receiver<T> {
    let (sender, receiver) = watch::channel(now);
    let (stamp, mut stamped) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(change) = changes.recv().await {
            // Nobody listens when the sender has ended.
            let _ = stamp.send((Instant::now() + delay, change));
        }
    });
    tokio::spawn(async move {
        while let Some((at, change)) = stamped.recv().await {
            sleep_until(at).await;
            let _ = sender.send(change);
        }
        // The last value stays in force, so the channel must not look ended.
        sender.closed().await;
    });
    receiver
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;
    use tokio::time::{Instant, sleep};

    use super::delayed;

    #[tokio::test(start_paused = true)]
    async fn every_change_is_late_by_the_same_time() {
        let (sender, changes) = mpsc::unbounded_channel();
        let start = Instant::now();
        let mut receiver = delayed(Duration::from_secs(5), 0, changes);
        assert_eq!(*receiver.borrow_and_update(), 0);
        tokio::spawn(async move {
            for (second, value) in [(1, 1), (3, 2)] {
                sleep((start + Duration::from_secs(second)).duration_since(Instant::now())).await;
                sender.send(value).expect("somebody listens");
            }
        });
        for (second, value) in [(6, 1), (8, 2)] {
            receiver.changed().await.expect("a change");
            assert_eq!(*receiver.borrow_and_update(), value);
            assert_eq!(start.elapsed().as_secs(), second);
        }
    }
}
