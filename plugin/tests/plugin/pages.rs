//! The pages of `docs/`: what they show a command to print is what it prints.

use std::fs;

use crate::program::{command, finish, root};

/// The files that the pages' commands name beside those of `deploy/examples`.
const FILES: &str = "plugin/tests/plugin/data/docs";

/// A block of a page with a command and its output.
struct Shown {
    page: String,
    arguments: Vec<String>,
    /// Runs of lines, with others left out in between.
    runs: Vec<Vec<String>>,
    is_cut_before: bool,
    is_cut_after: bool,
}

/// The blocks of all pages that begin with `$ kubectl clbmigrate`.
fn shown() -> Vec<Shown> {
    let pages = fs::read_dir(root().join("docs")).expect("the pages");
    let pages = pages.map(|page| page.expect("a page").path());
    let pages = pages.filter(|page| page.extension().is_some_and(|end| end == "md"));
    let mut all = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page");
        let name = page.file_name().expect("a name").to_string_lossy().into_owned();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(arguments) = line.strip_prefix("$ kubectl clbmigrate ") else { continue };
            let output: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let runs = output.split(|line| *line == "...").filter(|run| !run.is_empty());
            all.push(Shown {
                page: name.clone(),
                arguments: arguments.split(' ').map(str::to_owned).collect(),
                runs: runs.map(|run| run.iter().map(ToString::to_string).collect()).collect(),
                is_cut_before: output.first() == Some(&"..."),
                is_cut_after: output.last() == Some(&"..."),
            });
        }
    }
    all
}

/// What the command prints, with the files named as the page names them.
fn printed(arguments: &[String]) -> String {
    let placed = arguments.iter().map(|argument| {
        let is_ours = root().join(FILES).join(argument).is_file();
        if is_ours { format!("{FILES}/{argument}") } else { argument.clone() }
    });
    let mut command = command();
    command.args(placed);
    finish(&mut command).out.replace(&format!("{FILES}/"), "")
}

#[test]
fn the_pages_show_what_the_program_prints() {
    let all = shown();
    assert!(all.len() > 10, "{} blocks", all.len());
    for Shown { page, arguments, runs, is_cut_before, is_cut_after } in all {
        let output = printed(&arguments);
        let output: Vec<&str> = output.trim_end().lines().collect();
        let place = format!("docs/{page}: {}\n{}", arguments.join(" "), output.join("\n"));
        let mut next = 0;
        for (index, run) in runs.iter().enumerate() {
            let is_here = |at: &usize| {
                output[*at..].iter().zip(run).filter(|(a, b)| a == b).count() == run.len()
            };
            let at = (next..=output.len()).find(is_here);
            let at = at
                .unwrap_or_else(|| panic!("{place}\nhas not, in this order:\n{}", run.join("\n")));
            assert!(index > 0 || is_cut_before || at == 0, "{place}\nbegins otherwise");
            next = at + run.len();
        }
        assert!(is_cut_after || next == output.len(), "{place}\ngoes on");
    }
}
