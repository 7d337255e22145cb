//! Streams whose failures change nothing of what a command does, nor how it ends.

use std::{
    cell::RefCell,
    io::{self, Write},
    rc::Rc,
};

/// What has become of a stream of the program. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct StreamState(Rc<RefCell<Fate>>);

#[derive(Debug, Default)]
enum Fate {
    /// It takes what is written.
    #[default]
    Open,
    /// Its reader went away, as in `… | head`.
    Closed,
    /// It cannot be written, for example because the disk is full.
    Failed(io::Error),
}

impl StreamState {
    /// Whether nothing that is written arrives any more.
    pub fn is_over(&self) -> bool {
        !matches!(*self.0.borrow(), Fate::Open)
    }

    /// Whether what was written is lost though somebody wants it.
    pub fn has_failed(&self) -> bool {
        matches!(*self.0.borrow(), Fate::Failed(_))
    }

    /// Why it could not be written, told once; `None` for a stream that is open, or whose reader went
    /// away.
    pub fn take_failure(&self) -> Option<io::Error> {
        let mut fate = self.0.borrow_mut();
        if !matches!(*fate, Fate::Failed(_)) {
            return None;
        }
        match std::mem::replace(&mut *fate, Fate::Closed) {
            Fate::Failed(error) => Some(error),
            Fate::Open | Fate::Closed => None,
        }
    }

    fn end(&self, error: io::Error) {
        *self.0.borrow_mut() = match error.kind() {
            io::ErrorKind::BrokenPipe => Fate::Closed,
            _ => Fate::Failed(error),
        };
    }
}

/// A writer that takes everything. What comes after its first failure is dropped.
pub struct Unfailing<W> {
    inner: W,
    state: StreamState,
}

impl<W: Write> Unfailing<W> {
    /// A writer to `inner`, which keeps account of it in `state`.
    pub fn new(inner: W, state: &StreamState) -> Self {
        Self { inner, state: state.clone() }
    }
}

impl<W: Write> Write for Unfailing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.state.is_over() {
            return Ok(bytes.len());
        }
        match self.inner.write(bytes) {
            Ok(0) if !bytes.is_empty() => self.state.end(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => self.state.end(error),
            written => return written,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.state.is_over()
            && let Err(error) = self.inner.flush()
        {
            self.state.end(error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// A stream that takes so many bytes, and then fails.
    struct Limited {
        room: usize,
        then: io::ErrorKind,
        calls: Rc<RefCell<usize>>,
    }

    impl Write for Limited {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            *self.calls.borrow_mut() += 1;
            if self.room == 0 {
                return Err(self.then.into());
            }
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            if self.room == 0 { Err(self.then.into()) } else { Ok(()) }
        }
    }

    fn limited(room: usize, then: io::ErrorKind) -> (Unfailing<Limited>, StreamState) {
        let state = StreamState::default();
        let inner = Limited { room, then, calls: Rc::default() };
        (Unfailing::new(inner, &state), state)
    }

    #[rstest]
    #[case::a_reader_that_went_away(io::ErrorKind::BrokenPipe, None)]
    #[case::a_full_disk(io::ErrorKind::StorageFull, Some(io::ErrorKind::StorageFull))]
    fn what_cannot_be_written_is_dropped_and_kept_account_of(
        #[case] then: io::ErrorKind,
        #[case] failure: Option<io::ErrorKind>,
    ) {
        let (mut stream, state) = limited(4, then);
        stream.write_all(b"12").expect("it takes everything");
        assert!(!state.is_over());
        stream.write_all(b"345678").expect("it takes everything");
        assert!(state.is_over());
        assert_eq!(state.has_failed(), failure.is_some());
        let calls = *stream.inner.calls.borrow();
        stream.write_all(b"9").expect("it takes everything");
        stream.flush().expect("it takes everything");
        assert_eq!(*stream.inner.calls.borrow(), calls, "nothing more is tried");
        assert_eq!(state.take_failure().map(|error| error.kind()), failure);
        assert!(state.take_failure().is_none() && state.is_over(), "it is told once");
    }

    #[test]
    fn a_failure_to_flush_counts() {
        let (mut stream, state) = limited(0, io::ErrorKind::StorageFull);
        stream.flush().expect("it takes everything");
        assert!(state.has_failed());
    }
}
