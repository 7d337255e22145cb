//! Commands that the project's pages tell users to run.

use std::fs;

use anyhow::{Context, ensure};
use clbmigrate_testbed::programs::workspace;

/// The commands below a heading of a page: a string for each fenced block, as it stands there. It is
/// an error if there is no such heading, or no block below it.
pub fn commands(page: &str, heading: &str) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(workspace()?.join(page))?;
    let (_, section) =
        text.split_once(&format!("# {heading}\n")).with_context(|| format!("{page}: {heading}"))?;
    let section = section.split("\n#").next().unwrap_or_default();
    let blocks = section.split("```").skip(1).step_by(2);
    let blocks: Vec<String> = blocks
        .filter_map(|block| block.split_once('\n'))
        .map(|(_, commands)| commands.to_owned())
        .collect();
    ensure!(!blocks.is_empty(), "{page}: {heading}: no commands");
    Ok(blocks)
}
