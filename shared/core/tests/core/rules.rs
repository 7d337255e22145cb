//! The grid of rules: the specification as a table of snapshots, and what each rule says of them.
use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_core::{
    finding::{Finding, Severity},
    rules::{self, Check, Evidence, Words, catalogue},
};

use crate::grid::{self, Expectation, Input, Rule, check, introduced};
use crate::support::{TestSnapshot, healthy, healthy_eni, healthy_local};

#[test]
fn each_case_of_the_grid_comes_out_as_it_says() {
    let complaints: Vec<String> = grid::all()
        .iter()
        .flat_map(|rule| rule.cases.iter().filter_map(|case| case.complaint(rule.id)))
        .collect();
    assert_no_complaints(&complaints);
}

pub(crate) fn assert_no_complaints(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} cases differ:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn where_nothing_is_wrong_nothing_is_said() {
    for setup in [healthy(), healthy_local(), healthy_eni()] {
        let reported = check(&setup.snapshot());
        assert_eq!(reported.findings, [], "{:#?}", reported.findings);
        assert_eq!(reported.not_looked, []);
    }
}

// What the catalogue promises.

#[test]
fn every_rule_has_a_case_that_fires_and_one_that_is_silent() {
    let grid = grid::all();
    let known: Vec<&str> = catalogue().map(|rule| rule.id).collect();
    let tried: BTreeSet<&str> = grid.iter().map(|rule| rule.id).collect();
    assert_eq!(tried.len(), grid.len(), "a rule has two entries");
    assert_eq!(tried, known.iter().copied().collect());
    let has = |rule: &Rule, what: fn(Expectation) -> bool| {
        rule.cases.iter().any(|case| what(case.expected))
    };
    let lacking: Vec<&str> = grid
        .iter()
        .filter(|rule| {
            !has(rule, |expected| matches!(expected, Expectation::Fires(_)))
                || !has(rule, |expected| expected == Expectation::Silent)
        })
        .map(|rule| rule.id)
        .collect();
    assert!(lacking.is_empty(), "{lacking:?}");
}

#[test]
fn every_rule_is_described() {
    let mut seen = BTreeSet::new();
    for rule in catalogue() {
        let digits = rule.id.strip_prefix("CLB").unwrap_or_default();
        assert!(digits.len() == 3 && digits.parse::<u16>().is_ok(), "{}", rule.id);
        assert!(seen.insert(rule.id), "{} twice", rule.id);
        let Words { title, ccm, fix } = rule.en;
        for text in [title, ccm, fix, rule.bad, rule.good] {
            assert!(!text.trim().is_empty(), "{}", rule.id);
        }
        for hidden in rule.hides {
            assert!(rules::find(hidden).is_some(), "{} hides {hidden}", rule.id);
        }
    }
}

#[test]
fn every_rule_has_a_case_as_bad_as_the_catalogue_says_and_none_worse() {
    let worst = |rule: &Rule| {
        let severities = rule.cases.iter().filter_map(|case| match case.expected {
            Expectation::Fires(severity) => Some(severity),
            _ => None,
        });
        severities.max()
    };
    for rule in grid::all() {
        let declared = rules::find(rule.id).map(|known| known.severity);
        assert_eq!(worst(&rule), declared, "{}", rule.id);
    }
}

#[test]
fn every_rule_that_needs_evidence_has_a_case_without_it() {
    let needs = |id: &str| {
        rules::find(id).is_some_and(|r| r.evidence.iter().any(|e| *e != Evidence::OldObject))
    };
    let grid = grid::all();
    let lacking: Vec<&str> = grid
        .iter()
        // CLB410 does not fall silent: it warns, and names what is unknown.
        .filter(|rule| needs(rule.id) && rule.id != "CLB410")
        .filter(|rule| !rule.cases.iter().any(|case| case.expected == Expectation::Blind))
        .map(|rule| rule.id)
        .collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    for rule in &grid {
        for not in rule.cases.iter().flat_map(|case| case.input.judge().not_looked) {
            assert!(!not.what.is_empty() && !not.why.is_empty());
            for id in not.rules {
                let declares = rules::find(id).is_some_and(|rule| {
                    Evidence::ALL
                        .into_iter()
                        .any(|of| of != Evidence::OldObject && rule.looks_at(of))
                });
                assert!(declares, "{id} looked for {} and declares no evidence", not.what);
            }
        }
    }
}

/// What a rule says of an input: whole findings, so that their words count too.
fn said(input: &Input, rule: &str) -> Vec<Finding> {
    input.judge().findings.into_iter().filter(|finding| finding.rule == rule).collect()
}

#[test]
fn a_rule_says_the_same_without_the_evidence_that_it_does_not_declare() {
    let mut complaints = BTreeSet::new();
    for tried in grid::all() {
        let rule = rules::find(tried.id).expect("a rule");
        for case in &tried.cases {
            let all = said(&case.input, rule.id);
            for evidence in Evidence::ALL.into_iter().filter(|of| !rule.looks_at(*of)) {
                // Workloads are objects, too.
                if matches!((rule.check, evidence), (Check::Object(_), Evidence::Workloads)) {
                    continue;
                }
                let less = said(&case.input.without_evidence(evidence), rule.id);
                if less != all {
                    complaints.insert(format!(
                        "{} needs {evidence:?}: {}\n  with: {:?}\n  without: {:?}",
                        rule.id,
                        case.name,
                        all.iter().map(|of| &of.message).collect::<Vec<_>>(),
                        less.iter().map(|of| &of.message).collect::<Vec<_>>()
                    ));
                }
            }
        }
    }
    assert_no_complaints(&complaints.into_iter().collect::<Vec<_>>());
}

#[test]
fn every_finding_names_its_object_and_a_fix() {
    for rule in grid::all() {
        for finding in rule.cases.iter().flat_map(|case| case.input.judge().findings) {
            assert!(!finding.message.is_empty(), "{finding:?}");
            assert!(!finding.fix.is_empty(), "{finding:?}");
            assert!(!finding.object.kind.is_empty() && !finding.object.name.is_empty());
        }
    }
}

// Fixes.

/// How often a rule says something so bad of an object.
fn count(findings: &[Finding], like: &Finding) -> usize {
    let same = |f: &&Finding| {
        f.rule == like.rule && f.object == like.object && f.severity == like.severity
    };
    findings.iter().filter(same).count()
}

/// What is wrong with a finding's patch.
fn patch_complaint(input: &Input, reported: &[Finding], finding: &Finding) -> Option<String> {
    let (before, after) = match input {
        Input::State(setup) => (setup, setup),
        Input::Change { before, after, .. } => (before, after),
    };
    let patched = match after.clone().patched(finding) {
        Ok(patched) => patched.snapshot(),
        Err(error) => return Some(error),
    };
    let brought = introduced(&before.snapshot(), &patched).findings;
    let now = match input {
        Input::State(_) => check(&patched).findings,
        Input::Change { .. } => brought.clone(),
    };
    if count(&now, finding) >= count(reported, finding) {
        return Some("the rule still speaks".to_owned());
    }
    let is_new = |f: &&Finding| {
        f.severity == Severity::Error
            && count(&brought, f) > count(reported, f)
            && !finding.may_reveal(f)
    };
    brought.iter().find(is_new).map(|f| format!("it brings {}: {}", f.rule, f.message))
}

#[test]
fn every_patch_applies_silences_its_rule_and_brings_no_error() {
    let mut complaints = Vec::new();
    for rule in grid::all() {
        for case in &rule.cases {
            let old = match &case.input {
                Input::State(setup) => setup.clone().under_the_old_prefix().map(Input::State),
                Input::Change { .. } => None,
            };
            for input in old.iter().chain([&case.input]) {
                let reported = input.judge().findings;
                for finding in reported.iter().filter(|f| f.rule == rule.id && !f.patch.is_empty())
                {
                    if let Some(complaint) = patch_complaint(input, &reported, finding) {
                        let (id, name, patch) = (rule.id, case.name, &finding.patch);
                        complaints.push(format!("{id}: {name}: {patch:?}\n  {complaint}"));
                    }
                }
            }
        }
    }
    assert_no_complaints(&complaints);
}

// Prefixes.

#[test]
fn the_old_prefix_is_judged_as_the_new_one() {
    let mut complaints = Vec::new();
    for rule in grid::all() {
        for case in &rule.cases {
            let Input::State(setup) = &case.input else { continue };
            let Some(old) = setup.clone().under_the_old_prefix() else { continue };
            let of = |setup: &TestSnapshot| {
                let mut counts: BTreeMap<(&str, Severity), usize> = BTreeMap::new();
                for finding in check(&setup.snapshot()).findings {
                    *counts.entry((finding.rule, finding.severity)).or_default() += 1;
                }
                counts
            };
            let (new, old) = (of(setup), of(&old));
            if new != old {
                complaints.push(format!("{}: {}: {new:?} became {old:?}", rule.id, case.name));
            }
        }
    }
    assert_no_complaints(&complaints);
}
