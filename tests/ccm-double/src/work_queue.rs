//! The work queue of a controller, as in client-go: one worker at a time has a key, and a key that is added while a
//! worker has it is handed out again afterwards. Failed keys are added again after an exponential backoff.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How long a key waits after failures in a row: doubled with each failure, up to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub base: Duration,
    /// The longest wait.
    pub limit: Duration,
}

impl Default for Backoff {
    /// CCM 2.14: 5 s to 300 s.
    fn default() -> Self {
        Self { base: Duration::from_secs(5), limit: Duration::from_secs(300) }
    }
}

impl Backoff {
    fn after(self, failures: u32) -> Duration {
        let factor = 2_u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.limit)
    }
}

/// Keys to work on.
#[derive(Debug)]
pub(crate) struct WorkQueue<K> {
    state: Mutex<QueueState<K>>,
    changed: Notify,
    backoff: Backoff,
}

#[derive(Debug)]
struct QueueState<K> {
    ready: VecDeque<K>,
    /// What is ready, or will be when its present worker is done with it.
    dirty: HashSet<K>,
    running: HashSet<K>,
    waiting: BTreeMap<K, Instant>,
    failures: HashMap<K, u32>,
}

impl<K: Clone + Ord + Hash> WorkQueue<K> {
    pub(crate) fn new(backoff: Backoff) -> Self {
        let state = QueueState {
            ready: VecDeque::new(),
            dirty: HashSet::new(),
            running: HashSet::new(),
            waiting: BTreeMap::new(),
            failures: HashMap::new(),
        };
        Self { state: Mutex::new(state), changed: Notify::new(), backoff }
    }

    /// Adds a key; without effect if it is there already.
    pub(crate) fn add(&self, key: K) {
        self.state().add(key);
        self.changed.notify_one();
    }

    /// The next key, for one worker; it has to give it back with [`Self::done`].
    pub(crate) async fn next(&self) -> K {
        loop {
            let due = {
                let mut state = self.state();
                state.wake(Instant::now());
                if let Some(key) = state.take() {
                    // One permit may have stood for several keys.
                    self.changed.notify_one();
                    return key;
                }
                state.waiting.values().min().copied()
            };
            let wait = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = wait => {}
            }
        }
    }

    /// Gives a key back. A failed one comes again after a while. Nothing but success forgives failures: an edit makes a
    /// round at once, and the next failure waits on from where the last one stopped.
    pub(crate) fn done(&self, key: &K, succeeded: bool) {
        let mut state = self.state();
        state.running.remove(key);
        if state.dirty.contains(key) {
            state.ready.push_back(key.clone());
        }
        if succeeded {
            state.failures.remove(key);
            drop(state);
            self.changed.notify_one();
        } else {
            let failures = state.failures.entry(key.clone()).or_default();
            *failures = failures.saturating_add(1);
            let time = self.backoff.after(*failures);
            drop(state);
            self.add_after(key.clone(), time);
        }
    }

    /// Adds a key after a while.
    pub(crate) fn add_after(&self, key: K, time: Duration) {
        let due = Instant::now() + time;
        let mut state = self.state();
        let waits = state.waiting.entry(key).or_insert(due);
        *waits = (*waits).min(due);
        drop(state);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, QueueState<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Ord + Hash> QueueState<K> {
    fn add(&mut self, key: K) {
        if self.dirty.insert(key.clone()) && !self.running.contains(&key) {
            self.ready.push_back(key);
        }
    }

    fn wake(&mut self, now: Instant) {
        let (due, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, at)| *at <= now);
        self.waiting = waiting;
        for key in due.into_keys() {
            self.add(key);
        }
    }

    fn take(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        self.dirty.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> WorkQueue<&'static str> {
        WorkQueue::new(Backoff::default())
    }

    /// Whether a key comes before the (paused) clock has moved by the given time.
    async fn comes_within(queue: &WorkQueue<&'static str>, time: Duration) -> bool {
        tokio::time::timeout(time, queue.next()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_added_twice_comes_once() {
        let queue = queue();
        queue.add("a");
        queue.add("a");
        queue.add("b");
        assert_eq!((queue.next().await, queue.next().await), ("a", "b"));
        assert!(!comes_within(&queue, Duration::from_secs(3600)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_added_during_its_round_comes_again_after_it() {
        let queue = queue();
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.add("a");
        assert!(!comes_within(&queue, Duration::from_secs(3600)).await);
        queue.done(&"a", true);
        assert_eq!(queue.next().await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_double_the_wait_from_5_to_300_seconds_and_success_forgives() {
        let queue = queue();
        queue.add("a");
        let mut key = queue.next().await;
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            queue.done(&key, false);
            let before = Instant::now();
            key = queue.next().await;
            // A timer may be a few milliseconds late.
            assert_eq!(before.elapsed().as_millis() / 100, seconds * 10);
        }
        queue.done(&key, true);
        assert!(queue.state().failures.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_key_may_come_again_after_a_while() {
        let queue = queue();
        queue.add_after("a", Duration::from_secs(10));
        assert!(!comes_within(&queue, Duration::from_secs(9)).await);
        assert!(comes_within(&queue, Duration::from_secs(2)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_key_comes_at_once_when_added() {
        let queue = queue();
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.done(&"a", false);
        queue.add("a");
        assert!(comes_within(&queue, Duration::from_secs(1)).await);
    }

    /// Measured with client-go 0.28: the wait that an edit comes into is not begun anew, and the failure of its round
    /// counts.
    #[tokio::test(start_paused = true)]
    async fn an_edit_makes_a_round_at_once_and_does_not_forget_the_failures_before_it() {
        let queue = queue();
        queue.add("a");
        for _ in 0..5 {
            let key = queue.next().await;
            queue.done(&key, false);
        }
        queue.add("a");
        let edited = Instant::now();
        let seconds = |since: Instant| since.elapsed().as_millis() / 1000;
        let mut key = queue.next().await;
        assert_eq!(seconds(edited), 0);
        for wanted in [80, 380] {
            queue.done(&key, false);
            key = queue.next().await;
            assert_eq!(seconds(edited), wanted);
        }
        queue.done(&key, true);
        queue.add("a");
        key = queue.next().await;
        queue.done(&key, false);
        let failed = Instant::now();
        queue.next().await;
        assert_eq!(seconds(failed), 5, "success forgives");
    }

    #[tokio::test(start_paused = true)]
    async fn several_workers_get_several_keys() {
        let queue = queue();
        let workers = async { tokio::join!(queue.next(), queue.next(), queue.next()) };
        let feed = async {
            tokio::task::yield_now().await;
            for key in ["a", "b", "c"] {
                queue.add(key);
            }
        };
        let ((a, b, c), ()) = tokio::join!(workers, feed);
        assert_eq!(HashSet::from([a, b, c]).len(), 3);
    }
}
