//! The memory that large bodies occupy, from their first bytes until their review is answered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::Notify;

/// The memory of all large bodies. When it is used up, the body that arrives most slowly is given up:
/// API servers send a body at once, so it is never one of theirs while there are slow ones.
#[derive(Debug)]
pub(super) struct BodyMemory {
    max: usize,
    state: Mutex<MemoryState>,
}

#[derive(Debug, Default)]
struct MemoryState {
    used: usize,
    next: u64,
    arriving: HashMap<u64, ArrivingBody>,
}

#[derive(Debug)]
struct ArrivingBody {
    bytes: usize,
    start: Instant,
    given_up: Arc<Notify>,
}

impl ArrivingBody {
    /// How many bytes have arrived a second.
    fn rate(&self, now: Instant) -> u128 {
        let bytes = u128::try_from(self.bytes).unwrap_or(u128::MAX);
        let micros = now.saturating_duration_since(self.start).as_micros().max(1);
        bytes.saturating_mul(1_000_000) / micros
    }
}

/// What one body occupies. It is free again when this value is dropped.
#[derive(Debug)]
pub(super) struct BodyShare<'m> {
    memory: &'m BodyMemory,
    id: u64,
    bytes: usize,
    is_complete: bool,
    /// Told when the body is given up in favour of others.
    pub given_up: Arc<Notify>,
}

impl BodyMemory {
    /// Memory for so many bytes.
    pub fn new(max: usize) -> Self {
        Self { max, state: Mutex::default() }
    }

    /// Begins to count a body whose request began at `start`.
    pub fn begin(&self, start: Instant) -> BodyShare<'_> {
        let given_up = Arc::new(Notify::new());
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        let body = ArrivingBody { bytes: 0, start, given_up: Arc::clone(&given_up) };
        state.arriving.insert(id, body);
        BodyShare { memory: self, id, bytes: 0, is_complete: false, given_up }
    }

    fn lock(&self) -> MutexGuard<'_, MemoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BodyShare<'_> {
    /// Occupies so many bytes more. Returns whether there was room; if not, this body is the one to
    /// give up.
    pub fn grow(&mut self, by: usize) -> bool {
        let now = Instant::now();
        let mut state = self.memory.lock();
        let Some(own) = state.arriving.get_mut(&self.id) else { return false };
        own.bytes += by;
        self.bytes += by;
        state.used += by;
        while state.used > self.memory.max {
            let slowest = state.arriving.iter().min_by_key(|(_, body)| body.rate(now));
            let Some(slowest) = slowest.map(|(id, _)| *id) else { return false };
            if slowest == self.id {
                return false;
            }
            if let Some(body) = state.arriving.remove(&slowest) {
                state.used = state.used.saturating_sub(body.bytes);
                body.given_up.notify_one();
            }
        }
        true
    }

    /// Notes that the body has arrived and is no longer given up for others. Returns false where it was
    /// given up before.
    pub fn complete(&mut self) -> bool {
        self.is_complete = self.memory.lock().arriving.remove(&self.id).is_some();
        self.is_complete
    }
}

impl Drop for BodyShare<'_> {
    fn drop(&mut self) {
        let mut state = self.memory.lock();
        let is_arriving = state.arriving.remove(&self.id).is_some();
        // What a body occupied that was given up is free already.
        if is_arriving || self.is_complete {
            state.used = state.used.saturating_sub(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn used(memory: &BodyMemory) -> usize {
        memory.lock().used
    }

    #[test]
    fn the_body_that_arrives_most_slowly_makes_room() {
        let memory = BodyMemory::new(1000);
        let now = Instant::now();
        let long_ago = now.checked_sub(Duration::from_secs(60)).expect("a clock");
        let mut slow = memory.begin(long_ago);
        let mut fast = memory.begin(now);
        assert!(slow.grow(600) && fast.grow(400));
        assert!(fast.grow(500), "there is room in place of the slow one");
        assert!(!slow.grow(1) && !slow.complete());
        drop(slow);
        assert_eq!(used(&memory), 900);
        drop(fast);
        assert_eq!(used(&memory), 0);
    }

    #[test]
    fn a_body_that_has_arrived_is_never_given_up() {
        let memory = BodyMemory::new(1000);
        let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).expect("a clock");
        let mut whole = memory.begin(long_ago);
        assert!(whole.grow(900) && whole.complete());
        let mut next = memory.begin(Instant::now());
        assert!(!next.grow(200), "it is the only one that can make room");
        drop(next);
        assert_eq!(used(&memory), 900);
        drop(whole);
        assert_eq!(used(&memory), 0);
    }
}
