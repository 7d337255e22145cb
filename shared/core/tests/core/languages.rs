//! What a rule says in English and what it says in Chinese name the same things, and where the facts
//! come from.
use std::{collections::BTreeSet, path::Path};

use clbmigrate_core::{
    annotation,
    rules::{Language, Rule, Words, catalogue},
};

use crate::rules::assert_no_complaints;

/// Words that a sentence may need in one language and not in the other.
const EVERYDAY: [&str; 8] = ["CCM", "CLB", "Service", "Pod", "Endpoint", "API", "ID", "Kubernetes"];

fn is_chinese(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

fn fields(words: &Words) -> [(&'static str, &'static str); 3] {
    [("title", words.title), ("ccm", words.ccm), ("fix", words.fix)]
}

/// The words of a text in Latin letters and digits: what is typed, and names.
fn latin_words(text: &str) -> impl Iterator<Item = &str> {
    let is_of_a_word = |c: char| c.is_ascii_graphic() && !",;(){}'\"".contains(c) || c == '…';
    let words = text.split(move |c| !is_of_a_word(c));
    let words = words.map(|word| word.trim_end_matches(['.', ':']));
    words.filter(|word| word.chars().any(|c| c.is_ascii_alphanumeric()))
}

/// Whether a word is one to type or to look up, in any language: a key, a value, a number, a field.
fn is_exact(word: &str) -> bool {
    let is_key = annotation::find_known(&format!("loadbalancer-{word}")).is_some()
        && word.contains('-')
        || word == "backend-type";
    let has_hump = word.chars().skip(1).any(|c| c.is_ascii_uppercase());
    let is_possessive = word.ends_with("'s");
    (is_key || has_hump || word.contains(|c: char| c.is_ascii_digit() || "._/=<>[…".contains(c)))
        && !is_possessive
}

fn exact_words(text: &str) -> BTreeSet<&str> {
    let quoted = text.split('"').skip(1).step_by(2);
    let exact = latin_words(text).filter(|word| is_exact(word)).chain(quoted);
    exact.filter(|word| !EVERYDAY.contains(word)).collect()
}

/// What the two languages of a rule do not have in common and should.
fn differences(rule: &Rule) -> Vec<String> {
    let mut complaints = Vec::new();
    for ((field, en), (_, zh)) in fields(&rule.en).into_iter().zip(fields(&rule.zh)) {
        let missing: Vec<&str> = exact_words(en).difference(&exact_words(zh)).copied().collect();
        if !missing.is_empty() {
            complaints.push(format!("{}: {field} lacks {missing:?} in Chinese", rule.id));
        }
    }
    let Words { title, ccm, fix } = rule.en;
    let said = [title, ccm, fix, rule.bad, rule.good].join("\n").to_lowercase();
    for (field, zh) in fields(&rule.zh) {
        let words = latin_words(zh).filter(|word| !EVERYDAY.contains(word));
        let strange: Vec<&str> = words.filter(|w| !said.contains(&w.to_lowercase())).collect();
        if !strange.is_empty() {
            complaints.push(format!("{}: {field} has {strange:?} in Chinese alone", rule.id));
        }
    }
    complaints
}

/// What is wrong with the way a Chinese text is written.
fn typography(id: &str, field: &str, text: &str) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    let follows_chinese = |at: usize| at > 0 && is_chinese(chars[at - 1]);
    let half = (1..chars.len()).find(|at| ",;:!?()".contains(chars[*at]) && follows_chinese(*at));
    let tight = (1..chars.len()).find(|at| {
        let (before, after) = (chars[at - 1], chars[*at]);
        is_chinese(before) && after.is_ascii_alphanumeric()
            || before.is_ascii_alphanumeric() && is_chinese(after)
    });
    if let Some(at) = half.or(tight) {
        let around: String =
            chars[at.saturating_sub(4)..(at + 4).min(chars.len())].iter().collect();
        return Some(format!("{id}: {field}: half-width mark, or no space, at {around:?}"));
    }
    (field == "ccm" && !text.ends_with('。') || field != "ccm" && text.ends_with('。'))
        .then(|| format!("{id}: {field}: a full stop too many or too few"))
}

#[test]
fn every_rule_speaks_chinese() {
    let mut complaints = Vec::new();
    for rule in catalogue() {
        assert_eq!(rule.words(Language::English), &rule.en);
        assert_eq!(rule.words(Language::Chinese), &rule.zh);
        for ((field, zh), (_, en)) in fields(&rule.zh).into_iter().zip(fields(&rule.en)) {
            if !zh.contains(is_chinese) || zh == en {
                complaints.push(format!("{}: {field} is not Chinese: {zh}", rule.id));
            }
            if en.contains(is_chinese) {
                complaints.push(format!("{}: {field} is not English: {en}", rule.id));
            }
            complaints.extend(typography(rule.id, field, zh));
        }
    }
    assert_no_complaints(&complaints);
}

#[test]
fn no_text_of_a_rule_is_a_place_holder() {
    let place_holders = ["todo", "tbd", "fixme", "xxx", "lorem", "待补", "待定", "待翻译", "占位"];
    for rule in catalogue() {
        let (en, zh) = (fields(&rule.en), fields(&rule.zh));
        let texts = en.iter().chain(&zh).map(|(_, text)| *text);
        for text in texts.chain([rule.bad, rule.good]).chain(rule.source.iter().copied()) {
            let small = text.to_lowercase();
            let found = place_holders.iter().find(|word| small.contains(**word));
            assert_eq!(found, None, "{}: {text}", rule.id);
        }
    }
}

#[test]
fn both_languages_name_the_same_keys_values_and_numbers() {
    assert_no_complaints(&catalogue().flat_map(differences).collect::<Vec<_>>());
}

#[test]
fn a_key_a_value_or_a_number_that_differs_between_the_languages_is_seen() {
    let original = catalogue().next().expect("a rule");
    let try_out = |en: Words, zh: Words| differences(&Rule { en, zh, ..*original });
    let en = Words {
        title: "default-weight is not an integer from 0 to 100",
        ccm: "Reads spec.ports[].port and providerID. Deletes k8s/….",
        fix: "use …-loadbalancer-weight: \"GROUP\"",
    };
    let zh = Words {
        title: "default-weight 不是 0 到 100 之间的整数",
        ccm: "读取 spec.ports[].port 和 providerID，删除 k8s/…。",
        fix: "使用 …-loadbalancer-weight: \"GROUP\"",
    };
    assert_eq!(try_out(en, zh), [""; 0]);
    for (title, ccm, fix) in [
        ("weight 不是 0 到 100 之间的整数", zh.ccm, zh.fix),
        ("default-weight 不是 0 到 1000 之间的整数", zh.ccm, zh.fix),
        (zh.title, "读取 spec.ports[].port 和 providerId，删除 k8s/…。", zh.fix),
        (zh.title, "读取 providerID，删除 k8s/…。", zh.fix),
        (zh.title, zh.ccm, "使用 …-loadbalancer-wieght: \"GROUP\""),
        (zh.title, zh.ccm, "使用 …-loadbalancer-weight: \"PORT\""),
        (zh.title, zh.ccm, "使用 …-loadbalancer-weight: \"GROUP\" 和 force-override-listeners"),
    ] {
        let complaints = try_out(en, Words { title, ccm, fix });
        assert!(!complaints.is_empty(), "{title} {ccm} {fix}");
    }
}

#[test]
fn every_rule_names_where_its_facts_come_from() {
    let known = |source: &str| {
        let is_file = |rest: &str| {
            let file = rest.split([',', ' ']).next().map(Path::new);
            file.and_then(Path::extension).is_some_and(|extension| extension == "go")
        };
        let is_page = |rest: &str| rest.trim().len() > 3;
        source.strip_prefix("CCM 2.14: ").is_some_and(is_file)
            || source.strip_prefix("CLB documentation: ").is_some_and(is_page)
            || source.strip_prefix("ACK documentation: ").is_some_and(is_page)
            || source.strip_prefix("Kubernetes: ").is_some_and(is_page)
            || source == "observed with CCM 2.14"
    };
    for rule in catalogue() {
        assert!(!rule.source.is_empty(), "{} has no source", rule.id);
        let distinct: BTreeSet<&str> = rule.source.iter().copied().collect();
        assert_eq!(distinct.len(), rule.source.len(), "{}", rule.id);
        for source in rule.source {
            assert!(known(source), "{}: {source}", rule.id);
        }
        assert_ne!(rule.source, ["observed with CCM 2.14"], "{}", rule.id);
    }
}
