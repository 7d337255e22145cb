//! Commands that the project's pages tell users to run, and what the pages show of their output and of files.

use std::fs;

use anyhow::{Context, bail, ensure};
use clbmigrate_testbed::programs::workspace;

/// What a page calls a block that shows output.
const OUTPUT: &str = "text";
/// What a page calls a block that is a document.
const JSON: &str = "json";

/// A fenced block of a page, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocsBlock {
    /// Commands for a shell.
    Commands(String),
    /// A block marked as `text`: what the commands before it print.
    Output(String),
    /// A block marked as `json`: a document for users to take.
    Json(String),
}

/// The fenced blocks below a heading of a page, in order. It is an error if there is no such heading,
/// no block below it, or one without an end.
pub fn docs_blocks(page: &str, heading: &str) -> anyhow::Result<Vec<DocsBlock>> {
    let text = fs::read_to_string(workspace()?.join(page))?;
    let (_, section) =
        text.split_once(&format!("# {heading}\n")).with_context(|| format!("{page}: {heading}"))?;
    let mut blocks = Vec::new();
    let mut lines = section.lines();
    while let Some(line) = lines.next().filter(|line| !line.starts_with('#')) {
        let Some(mark) = line.strip_prefix("```") else { continue };
        let mut block = String::new();
        loop {
            match lines.next() {
                None => bail!("{page}: {heading}: a block has no end"),
                Some("```") => break,
                Some(line) => block.extend([line, "\n"]),
            }
        }
        blocks.push(match mark {
            OUTPUT => DocsBlock::Output(block),
            JSON => DocsBlock::Json(block),
            _ => DocsBlock::Commands(block),
        });
    }
    ensure!(!blocks.is_empty(), "{page}: {heading}: no commands");
    Ok(blocks)
}

/// The commands below a heading of a page: a string for each block of them.
pub fn commands(page: &str, heading: &str) -> anyhow::Result<Vec<String>> {
    let blocks = docs_blocks(page, heading)?.into_iter();
    Ok(blocks
        .filter_map(|block| match block {
            DocsBlock::Commands(block) => Some(block),
            DocsBlock::Output(_) | DocsBlock::Json(_) => None,
        })
        .collect())
}

/// Demands that what a page shows was printed: its lines in the same order, each run of them without
/// others in between. A line of `...` stands for any lines, `…` within a line for any words.
pub fn expect_shown(shown: &str, printed: &str) -> anyhow::Result<()> {
    let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let mut next = 0;
    for run in shown.split("...\n").filter(|run| !run.is_empty()) {
        let run: Vec<&str> = run.lines().collect();
        let left = printed.get(next..).unwrap_or_default();
        let is_here = |lines: &[&str]| lines.iter().zip(&run).all(|(line, of)| is_like(line, of));
        let at = left.windows(run.len()).position(is_here).with_context(|| {
            format!("not printed, in this order:\n{}\nbut:\n{}", run.join("\n"), left.join("\n"))
        })?;
        next += at + run.len();
    }
    Ok(())
}

fn is_like(line: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut is_open = false;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        is_open = part.is_empty();
        rest = after;
    }
    rest.is_empty() || is_open
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "one\ntwo 2026 of it  \nthree\nfour\n";

    #[test]
    fn what_is_shown_was_printed_in_the_same_order() {
        for shown in
            ["one\n", "two … of it\n", "two …\nthree\n", "one\n...\nfour\n", "...\nthree\n...\n"]
        {
            expect_shown(shown, PRINTED).expect(shown);
        }
        for shown in
            ["five\n", "tw\n", "one\nthree\n", "four\n...\none\n", "two … of\n", "on…\ntwo\n"]
        {
            expect_shown(shown, PRINTED).expect_err(shown);
        }
    }
}
