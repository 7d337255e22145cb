//! Rules and findings in Chinese: who asks for it, how it reads, and what stays English.

use std::process::Command;

use clbmigrate_core::rules::catalogue;
use insta::assert_snapshot;
use rstest::rstest;
use unicode_width::UnicodeWidthStr;

use crate::program::{Output, command, finish, run};

const MISTAKE: &str = "deploy/examples/mistakes/CLB001-weight-101.yaml";

fn run_with(arguments: &str, setup: impl Fn(&mut Command)) -> Output {
    let mut command = command();
    command.args(arguments.split_whitespace());
    setup(&mut command);
    finish(&mut command)
}

fn chinese(arguments: &str, width: usize) -> Output {
    run_with(arguments, |command| {
        command.env("LANG", "zh_CN.UTF-8").env("COLUMNS", width.to_string());
    })
}

fn is_chinese(text: &str) -> bool {
    text.contains(|c: char| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

#[rstest]
#[case::the_locale(&[("LANG", "zh_CN.UTF-8")], "", true)]
#[case::messages_alone(&[("LC_MESSAGES", "zh_CN.UTF-8")], "", true)]
#[case::messages_win(&[("LANG", "zh_CN.UTF-8"), ("LC_MESSAGES", "en_GB.UTF-8")], "", false)]
#[case::all_wins(&[("LC_MESSAGES", "zh_CN.UTF-8"), ("LC_ALL", "C.UTF-8")], "", false)]
#[case::an_empty_one_says_nothing(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "")], "", true)]
#[case::another_language(&[("LANG", "de_DE.UTF-8")], "", false)]
#[case::the_flag(&[("LANG", "C")], "--lang zh", true)]
#[case::the_flag_wins(&[("LANG", "zh_CN.UTF-8")], "--lang=en", false)]
fn the_flag_or_else_the_locale_decides(
    #[case] variables: &[(&str, &str)],
    #[case] flag: &str,
    #[case] expected: bool,
) {
    for arguments in ["explain", "explain CLB029", &format!("check -f {MISTAKE}")] {
        let ran = run_with(&format!("{arguments} {flag}"), |command| {
            command.envs(variables.iter().copied());
        });
        assert_eq!(is_chinese(&ran.out), expected, "{arguments}: {}", ran.out);
    }
}

#[test]
fn a_language_that_there_is_not_is_a_mistake_in_usage() {
    let ran = run("explain --lang fr");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("[possible values: en, zh]"), "{}", ran.err);
}

#[test]
fn a_rule_in_chinese() {
    assert_snapshot!(
        run_with("explain clb029 CLB405 --lang zh", |command| {
            command.env("COLUMNS", "80");
        })
        .out
    );
}

#[test]
fn all_rules_in_chinese() {
    let listed = chinese("explain", 80).out;
    for rule in catalogue() {
        assert!(listed.contains(rule.zh.title), "{}", rule.id);
    }
    assert_snapshot!(listed.lines().take(12).collect::<Vec<_>>().join("\n"));
}

/// What is said before what was not looked at.
fn findings(shown: &str) -> &str {
    let end = shown.lines().find(|line| line.contains("缺少依据")).expect("rules that need more");
    shown.split(end).next().unwrap_or_default()
}

#[test]
fn findings_in_chinese() {
    let shown = chinese(&format!("check -f {MISTAKE}"), 80).out;
    assert_snapshot!(findings(&shown));
    let line = shown.lines().find(|line| line.contains("缺少依据")).unwrap_or_default();
    assert!(line.contains("条规则中 19 条缺少依据：集群对象的导出（5 条）、"), "{shown}");
    let group = "未检查：group rsp-bp1example（the answer of DescribeVServerGroupAttribute is\n  \
                 not at hand），因此未执行：CLB408, CLB409\n";
    let listed = chinese(&format!("check -v -f {MISTAKE}"), 80).out;
    assert!(listed.contains(group) && !listed.contains("缺少依据"), "{listed}");
    let summary = shown.lines().last().unwrap_or_default();
    assert!(
        summary.starts_with("按 ")
            && summary.contains(" 条规则检查了 1 个 Service、0 个工作负载：")
    );
    assert!(summary.ends_with("：1 个错误，0 个警告，0 个提示"), "{summary}");
}

#[test]
fn findings_in_chinese_with_all_that_is_known_of_them() {
    let file = "deploy/examples/mistakes/CLB004-space-after-comma.yaml";
    assert_snapshot!(findings(&chinese(&format!("check -o wide -f {file}"), 80).out));
}

#[test]
fn findings_of_a_change_in_chinese() {
    let folder = "deploy/examples/mistakes/CLB403-weight-removed";
    let arguments = format!("preview -f {folder}/after.yaml --against {folder}/before.yaml");
    let ran = chinese(&arguments, 80);
    assert_eq!(ran.code, 3);
    let start = ran.out.find("新增的问题").expect("findings");
    assert_snapshot!(findings(&ran.out[start..]));
}

#[test]
fn what_a_change_fixes_is_a_line_in_chinese() {
    let fixed = chinese(&format!("preview svc/web 40 -n shop -f {MISTAKE}"), 120).out;
    let line = format!(
        " 条规则未发现新问题\n已修复的问题：1\n  \
         错误 CLB001 权重不是 0 到 100 之间的整数   Service shop/web   {MISTAKE}:12\n"
    );
    assert!(fixed.contains(&line), "{fixed}");
}

#[test]
fn nothing_found_and_nothing_read_in_chinese() {
    let good = chinese("check -f deploy/examples/canary/", 80);
    assert!(good.out.ends_with("条规则未发现问题\n"), "{}", good.out);
    let missing = chinese("check -f missing.yaml", 80);
    assert!(missing.out.ends_with("未发现问题；1 个输入无法读取\n"), "{}", missing.out);
}

/// Whether a line holds a word that leaves no room for another, or is an example, which is printed
/// as it is typed.
fn may_be_long(line: &str, width: usize) -> bool {
    let words = line.split(|c: char| c == ' ' || is_chinese(&c.to_string()));
    let is_example = catalogue().any(|rule| {
        [rule.bad, rule.good].iter().any(|text| text.lines().any(|of| of == line.trim_start()))
    });
    is_example || words.map(UnicodeWidthStr::width).max().unwrap_or_default() + 6 > width
}

#[rstest]
fn no_line_of_chinese_is_wider_than_the_terminal(
    #[values(50, 80)] width: usize,
    #[values("", "-o wide")] format: &str,
) {
    let all: Vec<&str> = catalogue().map(|rule| rule.id).collect();
    let explained = format!("explain {}", all.join(" "));
    let folder = crate::program::root().join("deploy/examples/mistakes");
    let entries = folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path());
    let manifests = entries.filter(|path| path.extension().is_some_and(|of| of == "yaml"));
    let mistakes: Vec<String> = manifests.map(|path| path.display().to_string()).collect();
    assert!(mistakes.len() > 40);
    let checks = mistakes.iter().map(|path| format!("check {format} -f {path}"));
    for arguments in ["explain".to_owned(), explained].into_iter().chain(checks) {
        let shown = chinese(&arguments, width).out;
        assert!(is_chinese(&shown), "{arguments}");
        for line in shown.lines() {
            assert!(line.width() <= width || may_be_long(line, width), "{arguments}: {line}");
        }
    }
}

#[test]
fn colours_change_no_word_of_chinese() {
    let arguments = format!("check -o wide -f {MISTAKE} --lang zh");
    let coloured = run(&format!("{arguments} --color always")).out;
    assert!(coloured.contains('\u{1b}'));
    let plain = strip_ansi_escapes::strip_str(&coloured);
    assert_eq!(plain, run(&arguments).out);
    assert!(plain.contains("修复：设为 0 到 100 之间的整数，不带空格和百分号\n"));
}

#[rstest]
#[case("json")]
#[case("yaml")]
#[case("name")]
#[case("sarif")]
#[case("junit")]
fn documents_for_programs_are_english_whatever_the_language(
    #[case] format: &str,
    #[values("check", "preview svc/web 40 -n shop", "status")] command: &str,
) {
    let is_report = command == "check";
    if !is_report && matches!(format, "sarif" | "junit") {
        return;
    }
    let arguments = format!("{command} -f {MISTAKE} -o {format}");
    let english = run(&arguments);
    assert!(!is_chinese(&english.out), "{}", english.out);
    assert_eq!(chinese(&arguments, 80).out, english.out);
    assert_eq!(run(&format!("{arguments} --lang zh")).out, english.out);
}

#[test]
fn a_shell_offers_the_languages_and_the_rules_titles() {
    let offered = run("__complete check --lang");
    assert!(offered.out.contains("--lang\t"), "{}", offered.out);
    let values = finish(command().args(["__complete", "check", "--lang", ""])).out;
    assert_eq!(values, "en\tEnglish\nzh\t中文\n:4\n");
    let titles = chinese("__complete explain CLB001", 80).out;
    assert_eq!(titles, "CLB001\t权重不是 0 到 100 之间的整数\n:4\n");
}
