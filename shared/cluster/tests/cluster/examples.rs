//! Every example in `deploy/examples` does what its folder says.

use std::{
    io,
    path::{Path, PathBuf},
};

use clbmigrate_cluster::{
    Loaded,
    files::{Options, Source, load},
};
use clbmigrate_core::{
    finding::{Finding, Report, Severity},
    index::Index,
    preview::preview,
    rules,
    snapshot::Snapshot,
};
use rstest::rstest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize, Serialize)]
pub struct BrokenExample {
    pub path: String,
    pub kind: Kind,
    rule: String,
    severity: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
}

#[derive(Clone, Copy, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    State,
    Change,
    Clusters,
}

pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples")
}

pub fn mistakes() -> Vec<BrokenExample> {
    let file = std::fs::read_to_string(examples().join("mistakes/expected.json")).expect("a file");
    serde_json::from_str(&file).expect("the list of mistakes")
}

fn read(sources: &[(Option<&str>, PathBuf)]) -> Loaded {
    let sources: Vec<Source> = sources
        .iter()
        .map(|(context, path)| Source { context: context.map(str::to_owned), path: path.clone() })
        .collect();
    let loaded = load(&sources, io::empty(), &Options::default());
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    loaded
}

pub fn judge(snapshot: &Snapshot) -> Report {
    rules::check(&Index::new(snapshot), None, &|_| true)
}

fn lines(findings: &[Finding]) -> String {
    let line = |f: &Finding| {
        format!("{} {} {}: {} [{}]", f.rule, f.severity.as_str(), f.object, f.message, f.path)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The snapshot of a mistake that lies in a state, with its suffixes.
fn snapshot_of(mistake: &BrokenExample) -> Snapshot {
    let path = examples().join("mistakes").join(&mistake.path);
    let mut snapshot = match mistake.kind {
        Kind::Clusters => {
            let mut sources = vec![(Some("a"), path.join("a")), (Some("b"), path.join("b"))];
            if path.join("clb").exists() {
                sources.push((None, path.join("clb")));
            }
            read(&sources).snapshot
        }
        _ => read(&[(None, path)]).snapshot,
    };
    for suffix in mistake.args.iter().filter_map(|arg| arg.split_once('=')) {
        for cluster in &mut snapshot.clusters {
            if cluster.context.as_deref() == Some(suffix.0) {
                cluster.suffix = Some(suffix.1.to_owned());
            }
        }
    }
    snapshot
}

/// What a change introduces.
fn introduced(before: &Snapshot, newer: &Snapshot) -> Vec<Finding> {
    let after = before.overlaid(newer, false);
    preview(&Index::new(before), &Index::new(&after)).introduced
}

#[rstest]
#[case::canary(&[(None, "canary")])]
#[case::outside_ecs(&[(None, "outside-ecs")])]
#[case::local(&[(None, "local")])]
#[case::eni(&[(None, "eni")])]
#[case::two_clusters(&[(Some("a"), "two-clusters/a"), (Some("b"), "two-clusters/b"), (None, "two-clusters/clb")])]
fn a_good_example_raises_nothing_and_leaves_nothing_unlooked(
    #[case] sources: &[(Option<&str>, &str)],
) {
    let sources: Vec<_> =
        sources.iter().map(|(name, path)| (*name, examples().join(path))).collect();
    let report = judge(&read(&sources).snapshot);
    assert!(report.findings.is_empty(), "{}", lines(&report.findings));
    assert!(report.not_looked.is_empty(), "{:?}", report.not_looked);
}

/// What the rules say of a mistake.
fn findings_of(mistake: &BrokenExample) -> Vec<Finding> {
    match mistake.kind {
        Kind::Change => {
            let path = examples().join("mistakes").join(&mistake.path);
            let before = read(&[(None, path.join("before.yaml"))]).snapshot;
            let after = read(&[(None, path.join("after.yaml"))]).snapshot;
            introduced(&before, &after)
        }
        _ => judge(&snapshot_of(mistake)).findings,
    }
}

/// What the list should say of a file or folder among the mistakes. Its name begins with the rule's
/// id. `args` are what the list gives it already.
fn described(path: &str, args: Vec<String>) -> BrokenExample {
    let root = examples().join("mistakes").join(path);
    let kind = if root.join("before.yaml").exists() {
        Kind::Change
    } else if root.join("a").exists() {
        Kind::Clusters
    } else {
        Kind::State
    };
    let rule = path.get(..6).unwrap_or_default().to_owned();
    let mistake =
        BrokenExample { path: path.to_owned(), kind, rule, severity: String::new(), args };
    let found = findings_of(&mistake);
    let worst = found.iter().filter(|finding| finding.rule == mistake.rule).map(|f| f.severity);
    let severity = worst.max().map_or("none", Severity::as_str).to_owned();
    BrokenExample { severity, ..mistake }
}

#[test]
fn the_list_of_mistakes_is_in_step_with_their_folder() {
    let folder = examples().join("mistakes");
    let listed = mistakes();
    let args =
        |path: &str| listed.iter().find(|known| known.path == path).map(|known| known.args.clone());
    let entries = std::fs::read_dir(&folder).expect("the folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut paths: Vec<String> = names
        .map(|name| name.into_string().expect("UTF-8"))
        .filter(|name| name.starts_with("CLB"))
        .collect();
    paths.sort();
    let lines: Vec<String> = paths
        .iter()
        .map(|path| described(path, args(path).unwrap_or_default()))
        .map(|mistake| serde_json::to_string(&mistake).expect("JSON"))
        .collect();
    let list = format!("[\n  {}\n]\n", lines.join(",\n  "));
    let file = folder.join("expected.json");
    if std::env::var_os("CLBMIGRATE_UPDATE").is_some() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI writes no files");
        std::fs::write(&file, list).expect("the file");
        return;
    }
    assert!(
        std::fs::read_to_string(&file).expect("the list") == list,
        "{} is out of step; CLBMIGRATE_UPDATE=1 cargo test -p clbmigrate-cluster --test cluster -- mistakes",
        file.display()
    );
}

#[test]
fn each_mistake_is_found_by_its_rule_and_by_no_other() {
    let mut wrong = Vec::new();
    for mistake in mistakes() {
        let findings = findings_of(&mistake);
        let is_right =
            |f: &Finding| f.rule == mistake.rule && f.severity.as_str() == mistake.severity;
        if findings.is_empty() || !findings.iter().all(is_right) {
            let found = lines(&findings);
            wrong.push(format!(
                "{} wants {} {}:\n{found}",
                mistake.path, mistake.rule, mistake.severity
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_rule_has_an_example_mistake() {
    let mistakes = mistakes();
    let without: Vec<&str> = rules::catalogue()
        .map(|rule| rule.id)
        .filter(|id| !mistakes.iter().any(|mistake| mistake.rule == *id))
        .collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn each_mechanical_fix_applied_to_the_file_makes_its_finding_vanish() {
    let mut fixed = 0;
    for mistake in mistakes().iter().filter(|mistake| mistake.kind != Kind::Clusters) {
        let root = examples().join("mistakes").join(&mistake.path);
        let (file, before) = match mistake.kind {
            Kind::Change => {
                let before = read(&[(None, root.join("before.yaml"))]).snapshot;
                (root.join("after.yaml"), Some(before))
            }
            _ => (root, None),
        };
        let find = |file: &Path| {
            let snapshot = read(&[(None, file.to_owned())]).snapshot;
            match &before {
                Some(before) => introduced(before, &snapshot),
                None => judge(&snapshot).findings,
            }
        };
        for finding in find(&file).iter().filter(|finding| !finding.patch.is_empty()) {
            let folder = tempfile::tempdir().expect("a folder");
            let patched = folder.path().join("fixed.json");
            std::fs::write(&patched, patch(&file, finding)).expect("a file");
            let left = find(&patched);
            assert!(
                !left.iter().any(|other| other.is_same(finding)),
                "{}: {} stays after its fix {:?}:\n{}",
                mistake.path,
                finding.rule,
                finding.patch,
                lines(&left)
            );
            fixed += 1;
        }
    }
    assert!(fixed > 20, "only {fixed} fixes are mechanical");
}

/// The documents of a file with a finding's patch applied to its object, as concatenated JSON.
fn patch(file: &Path, finding: &Finding) -> String {
    let text = std::fs::read_to_string(file).expect("a file");
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    let patch: json_patch::Patch =
        serde_json::from_value(serde_json::to_value(&finding.patch).expect("JSON"))
            .expect("a patch");
    let target = documents
        .iter_mut()
        .find(|d| {
            d["kind"] == finding.object.kind.as_str()
                && d["metadata"]["name"] == finding.object.name.as_str()
        })
        .expect("the object");
    json_patch::patch(target, &patch).expect("the patch fits the object");
    documents.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}
