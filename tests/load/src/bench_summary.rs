//! `target/bench/summary.json`: the results of benchmarks, one flat object of numbers.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// The path of the file, in the workspace whatever the target folder is. The workspace is found by
/// `CARGO_MANIFEST_DIR`, else by the folder from which this crate was compiled.
pub fn file() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    let workspace = package.ancestors().nth(2).unwrap_or(&package);
    workspace.join("target/bench/summary.json")
}

/// Adds figures to a file and keeps those of other benchmarks. A figure that is not finite, such as a
/// ratio to 0, is an error.
pub fn add(file: &Path, figures: &BTreeMap<String, f64>) -> Result<()> {
    let what = || format!("{}", file.display());
    for (name, figure) in figures {
        ensure!(figure.is_finite(), "{name} is {figure}");
    }
    let mut all = match fs::read(file) {
        Ok(text) => serde_json::from_slice::<BTreeMap<String, f64>>(&text).with_context(what)?,
        Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error).with_context(what),
    };
    all.extend(figures.iter().map(|(name, &figure)| (name.clone(), figure)));
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(what)?;
    }
    fs::write(file, serde_json::to_string_pretty(&all)? + "\n").with_context(what)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::add;

    fn figures(figures: &[(&str, f64)]) -> BTreeMap<String, f64> {
        figures.iter().map(|&(name, figure)| (name.to_owned(), figure)).collect()
    }

    #[test]
    fn figures_of_several_benchmarks_come_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bench/summary.json");
        add(&file, &figures(&[("kept", 1.5), ("again", 2.0)])).expect("a first one");
        add(&file, &figures(&[("again", 3.0)])).expect("another");
        let text = fs::read_to_string(&file).expect("the file");
        let all: BTreeMap<String, f64> = serde_json::from_str(&text).expect("JSON");
        assert_eq!(all, figures(&[("again", 3.0), ("kept", 1.5)]));
    }

    #[test]
    fn what_is_no_number_is_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("summary.json");
        let error = add(&file, &figures(&[("ratio", f64::NAN)])).expect_err("no number");
        assert_eq!(error.to_string(), "ratio is NaN");
        assert!(!file.exists());
    }
}
