//! What may stand in the file, and what is said about everything else.

use std::fmt::Write as _;

use clbmigrate_core::finding::Severity;
use rstest::rstest;

use super::*;

#[test]
fn everything_that_can_be_written_is_read() {
    let text = "
cluster:
  id: c0123456789abcdef
  suffix: -a
  backendType: eni
ccm:
  version: 2.10
inject:
  enabled: false
preStopSeconds: 45
lang: zh
rules:
  CLB010: warn
  clb011: off
  CLB012: false   # what Helm makes of off
namespaces:
  legacy:
    rules: {CLB010: audit}
allow: [CLB404]
exempt:
  users: ['system:serviceaccount:ops:robot']
  groups: []
  namespaces: [lab]
  deletions: {users: [vcluster]}
audit:
  enabled: false
  interval: 1h30m
";
    let config = parse(text).expect("a good file");
    assert_eq!(config.cluster.id.as_deref(), Some("c0123456789abcdef"));
    assert_eq!(config.cluster.suffix.as_deref(), Some("-a"));
    assert_eq!(config.cluster.backend_type, Some(BackendType::Eni));
    let release = NamedCcmVersion { version: CcmVersion::V2_10, is_newer: false };
    assert_eq!(config.ccm, Some(release));
    assert!(!config.inject.enabled);
    assert_eq!(config.pre_stop_seconds, 45);
    assert_eq!(config.lang, Language::Chinese);
    let mode = |id: &str, namespace: &str| {
        config.mode(rules::find(id).expect("a rule"), Severity::Error, namespace)
    };
    assert_eq!(mode("CLB010", "shop"), Mode::Warn);
    assert_eq!(mode("CLB010", "legacy"), Mode::Audit);
    assert_eq!([mode("CLB011", "shop"), mode("CLB012", "shop")], [Mode::Off; 2]);
    assert!(config.exempt.covers("system:serviceaccount:ops:robot", [], "shop"));
    assert!(config.exempt.covers_deletions_by("vcluster"));
    let interval = std::time::Duration::from_secs(90 * 60);
    assert_eq!(config.audit, crate::config::AuditConfig { enabled: false, interval });
}

#[rstest]
#[case::empty("")]
#[case::comments("# nothing\n---\n# here\n")]
#[case::keys_alone(
    "cluster:\nccm:\ninject:\nrules:\nnamespaces:\nallow:\nexempt:\naudit:\npreStopSeconds:\nlang:\n"
)]
#[case::what_a_chart_writes_for_nothing(
    "cluster: {id: '', suffix: '', backendType: ''}\nccm: {version: ''}\nlang: ''\nrules: {}\nnamespaces: {}\nexempt: {users: []}"
)]
fn who_says_nothing_gets_the_defaults(#[case] text: &str) {
    assert_eq!(parse(text), Ok(Config::default()));
}

#[rstest]
#[case::unknown_key("inject: {}\nprestop: 3", 2, "unknown field")]
#[case::unknown_key_below("cluster:\n  name: x", 2, "unknown field")]
#[case::key_twice("preStopSeconds: 3\npreStopSeconds: 4", 2, "duplicate")]
#[case::no_map("- rules", 1, "")]
#[case::no_yaml("rules: [", 1, "")]
#[case::two_documents("allow: all\n---\nallow: none", 3, "single YAML document")]
#[case::too_few_seconds("\npreStopSeconds: 0", 2, "write 1 to 3600")]
#[case::too_many_seconds("preStopSeconds: 3601", 1, "write 1 to 3600")]
#[case::seconds_with_unit("preStopSeconds: 30s", 1, "")]
#[case::lang("allow: all\nlang: fr", 2, "lang is \"fr\"; write en or zh")]
#[case::lang_as_locale("lang: zh_CN", 1, "write en or zh")]
#[case::lang_in_capitals("lang: ZH", 1, "write en or zh")]
#[case::langs("lang: [en, zh]", 1, "")]
#[case::unknown_rule("rules:\n  CLB001: warn\n  CLB999: warn", 3, "no rule \"CLB999\"")]
#[case::unknown_mode("rules: {CLB001: block}", 1, "write deny, warn, audit or off")]
#[case::mode_on("rules: {CLB001: true}", 1, "no mode \"on\"")]
#[case::mode_number("rules:\n  CLB001: 1", 2, "a mode: deny, warn, audit or off")]
#[case::one_rule_in_two_cases("rules:\n  CLB001: warn\n  clb001: deny", 3, "here twice")]
#[case::rules_as_list("rules: [CLB001]", 1, "")]
#[case::namespace_pattern("namespaces:\n  'legacy-*': {}", 2, "patterns are not known")]
#[case::rule_of_namespace("namespaces:\n  a:\n    rules:\n      X: off", 4, "no rule \"X\"")]
#[case::allow_word("allow: some", 1, "write all, none or a list")]
#[case::allow_rule("allow:\n- CLB404\n- CLB9", 3, "no rule \"CLB9\"")]
#[case::backend_type("cluster: {backendType: ENI}", 1, "write eni or ecs")]
#[case::ccm("ccm:\n  version: newest", 2, "write MAJOR.MINOR")]
#[case::old_ccm("ccm: {version: v1.9.3}", 1, "write 2.9 to have it judged as that one")]
#[case::ccm_alone("ccm: '2.11'", 1, "")]
#[case::key_of_ccm("ccm: {image: x}", 1, "unknown field")]
#[case::suffix("cluster:\n  suffix: _a", 2, "lower-case letters")]
#[case::suffix_end("cluster: {suffix: a-}", 1, "lower-case letters")]
#[case::id("cluster: {id: 'c 1'}", 1, "a space in it")]
#[case::empty_user("exempt:\n  users: ['']", 2, "an empty name")]
#[case::empty_deleting_user("exempt:\n  deletions: {users: [a, '']}", 2, "an empty name")]
#[case::deletions_by_group("exempt: {deletions: {groups: [a]}}", 1, "unknown field")]
#[case::exempt_namespace("exempt: {namespaces: [a/b]}", 1, "no namespace can be called")]
#[case::interval_without_unit("audit:\n  interval: 10", 2, "")]
#[case::interval_as_text("audit:\n  interval: '10'", 2, "write a time with its unit, 10s to 24h")]
#[case::short_interval("audit: {interval: 9s}", 1, "write a time with its unit, 10s to 24h")]
#[case::long_interval("audit: {interval: 25h}", 1, "write a time with its unit, 10s to 24h")]
#[case::key_of_audit("audit: {every: 10m}", 1, "unknown field")]
fn what_is_wrong_is_told_with_its_line_and_the_remedy(
    #[case] text: &str,
    #[case] line: u64,
    #[case] told: &str,
) {
    let ConfigError(problems) = parse(text).expect_err("a bad file");
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(problem.line, line, "{problem}");
    assert!(problem.message.contains(told), "{problem}");
}

#[test]
fn all_wrong_values_are_told_at_once() {
    let text = "preStopSeconds: 0\nrules: {CLB999: warn, CLB001: no}\nallow: maybe\n";
    let ConfigError(problems) = parse(text).expect_err("a bad file");
    let lines = problems.iter().map(|problem| problem.line).collect::<Vec<_>>();
    // `no` is a boolean in Helm's YAML, and so it counts as off.
    assert_eq!(lines, [1, 3, 2], "{problems:?}");
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn modes_of_some_rules() -> impl Strategy<Value = Vec<(&'static str, Mode)>> {
        let ids = rules::catalogue().map(|rule| rule.id).collect::<Vec<_>>();
        let chosen = proptest::sample::subsequence(ids, 0..10);
        chosen.prop_flat_map(|ids| {
            let modes = vec![proptest::sample::select(Mode::ALL.to_vec()); ids.len()];
            modes.prop_map(move |modes| ids.iter().copied().zip(modes).collect())
        })
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn no_value_makes_the_reader_panic(
            key in "(preStopSeconds|lang|rules|allow|cluster|ccm|inject|exempt|audit|namespaces)",
            value in "[ -~]{0,12}",
        ) {
            let _ = parse(&format!("{key}: {value}"));
            let _ = parse(&format!("{key}:\n  a: {value}"));
        }

        #[test]
        fn modes_are_those_that_were_written(
            all in modes_of_some_rules(),
            here in modes_of_some_rules(),
        ) {
            let mut text = "rules:\n".to_owned();
            for (id, mode) in &all {
                writeln!(text, "  {id}: {}", mode.as_str()).expect("a string");
            }
            text.push_str("namespaces:\n  here:\n    rules:\n");
            for (id, mode) in &here {
                writeln!(text, "      {id}: {}", mode.as_str()).expect("a string");
            }
            let config = parse(&text).expect("a good file");
            for rule in rules::catalogue() {
                let of = |modes: &[(&str, Mode)]| {
                    modes.iter().find(|(id, _)| *id == rule.id).map(|(_, mode)| *mode)
                };
                let default = Mode::of(rule.severity);
                let elsewhere = of(&all).unwrap_or(default);
                prop_assert_eq!(config.mode(rule, rule.severity, "there"), elsewhere);
                let expected = of(&here).unwrap_or(elsewhere);
                prop_assert_eq!(config.mode(rule, rule.severity, "here"), expected);
            }
        }
    }
}
