//! SARIF 2.1.0, which code scanning services read.

use std::path::Path;

use clbmigrate_cluster::Problem;
use clbmigrate_core::{
    finding::{Finding, NotLooked, Report, Severity},
    rules::{self, Rule},
};
use serde::Serialize;
use serde_json::{Value, json};

/// A SARIF log with one run of the tool.
#[derive(Debug, Serialize)]
pub struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Value; 1],
}

impl Log {
    /// The log of a check. `problems` is what of the input could not be read.
    pub fn new(report: &Report, problems: &[Problem]) -> Self {
        let rules: Vec<&Rule> = rules::catalogue().collect();
        let results = report.findings.iter().map(|finding| result(finding, &rules));
        let problems = problems.iter().map(notification_of_problem);
        let has_problems = problems.len() > 0;
        let notifications = problems.chain(report.not_looked.iter().map(notification_of_missing));
        let run = json!({
            "tool": {"driver": {
                "name": "kubectl-clbmigrate",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().copied().map(descriptor).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": !has_problems,
                "toolExecutionNotifications": notifications.collect::<Vec<_>>(),
            }],
            "results": results.collect::<Vec<_>>(),
        });
        Self {
            schema: "https://json.schemastore.org/sarif-2.1.0.json",
            version: "2.1.0",
            runs: [run],
        }
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn descriptor(rule: &Rule) -> Value {
    let help = format!(
        "What CCM does: {}\n\nBad:\n{}\n\nGood:\n{}\n\nFix: {}",
        rule.en.ccm, rule.bad, rule.good, rule.en.fix
    );
    let markdown = format!(
        "**What CCM does:** {}\n\n**Bad**\n\n```\n{}\n```\n\n**Good**\n\n```\n{}\n```\n\n**Fix:** {}\n",
        rule.en.ccm, rule.bad, rule.good, rule.en.fix
    );
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.en.title},
        "fullDescription": {"text": format!("{}. {}", rule.en.title, rule.en.ccm)},
        "help": {"text": help, "markdown": markdown},
        "defaultConfiguration": {"level": level(rule.severity)},
        "properties": {"tags": ["clb", rule.family().as_str()]},
    })
}

fn result(finding: &Finding, rules: &[&Rule]) -> Value {
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": {"text": format!("{}: {}\nFix: {}", finding.object, finding.message, finding.fix)},
        "locations": [location(finding)],
        "partialFingerprints": {
            "object/v1": format!("{}|{}|{}", finding.rule, finding.object, finding.path),
        },
    });
    if let (Some(members), Some(index)) =
        (result.as_object_mut(), rules.iter().position(|rule| rule.id == finding.rule))
    {
        members.insert("ruleIndex".to_owned(), json!(index));
    }
    result
}

fn location(finding: &Finding) -> Value {
    let name = format!("{} {}", finding.object, finding.path);
    let mut location = json!({
        "logicalLocations": [{"fullyQualifiedName": name.trim_end(), "kind": "object"}],
    });
    if let (Some(members), Some(source)) = (location.as_object_mut(), &finding.source) {
        let (file, line) = match source.rsplit_once(':') {
            Some((file, line)) => (file, line.parse().ok()),
            None => (source.as_str(), None),
        };
        members.insert("physicalLocation".to_owned(), physical_location(file, line));
    }
    location
}

fn physical_location(file: &str, line: Option<u32>) -> Value {
    json!({
        "artifactLocation": {"uri": uri(file)},
        "region": {"startLine": line.unwrap_or(1).max(1)},
    })
}

fn notification_of_problem(problem: &Problem) -> Value {
    json!({
        "level": "error",
        "message": {"text": problem.message},
        "locations": [{"physicalLocation": physical_location(&problem.file, problem.line)}],
    })
}

fn notification_of_missing(missing: &NotLooked) -> Value {
    let mut text = format!("not looked at: {} ({})", missing.what, missing.why);
    if !missing.rules.is_empty() {
        text = format!("{text}, so silent: {}", missing.rules.join(", "));
    }
    json!({"level": "note", "message": {"text": text}})
}

/// A file's URI, relative to the working directory where the file is below it.
fn uri(file: &str) -> String {
    if file == "-" {
        return "stdin".to_owned();
    }
    let path = Path::new(file);
    let below = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok());
    let text = below.unwrap_or(path).to_string_lossy().replace('\\', "/");
    let text = text.trim_start_matches("./");
    let mut uri = if text.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.extend(format!("%{byte:02X}").chars());
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;
    use rstest::rstest;

    #[rstest]
    #[case("-", "stdin")]
    #[case("deploy/a b.yaml", "deploy/a%20b.yaml")]
    #[case("./service.yaml", "service.yaml")]
    #[case("/tmp/x.yaml", "file:///tmp/x.yaml")]
    #[case("网.yaml", "%E7%BD%91.yaml")]
    fn a_path_becomes_a_uri(#[case] path: &str, #[case] expected: &str) {
        assert_eq!(uri(path), expected);
    }

    #[test]
    fn a_file_below_the_working_directory_is_named_from_there() {
        let here = std::env::current_dir().expect("a directory");
        assert_eq!(uri(&here.join("a/b.yaml").to_string_lossy()), "a/b.yaml");
    }
}
