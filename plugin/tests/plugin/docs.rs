//! `docs/` is generated: the schemas from the documents' types, the rules from the catalogue.
//! `CLBMIGRATE_UPDATE=1 cargo test -p kubectl-clbmigrate --test docs` writes them anew.
#![allow(clippy::expect_used, reason = "tests")]

mod common;

use std::{fmt::Write, fs};

use clbmigrate_core::rules::{Rule, catalogue};
use kubectl_clbmigrate::output::json::{
    ChangeReport, CheckReport, Preview, RouteList, TransferReport, WebhookStatus,
};
use schemars::{JsonSchema, generate::SchemaSettings};

/// Compares a file of `docs/` with what it should be, or writes it.
fn keep(path: &str, content: &str) {
    let path = common::root().join("docs").join(path);
    if std::env::var_os("CLBMIGRATE_UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(&path, content).expect("the file");
        return;
    }
    let is = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        is == content,
        "{} is out of step; CLBMIGRATE_UPDATE=1 cargo test -p kubectl-clbmigrate --test docs",
        path.display()
    );
}

fn schema<T: JsonSchema>() -> String {
    let schema =
        SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<T>();
    serde_json::to_string_pretty(&schema).expect("JSON") + "\n"
}

#[test]
fn the_schemas_are_in_step_with_the_documents() {
    keep("schema/change.schema.json", &schema::<ChangeReport>());
    keep("schema/check-report.schema.json", &schema::<CheckReport>());
    keep("schema/route-list.schema.json", &schema::<RouteList>());
    keep("schema/preview.schema.json", &schema::<Preview>());
    keep("schema/transfer.schema.json", &schema::<TransferReport>());
    keep("schema/webhook-status.schema.json", &schema::<WebhookStatus>());
}

#[test]
fn the_rules_are_in_step_with_the_catalogue() {
    let rules: Vec<&Rule> = catalogue().collect();
    let mut page = String::from(
        "# Rules\n\n\
         What `kubectl clbmigrate check` and `preview` look for, and `kubectl clbmigrate explain CLBnnn` explains. Severity is that of the\n\
         worst case; a finding says how bad it is where it stands. *CCM* is the Cloud Controller Manager, whose release 2.14 is meant.\n\
         This page is generated from the catalogue of rules.\n",
    );
    let mut family = None;
    for rule in &rules {
        if family != Some(rule.family()) {
            family = Some(rule.family());
            let title = rule.family().as_str();
            write!(
                page,
                "\n## {}\n\n| rule | what is wrong | severity |\n|---|---|---|\n",
                capital(title)
            )
            .expect("memory");
        }
        let anchor = rule.id.to_lowercase();
        let severity = rule.severity.as_str();
        writeln!(page, "| [{}](#{anchor}) | {} | {severity} |", rule.id, cell(rule.title))
            .expect("memory");
    }
    page.push_str("\n# Each rule\n");
    for rule in rules {
        section(&mut page, rule);
    }
    keep("rules.md", &page);
}

fn section(page: &mut String, rule: &Rule) {
    let evidence: Vec<&str> = rule.evidence.iter().map(|evidence| evidence.as_str()).collect();
    let evidence =
        if evidence.is_empty() { "the object alone".to_owned() } else { evidence.join(", ") };
    let hides = match rule.hides {
        [] => String::new(),
        hides => format!("- hides {}, which follow from it\n", hides.join(", ")),
    };
    write!(
        page,
        "\n### {}\n\n{}\n\n- severity: {}\n- judges {}\n- looks at: {evidence}\n{hides}\n\
         **What CCM does.** {}\n\nBad:\n\n```\n{}\n```\n\nGood:\n\n```\n{}\n```\n\n**Fix:** {}\n",
        rule.id,
        capital(rule.title),
        rule.severity.as_str(),
        rule.subject(),
        rule.ccm,
        rule.bad,
        rule.good,
        rule.fix
    )
    .expect("memory");
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
