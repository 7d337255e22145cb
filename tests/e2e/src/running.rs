//! A command that runs while a test does something else.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_testkit::CommandOutput;

use crate::user::DEADLINE;

/// A command that runs.
#[derive(Debug)]
pub struct RunningCommand {
    child: Child,
    stderr: PathBuf,
}

impl RunningCommand {
    /// Starts it. What it says goes to a file of that name.
    pub fn start(command: &mut Command, stderr: PathBuf) -> anyhow::Result<Self> {
        command.stdout(Stdio::piped()).stderr(File::create(&stderr)?);
        Ok(Self { child: command.spawn().context("kubectl")?, stderr })
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status()?;
        ensure!(sent.success(), "no process {id}");
        Ok(())
    }

    /// Waits until it has said these words.
    pub fn wait_for_stderr(&self, words: &str) -> anyhow::Result<()> {
        try_wait_for(&format!("{words:?} on stderr"), DEADLINE, || {
            Ok(fs::read_to_string(&self.stderr)?.contains(words).then_some(()))
        })
        .with_context(|| fs::read_to_string(&self.stderr).unwrap_or_default())
    }

    /// Waits for its end.
    pub fn wait(self) -> anyhow::Result<CommandOutput> {
        let mut output = self.child.wait_with_output()?;
        output.stderr = fs::read(&self.stderr)?;
        output.try_into()
    }

    /// Waits until a signal has ended it.
    pub fn wait_for_kill(mut self) -> anyhow::Result<()> {
        let status = self.child.wait()?;
        ensure!(status.code().is_none(), "it ended by itself: {status}");
        Ok(())
    }
}
