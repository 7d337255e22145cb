//! One line on the terminal that says what takes long.

use std::{
    cell::RefCell,
    io::{self, Write},
    rc::Rc,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::style::clean;

/// How often the line is drawn.
const INTERVAL: Duration = Duration::from_millis(250);

/// What takes no longer than this is not shown at all.
const PATIENCE: Duration = Duration::from_millis(500);

/// The line, at the end of all that is on stderr. It is there only where stderr is a terminal. Clones
/// share it.
#[derive(Debug, Clone)]
pub struct ProgressLine {
    bar: ProgressBar,
    is_shown: bool,
    /// What takes long, each as a part of the one before it. The last is shown.
    messages: Rc<RefCell<Vec<String>>>,
    beginning: Rc<RefCell<Option<Beginning>>>,
}

/// The thread that shows the line in a while. It ends early where the sender is dropped.
#[derive(Debug)]
struct Beginning {
    end: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Beginning {
    fn of(bar: ProgressBar) -> Self {
        let (end, is_over) = channel();
        let begin = move || {
            if is_over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                bar.set_draw_target(ProgressDrawTarget::stderr());
                bar.enable_steady_tick(INTERVAL);
            }
        };
        // Without a thread there is no line.
        Self { end, thread: thread::Builder::new().spawn(begin).ok() }
    }

    fn end(self) {
        drop(self.end);
        if let Some(thread) = self.thread {
            thread.join().unwrap_or_default();
        }
    }
}

impl ProgressLine {
    /// The line of the program's stderr.
    pub fn of_stderr(has_unicode: bool) -> Self {
        let style = ProgressStyle::default_spinner();
        let style = if has_unicode { style } else { style.tick_chars("|/-\\ ") };
        let line = Self::hidden();
        if let Ok(style) = style.template("{spinner} {wide_msg} {elapsed}") {
            line.bar.set_style(style);
        }
        Self { is_shown: !ProgressDrawTarget::stderr().is_hidden(), ..line }
    }

    /// A line that is never shown.
    pub fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            is_shown: false,
            messages: Rc::default(),
            beginning: Rc::default(),
        }
    }

    /// Shows the line until the result is dropped. It says `message`, and for how long.
    pub fn show(&self, message: impl Into<String>) -> Progress {
        let depth = self.messages.borrow().len();
        self.messages.borrow_mut().push(String::new());
        if self.is_shown && depth == 0 {
            self.bar.reset();
        }
        let progress = Progress { line: self.clone(), depth };
        progress.set(message);
        if self.is_shown && depth == 0 {
            *self.beginning.borrow_mut() = Some(Beginning::of(self.bar.clone()));
        }
        progress
    }

    /// A stream that makes room for what is written to it.
    pub fn beside<W: Write>(&self, stream: W) -> Beside<W> {
        Beside { stream, line: self.clone() }
    }

    fn draw(&self) {
        if self.is_shown
            && let Some(message) = self.messages.borrow().last()
        {
            self.bar.set_message(message.clone());
        }
    }
}

/// What takes long at the moment. Dropping it goes back to what it is a part of, or clears the line.
#[derive(Debug)]
#[must_use]
pub struct Progress {
    line: ProgressLine,
    depth: usize,
}

impl Progress {
    /// Says something else.
    pub fn set(&self, message: impl Into<String>) {
        if let Some(own) = self.line.messages.borrow_mut().get_mut(self.depth) {
            *own = clean(&message.into()).into_owned();
        }
        self.line.draw();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.line.messages.borrow_mut().truncate(self.depth);
        if self.line.is_shown && self.depth == 0 {
            if let Some(beginning) = self.line.beginning.take() {
                beginning.end();
            }
            self.line.bar.disable_steady_tick();
            self.line.bar.finish_and_clear();
            self.line.bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        self.line.draw();
    }
}

/// A stream of a terminal on which the line may stand.
pub struct Beside<W> {
    stream: W,
    line: ProgressLine,
}

impl<W: Write> Write for Beside<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.line.is_shown {
            return self.stream.write(bytes);
        }
        self.line.bar.suspend(|| self.stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_within_something_else_gives_way_to_it_again() {
        let line = ProgressLine::hidden();
        let messages = || line.messages.borrow().clone();
        let outer = line.show("the wait");
        {
            let inner = line.show("a look");
            inner.set("a look\u{1b}[31m at a group");
            assert_eq!(messages(), ["the wait", "a look\\u{1b}[31m at a group"]);
        }
        outer.set("the wait, 3s left");
        assert_eq!(messages(), ["the wait, 3s left"]);
        drop(outer);
        assert!(messages().is_empty());
    }

    #[test]
    fn nothing_is_drawn_where_nobody_sees_it() {
        let line = ProgressLine::hidden();
        let mut stream = line.beside(Vec::new());
        let _progress = line.show("the wait");
        stream.write_all(b"an answer\n").expect("memory");
        assert_eq!(stream.stream, b"an answer\n");
    }
}
