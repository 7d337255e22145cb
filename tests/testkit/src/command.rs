//! Commands that run to their end, and what they leave.

use std::process::{Command, Output};

use anyhow::{Context, ensure};
use serde_json::Value;

/// What a command has left when it ended.
#[derive(Debug, Default)]
pub struct CommandOutput {
    /// The exit code.
    pub code: i32,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
}

impl CommandOutput {
    /// Demands an exit code. The error shows both outputs.
    pub fn expect_code(self, code: i32) -> anyhow::Result<Self> {
        ensure!(
            self.code == code,
            "exit {} instead of {code}\n{}\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        Ok(self)
    }

    /// Demands that standard output contains a text.
    pub fn expect_stdout(self, text: &str) -> anyhow::Result<Self> {
        ensure!(self.stdout.contains(text), "no {text:?} in:\n{}\n{}", self.stdout, self.stderr);
        Ok(self)
    }

    /// Demands that standard error contains a text.
    pub fn expect_stderr(self, text: &str) -> anyhow::Result<Self> {
        ensure!(self.stderr.contains(text), "no {text:?} in:\n{}", self.stderr);
        Ok(self)
    }

    /// Standard output as one JSON document.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| self.stdout.clone())
    }
}

impl TryFrom<Output> for CommandOutput {
    type Error = anyhow::Error;

    /// An error if a signal has ended the command, or if an output is not UTF-8.
    fn try_from(output: Output) -> anyhow::Result<Self> {
        Ok(Self {
            code: output.status.code().context("ended by a signal")?,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }
}

/// Runs a command to its end. A command that cannot be started is an error; an exit code other than
/// 0 is not.
pub fn run(command: &mut Command) -> anyhow::Result<CommandOutput> {
    command.output().with_context(|| format!("{command:?}"))?.try_into()
}
