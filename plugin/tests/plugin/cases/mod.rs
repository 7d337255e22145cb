//! Situations in which the verdict is easily wrong. Each has a folder of its name in `data/cases`,
//! with the files `old.yaml` and `new.yaml` where it is about a change.

mod clb;
mod contradictory;
mod departing;
mod others;
mod protocols;
mod quota;
mod reached;
mod refused;
mod sharing;
mod weights;
mod workloads;

use std::{fs, path::Path};

use serde_json::Value;

use crate::program::{Folder, run};

/// The files of a case, with some words replaced by others.
#[derive(Clone)]
struct Case {
    files: Vec<(String, String)>,
}

/// The case of that name.
fn case(name: &str) -> Case {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugin/data/cases").join(name);
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .expect("the folder of a case")
        .map(|entry| entry.expect("a file"))
        .map(|entry| {
            let name = entry.file_name().into_string().expect("UTF-8");
            (name, fs::read_to_string(entry.path()).expect("a text"))
        })
        .collect();
    files.sort();
    Case { files }
}

impl Case {
    /// The same with `old` replaced in a file.
    fn with(mut self, file: &str, old: &str, new: &str) -> Self {
        let (_, text) =
            self.files.iter_mut().find(|(name, _)| name == file).expect("a file of that name");
        assert!(text.contains(old), "{file} has no {old:?}");
        *text = text.replace(old, new);
        self
    }

    /// The same with `old` replaced in each file that has it.
    fn with_all(mut self, old: &str, new: &str) -> Self {
        assert!(self.files.iter().any(|(_, text)| text.contains(old)), "no file has {old:?}");
        for (_, text) in &mut self.files {
            *text = text.replace(old, new);
        }
        self
    }

    /// The same without a file.
    fn without(mut self, file: &str) -> Self {
        let count = self.files.len();
        self.files.retain(|(name, _)| name != file);
        assert!(self.files.len() < count, "there is no {file}");
        self
    }

    /// The same with another file.
    fn and(mut self, file: &str, text: &str) -> Self {
        self.files.push((file.to_owned(), text.to_owned()));
        self
    }

    /// The same with nothing but one file.
    fn alone(mut self, file: &str) -> Self {
        self.files.retain(|(name, _)| name == file);
        assert_eq!(self.files.len(), 1, "there is no {file}");
        self
    }

    /// The same with the keys of the old prefix.
    fn under_the_old_prefix(self) -> Self {
        self.with_all("alibaba-cloud-loadbalancer", "alicloud-loadbalancer")
    }

    /// The same with pods as the backends of every Service that has annotations.
    fn with_pods_as_backends(self) -> Self {
        let eni = "  annotations:\n    service.beta.kubernetes.io/backend-type: \"eni\"\n";
        self.with_all("  annotations:\n", eni)
    }

    fn folder(&self) -> Folder {
        let files = self.files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        Folder::new(&files.collect::<Vec<_>>())
    }

    /// The arguments that preview the change from `old.yaml` to `new.yaml`; without `new.yaml`, the
    /// deletion.
    fn change(&self, folder: &Folder) -> String {
        let has_new = self.files.iter().any(|(name, _)| name == "new.yaml");
        let new = if has_new { "new.yaml" } else { "cluster.yaml" };
        let prune = if has_new { "" } else { "--prune " };
        let known = self.files.iter().map(|(name, _)| name).filter(|name| *name != "new.yaml");
        let known = known.map(|name| format!(" --against {}", folder.path(name)));
        format!("preview {prune}-f {}{}", folder.path(new), known.collect::<String>())
    }

    /// Previews the change, or the deletion.
    fn preview(&self, flags: &str) -> Report {
        let folder = self.folder();
        Report::of(&format!("{} {flags} -o json", self.change(&folder)))
    }

    /// The first line of the preview.
    fn verdict(&self) -> String {
        let folder = self.folder();
        let ran = run(&self.change(&folder));
        ran.out.lines().next().expect("a verdict").to_owned()
    }

    /// Checks all files.
    fn check(&self, flags: &str) -> Report {
        let folder = self.folder();
        Report::of(&format!("check -f {} {flags} -o json", folder.path("")))
    }

    /// Shows the routes of all files.
    fn status(&self, flags: &str) -> Report {
        let folder = self.folder();
        Report::of(&format!("status -f {} {flags} -o json", folder.path("")))
    }
}

/// What the program says of a case.
struct Report {
    code: i32,
    json: Value,
}

impl Report {
    fn of(arguments: &str) -> Self {
        let ran = run(arguments);
        assert!(ran.code == 0 || ran.code == 3, "{}\n{}", ran.out, ran.err);
        Self { code: ran.code, json: ran.json() }
    }

    fn outcome(&self) -> &str {
        self.json["outcome"].as_str().expect("an outcome")
    }

    /// The findings at a place as `RULE severity`, sorted.
    fn findings(&self, pointer: &str) -> Vec<String> {
        let findings = self.json.pointer(pointer).and_then(Value::as_array).expect("findings");
        let word =
            |finding: &Value, field: &str| finding[field].as_str().expect("a word").to_owned();
        let mut found: Vec<String> = findings
            .iter()
            .map(|finding| format!("{} {}", word(finding, "rule"), word(finding, "severity")))
            .collect();
        found.sort();
        found
    }

    /// The findings that a change brings.
    fn introduced(&self) -> Vec<String> {
        self.findings("/findings/introduced")
    }

    /// The findings of a check as `RULE severity object path`, sorted.
    fn findings_at(&self) -> Vec<String> {
        let findings = self.json["findings"].as_array().expect("findings");
        let word = |finding: &Value, field: &str| {
            finding.pointer(field).and_then(Value::as_str).expect("a word").to_owned()
        };
        let fields = ["/rule", "/severity", "/object/kind", "/object/name", "/path"];
        let mut found: Vec<String> = findings
            .iter()
            .map(|finding| fields.map(|field| word(finding, field)).join(" "))
            .collect();
        found.sort();
        found
    }

    /// The errors of a check.
    fn errors(&self) -> Vec<String> {
        let mut found = self.findings("/findings");
        found.retain(|finding| finding.ends_with(" error"));
        found
    }

    /// A group's route after the change.
    fn after(&self, vgroup: &str) -> &Value {
        &self.route(vgroup)["after"]
    }

    /// A group's route.
    fn route(&self, vgroup: &str) -> &Value {
        let routes = self.json["routes"].as_array().expect("routes");
        routes.iter().find(|route| route["vserverGroup"] == vgroup).expect("a route of that group")
    }
}

/// A participant of a route.
fn participant<'r>(route: &'r Value, name: &str) -> &'r Value {
    let all = route["participants"].as_array().expect("participants");
    all.iter().find(|one| one["name"] == name && one["kind"] == "Service").expect("a Service")
}

/// A participant's share in percent, with one digit.
fn share(route: &Value, name: &str) -> String {
    let share = participant(route, name)["share"].as_f64().expect("a share");
    format!("{:.1}", share * 100.0)
}

/// The backends of a route as `id weight`, in the order of their ids.
fn backends(route: &Value) -> Vec<String> {
    let all = route["backends"].as_array().expect("backends");
    let mut backends: Vec<String> = all
        .iter()
        .map(|one| format!("{} {}", one["id"].as_str().expect("an id"), one["weight"]))
        .collect();
    backends.sort();
    backends
}

const GROUP: &str = "rsp-bp1example";
