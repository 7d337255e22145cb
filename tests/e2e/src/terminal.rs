//! A terminal with a program in it.

use std::{
    io::{Read, Write},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::{Context, Result};
use clbmigrate_testbed::try_wait_for;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::user::{DEADLINE, User};

/// A pseudo terminal; the program in it ends with it.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    received: Arc<Mutex<Received>>,
}

struct Received {
    parser: vt100::Parser,
    raw: Vec<u8>,
    /// Whether nothing can follow: the program has ended, and all that it wrote was read.
    is_over: bool,
}

impl Terminal {
    /// Starts `kubectl` with these arguments in a terminal of so many rows and columns.
    pub fn start(user: &User<'_>, arguments: &str, rows: u16, cols: u16) -> Result<Self> {
        Self::start_with(user, &[], arguments, rows, cols)
    }

    /// The same with more environment.
    pub fn start_with(
        user: &User<'_>,
        environment: &[(&'static str, String)],
        arguments: &str,
        rows: u16,
        cols: u16,
    ) -> Result<Self> {
        let mut variables = user.environment();
        variables.extend(environment.iter().cloned());
        Self::open(&user.cluster.program("kubectl"), &variables, arguments, rows, cols)
    }

    /// Starts a program with these arguments, separated by spaces, and these variables alone.
    pub fn open(
        program: &Path,
        variables: &[(&str, String)],
        arguments: &str,
        rows: u16,
        cols: u16,
    ) -> Result<Self> {
        let pair = native_pty_system().openpty(size(rows, cols))?;
        let mut command = CommandBuilder::new(program);
        command.env_clear();
        command.args(arguments.split_whitespace());
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command)?;
        drop(pair.slave);
        let parser = vt100::Parser::new(rows, cols, 0);
        let received = Arc::new(Mutex::new(Received { parser, raw: Vec::new(), is_over: false }));
        let mut reader = pair.master.try_clone_reader()?;
        let into = Arc::clone(&received);
        thread::spawn(move || {
            let seen = || into.lock().unwrap_or_else(PoisonError::into_inner);
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let bytes = buffer.get(..count).unwrap_or_default();
                let mut seen = seen();
                seen.parser.process(bytes);
                seen.raw.extend_from_slice(bytes);
            }
            seen().is_over = true;
        });
        let writer = pair.master.take_writer()?;
        Ok(Self { master: pair.master, child, writer, received })
    }

    /// What is to be seen.
    pub fn screen(&self) -> String {
        self.received().parser.screen().contents()
    }

    /// Everything that was written to it, control sequences included.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.received().raw).into_owned()
    }

    /// Everything that was printed, without lines that were cleared again.
    pub fn printed(&self) -> String {
        const CLEAR_LINE: &str = "\u{1b}[2K";
        let raw = self.raw();
        let lines = raw.lines().map(|line| line.rsplit(CLEAR_LINE).next().unwrap_or_default());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Waits until words are to be seen.
    pub fn wait_for(&self, words: &str) -> Result<()> {
        self.wait_for_screen(&format!("{words:?}"), |screen| screen.contains(words))
    }

    /// Waits until words are to be seen, and these others once: what is drawn in place is not there
    /// twice, except while it is drawn.
    pub fn wait_in_place(&self, words: &str, once: &str) -> Result<()> {
        self.wait_for_screen(&format!("{words:?}, and {once:?} once,"), |screen| {
            screen.contains(words) && screen.matches(once).count() == 1
        })
    }

    /// Waits until the screen is like this.
    fn wait_for_screen(&self, what: &str, is_like: impl Fn(&str) -> bool) -> Result<()> {
        try_wait_for(&format!("{what} on the terminal"), DEADLINE, || {
            Ok(is_like(&self.screen()).then_some(()))
        })
        .with_context(|| self.screen())
    }

    /// Gives it another size.
    pub fn resize(&self, rows: u16, cols: u16) -> Result<()> {
        self.received().parser.screen_mut().set_size(rows, cols);
        self.master.resize(size(rows, cols))
    }

    /// Types.
    pub fn types(&mut self, text: &str) -> Result<()> {
        self.writer.write_all(text.as_bytes())?;
        Ok(self.writer.flush()?)
    }

    /// Answers a question as often as it is asked, until the program ends; returns its exit code.
    pub fn ends_answering(&mut self, question: &str, answer: &str) -> Result<u32> {
        let mut answered = 0;
        loop {
            let asked = || {
                let received = self.received();
                let asked = String::from_utf8_lossy(&received.raw).matches(question).count();
                Ok((received.is_over || asked > answered).then_some(asked))
            };
            let asked = try_wait_for("a question or the end", DEADLINE, asked)
                .with_context(|| self.raw())?;
            if asked == answered {
                return self.ends();
            }
            answered = asked;
            self.types(answer)?;
        }
    }

    /// Waits for the program's end, and for all that it wrote, and returns its exit code.
    pub fn ends(&mut self) -> Result<u32> {
        let status = try_wait_for("the program's end", DEADLINE, || Ok(self.child.try_wait()?))
            .with_context(|| self.raw())?;
        let all = || Ok(self.received().is_over.then_some(()));
        try_wait_for("the end of what the program wrote", DEADLINE, all)
            .with_context(|| self.raw())?;
        Ok(status.exit_code())
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}
