//! `docs/` is generated: the schemas from the documents' types, the rules from the catalogue.
//! With `CLBMIGRATE_UPDATE` set they are written anew, which `make docs` does.

use std::{env, ffi::OsStr, fmt::Write, fs};

use clbmigrate_core::rules::{Language, Rule, catalogue};
use kubectl_clbmigrate::output::json::{
    ChangeReport, CheckReport, LoadBalancerList, Preview, RouteList, TransferReport, WebhookStatus,
};
use rstest::rstest;
use schemars::{JsonSchema, Schema, generate::SchemaSettings};

use crate::program::root;

/// How the pages are written anew.
const COMMAND: &str =
    "CLBMIGRATE_UPDATE=1 cargo test -p kubectl-clbmigrate --test plugin -- docs::";

/// Compares a file of `docs/` with what it should be, or writes it.
fn keep(path: &str, content: &str) {
    let path = root().join("docs").join(path);
    if is_update(env::var_os("CLBMIGRATE_UPDATE").as_deref(), env::var_os("CI").as_deref()) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(&path, content).expect("the file");
        return;
    }
    let is = fs::read_to_string(&path).unwrap_or_default();
    assert!(is == content, "{} is out of step; {COMMAND}", path.display());
}

/// Whether files are written instead of compared. Where CI would write them, nobody would compare.
fn is_update(update: Option<&OsStr>, ci: Option<&OsStr>) -> bool {
    let is_ci = ci.is_some_and(|ci| ci == "true");
    assert!(update.is_none() || !is_ci, "CLBMIGRATE_UPDATE writes files, which is not for CI");
    update.is_some()
}

#[rstest]
#[case(None, None, false)]
#[case(None, Some("true"), false)]
#[case(Some("1"), None, true)]
#[case(Some("1"), Some(""), true)]
fn files_are_written_where_somebody_asks_for_it(
    #[case] update: Option<&str>,
    #[case] ci: Option<&str>,
    #[case] is_written: bool,
) {
    assert_eq!(is_update(update.map(OsStr::new), ci.map(OsStr::new)), is_written);
}

#[test]
#[should_panic(expected = "not for CI")]
fn ci_never_writes_what_it_should_compare() {
    is_update(Some(OsStr::new("1")), Some(OsStr::new("true")));
}

fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// The schemas of all documents, as the program's types are today.
pub fn schemas() -> [(&'static str, Schema); 7] {
    [
        ("change", schema::<ChangeReport>()),
        ("check-report", schema::<CheckReport>()),
        ("load-balancer-list", schema::<LoadBalancerList>()),
        ("preview", schema::<Preview>()),
        ("route-list", schema::<RouteList>()),
        ("transfer", schema::<TransferReport>()),
        ("webhook-status", schema::<WebhookStatus>()),
    ]
}

#[test]
fn the_schemas_are_in_step_with_the_documents() {
    for (name, schema) in schemas() {
        let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        keep(&format!("schema/{name}.schema.json"), &text);
    }
}

/// What the page about rules says in a language, beside what the catalogue says.
struct Page {
    language: Language,
    file: &'static str,
    start: &'static str,
    heads: &'static str,
    each: &'static str,
    /// Between two of a list.
    comma: &'static str,
}

const ENGLISH: Page = Page {
    language: Language::English,
    file: "rules.md",
    start: "# Rules\n\n\
        [中文](rules.zh.md)\n\n\
        What `kubectl clbmigrate check` and `preview` look for, and `kubectl clbmigrate explain CLBnnn` explains. Severity is that of the\n\
        worst case; a finding says how bad it is where it stands. *CCM* is the Cloud Controller Manager, whose release 2.14 is meant.\n\
        This page is generated from the catalogue of rules.\n",
    heads: "rule | what is wrong | severity",
    each: "Each rule",
    comma: ", ",
};

const CHINESE: Page = Page {
    language: Language::Chinese,
    file: "rules.zh.md",
    start: "# 规则\n\n\
        [English](rules.md)\n\n\
        `kubectl clbmigrate check` 和 `preview` 检查的内容，可用 `kubectl clbmigrate explain CLBnnn --lang zh` 查看单条规则。这里的级别是最严重时的级别，\n\
        实际级别以检查结果为准。*CCM* 指 Cloud Controller Manager，以 2.14 版本为准。本页由规则目录生成。\n",
    heads: "规则 | 问题 | 级别",
    each: "各规则说明",
    comma: "、",
};

#[rstest]
#[case::english(&ENGLISH)]
#[case::chinese(&CHINESE)]
fn the_rules_are_in_step_with_the_catalogue(#[case] of: &Page) {
    let language = of.language;
    let rules: Vec<&Rule> = catalogue().collect();
    let mut page = of.start.to_owned();
    let mut family = None;
    for rule in &rules {
        if family != Some(rule.family()) {
            family = Some(rule.family());
            let title = capital(rule.family().name(language));
            write!(page, "\n## {title}\n\n| {} |\n|---|---|---|\n", of.heads).expect("memory");
        }
        let anchor = rule.id.to_lowercase();
        let (title, severity) = (rule.words(language).title, rule.severity.name(language));
        writeln!(page, "| [{}](#{anchor}) | {} | {severity} |", rule.id, cell(title))
            .expect("memory");
    }
    write!(page, "\n# {}\n", of.each).expect("memory");
    for rule in rules {
        section(&mut page, rule, of);
    }
    keep(of.file, &page);
}

#[test]
fn the_table_of_policies_is_in_step_with_the_catalogue() {
    let page = fs::read_to_string(root().join("docs/policies.md")).expect("the page");
    let (text, _) = page.split_once("\n| rule |").expect("a table");
    keep("policies.md", &format!("{text}\n{}", kubectl_clbmigrate::policies::table_of_rules()));
}

fn section(page: &mut String, rule: &Rule, of: &Page) {
    let (language, words) = (of.language, rule.words(of.language));
    let evidence = rule.evidence_in_words(language);
    let hidden = rule.hides.join(of.comma);
    let hides = match rule.hides {
        [] => String::new(),
        _ => language.pick(
            format!("- hides {hidden}, which follow from it\n"),
            format!("- 隐藏：{hidden}（由该问题引起，不再单独报告）\n"),
        ),
    };
    let exemption = rule.exemption_in_words(language).map_or_else(String::new, |told| {
        format!("- {}{told}\n", language.pick("exemption: ", "放行："))
    });
    let mut sources = String::new();
    for source in rule.sources(language) {
        let title = language.pick("source: ", "来源：");
        writeln!(sources, "- {title}{source}").expect("memory");
    }
    let (severity, subject) = (rule.severity.name(language), rule.subject(language));
    let facts = language.pick(
        format!("- severity: {severity}\n- judges {subject}\n- looks at: {evidence}\n"),
        format!("- 级别：{severity}\n- 检查对象：{subject}\n- 依据：{evidence}\n"),
    );
    let [ccm, bad, good, fix] = language.pick(
        ["**What CCM does.** ", "Bad:", "Good:", "**Fix:** "],
        ["**CCM 的行为**：", "错误示例：", "正确示例：", "**修复**："],
    );
    write!(
        page,
        "\n### {}\n\n{}\n\n{facts}{exemption}{hides}{sources}\n{ccm}{}\n\n{bad}\n\n```\n{}\n```\n\n\
         {good}\n\n```\n{}\n```\n\n{fix}{}\n",
        rule.id,
        capital(words.title),
        words.ccm,
        rule.bad,
        rule.good,
        words.fix
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

/// How many rules a line of the list in the schema of the chart's values holds.
const RULES_PER_LINE: usize = 10;

#[test]
fn the_chart_knows_the_rules_of_the_catalogue() {
    let path = "../deploy/chart/values.schema.json";
    let schema = fs::read_to_string(root().join("docs").join(path)).expect("the schema");
    let (before, rest) = schema.split_once("\"rule\": {\n      \"enum\": [").expect("the rules");
    let (_, after) = rest.split_once(']').expect("the end of the list");
    let ids: Vec<String> = catalogue().map(|rule| format!("\"{}\"", rule.id)).collect();
    let lines: Vec<String> =
        ids.chunks(RULES_PER_LINE).map(|ids| format!("\n        {}", ids.join(", "))).collect();
    let list = lines.join(",");
    keep(path, &format!("{before}\"rule\": {{\n      \"enum\": [{list}\n      ]{after}"));
}
