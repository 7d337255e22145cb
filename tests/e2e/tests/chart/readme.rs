//! The chart's README: its table is made of the comments in values.yaml.

use std::{fmt::Write as _, fs};

use anyhow::{Context, ensure};
use clbmigrate_e2e::Helm;
use serde_json::Value;

use crate::{FileCase, files::keep};

pub const CASES: &[FileCase] = &[
    ("the chart's README is in step with its values", readme),
    ("the schema knows each value that there is, and no other", schema),
    ("a table of values has a row for each value, with what is said above it", table),
];

const HEAD: &str = "<!-- Made of values.yaml; do not edit. CLBMIGRATE_UPDATE=1 cargo test -p clbmigrate-e2e --test chart -- \"in step\" -->
# clbmigrate-webhook

The admission webhook of kubectl-clbmigrate: it refuses Services that the Cloud Controller Manager of Alibaba Cloud would silently
misread, and gives workloads the preStop hook without which requests are lost when Pods end. `docs/webhook.md` in the project says
what it does and what it needs.

```
helm install clbmigrate deploy/chart -n clbmigrate-system --create-namespace --set image.repository=REGISTRY/clbmigrate/webhook
helm test clbmigrate -n clbmigrate-system --logs
```

An upgrade by `--reuse-values` keeps the values of a release of 0.1.0; what they lack has the default below.

## Values
";

/// A value of the chart, as values.yaml has it.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    /// Its keys, joined by dots.
    path: String,
    /// Its default as it is written; empty where it only holds others.
    default: String,
    /// The comment above it.
    comment: String,
}

/// The values in a file of them, in its order. It must have one key a line.
fn settings(text: &str) -> anyhow::Result<Vec<Setting>> {
    let mut settings = Vec::new();
    let mut parents: Vec<(usize, &str)> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in text.lines() {
        let content = line.trim();
        if let Some(words) = content.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        if content.is_empty() {
            comment.clear();
            continue;
        }
        let (key, default) = content.split_once(':').with_context(|| format!("no key: {line}"))?;
        let indent = line.len() - line.trim_start().len();
        parents.retain(|(outer, _)| *outer < indent);
        parents.push((indent, key));
        let keys: Vec<&str> = parents.iter().map(|(_, key)| *key).collect();
        let comment = std::mem::take(&mut comment).join(" ");
        settings.push(Setting {
            path: keys.join("."),
            default: default.trim().to_owned(),
            comment,
        });
    }
    Ok(settings)
}

/// A Markdown table of values. What only holds others has a row if something is said about it.
fn rows(settings: &[Setting]) -> String {
    let mut text = "| value | default | meaning |\n|---|---|---|\n".to_owned();
    for Setting { path, default, comment } in settings {
        if default.is_empty() && comment.is_empty() {
            continue;
        }
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        let comment = comment.replace('|', "\\|");
        let _ = writeln!(text, "| `{path}` | {default} | {comment} |");
    }
    text
}

fn readme(helm: &Helm) -> anyhow::Result<()> {
    let values = fs::read_to_string(helm.chart.join("values.yaml"))?;
    keep("deploy/chart/README.md", &format!("{HEAD}\n{}", rows(&settings(&values)?)))
}

fn table(_: &Helm) -> anyhow::Result<()> {
    let values = "# About the file.\n\n# How many.\nreplicas: 2\n\nimage:\n  # Where | how\n  # it is.\n  tag: \"\"\n\
                  # Groups.\nlog:\n  level: info\nrules: {}\n";
    let expected = "| value | default | meaning |\n|---|---|---|\n\
                    | `replicas` | `2` | How many. |\n\
                    | `image.tag` | `\"\"` | Where \\| how it is. |\n\
                    | `log` |  | Groups. |\n\
                    | `log.level` | `info` |  |\n\
                    | `rules` | `{}` |  |\n";
    let made = rows(&settings(values)?);
    ensure!(made == expected, "{made}");
    ensure!(settings("- a\n").is_err());
    Ok(())
}

/// The part of the schema about a value; references are followed.
fn part<'s>(schema: &'s Value, of: &'s Value, key: &str) -> Option<&'s Value> {
    let of = resolved(schema, of);
    let direct = of["properties"].get(key);
    let all = || of["allOf"].as_array().into_iter().flatten();
    direct.filter(|found| !found.is_null()).or_else(|| all().find_map(|of| part(schema, of, key)))
}

fn resolved<'s>(schema: &'s Value, of: &'s Value) -> &'s Value {
    match of["$ref"].as_str() {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap_or(of),
        None => of,
    }
}

fn schema(helm: &Helm) -> anyhow::Result<()> {
    let schema = fs::read_to_string(helm.chart.join("values.schema.json"))?;
    let schema: Value = serde_json::from_str(&schema)?;
    let values = fs::read_to_string(helm.chart.join("values.yaml"))?;
    let settings = settings(&values)?;
    for Setting { path, .. } in settings.iter().filter(|of| !of.path.starts_with("resources")) {
        let found = path.split('.').try_fold(&schema, |of, key| part(&schema, of, key));
        ensure!(found.is_some(), "the schema has no {path}");
    }
    let known: Vec<&str> = settings.iter().map(|of| of.path.as_str()).collect();
    let top = schema["properties"].as_object().context("no properties")?;
    // Helm gives it to every chart.
    for key in top.keys().filter(|key| *key != "global") {
        ensure!(known.contains(&key.as_str()), "values.yaml has no {key}");
    }
    // An upgrade by --reuse-values would be refused for want of what is new.
    ensure!(!schema.to_string().contains("\"required\""), "the schema requires a value");
    Ok(())
}
