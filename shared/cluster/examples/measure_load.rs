//! Time and peak memory of reading one dump, beside those of plain JSON parsing of the same file:
//!
//! `cargo run --release -p clbmigrate-cluster --example measure_load -- dump.json`
//!
//! Each way runs in a process of its own, so that peaks do not mix. Memory is read from Linux'
//! `/proc` and left out elsewhere.

use std::{
    env,
    error::Error,
    fs::{self, File},
    io::{self, BufReader, Write},
    path::Path,
    process::Command,
    time::Instant,
};

use clbmigrate_cluster::files::{Options, Source, load};
use serde::de::IgnoredAny;
use serde_json::Value;

/// Runs of each way; the fastest counts.
const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [file] => compare(file),
        [file, way] => run(Path::new(file), way),
        _ => Err("usage: measure_load DUMP.json".into()),
    }
}

fn compare(file: &str) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    writeln!(out, "{file}: {} MiB", fs::metadata(file)?.len() >> 20)?;
    for way in ["ignored", "value", "load"] {
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let output = Command::new(env::current_exe()?).args([file, way]).output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into());
            }
            runs.push(String::from_utf8(output.stdout)?);
        }
        runs.sort();
        writeln!(out, "{way:<8} {}", runs.first().map_or("", |run| run.trim_end()))?;
    }
    Ok(())
}

fn run(file: &Path, way: &str) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let read = match way {
        "load" => {
            let source = Source { context: None, path: file.to_owned() };
            let loaded = load(&[source], io::empty(), &Options::default());
            format!("{} objects, {} problems", loaded.objects, loaded.problems.len())
        }
        "value" => {
            let value: Value = serde_json::from_reader(BufReader::new(File::open(file)?))?;
            let items = value.get("items").and_then(Value::as_array);
            format!("{} items", items.map_or(0, Vec::len))
        }
        "ignored" => {
            serde_json::from_reader::<_, IgnoredAny>(BufReader::new(File::open(file)?))?;
            "nothing kept".to_owned()
        }
        _ => return Err("the ways are load, value and ignored".into()),
    };
    let seconds = start.elapsed().as_secs_f64();
    let peak = peak_mib().map_or_else(String::new, |mib| format!("{mib:>6} MiB  "));
    writeln!(io::stdout(), "{seconds:>7.3} s  {peak}({read})")?;
    Ok(())
}

fn peak_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib >> 10)
}
