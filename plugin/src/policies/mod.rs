//! Policies of an API server: rules about one Service, which it judges itself, without the
//! webhook. Ids, severities, texts and tables of keys come from the catalogue.

mod annotations;
mod cel;
mod conditions;
mod mapping;
mod page;
mod table;
mod variables;

use clbmigrate_core::{
    finding::Severity,
    rules::{self, Harms, Rule},
};
use serde_json::{Value, json};

pub use page::table_of_rules;

use self::{
    cel::{Side, literal},
    table::{HELD, HeldRule, Judges},
};

/// What an API server does about a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Action {
    /// Note it in the audit log
    Audit,
    /// Warn
    Warn,
    /// Refuse the request
    Deny,
}

impl Action {
    /// What the webhook does by default about a finding of that severity.
    fn of(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Deny,
            Severity::Warning => Self::Warn,
            Severity::Info => Self::Audit,
        }
    }

    /// Its name in `spec.validationActions`.
    fn name(self) -> &'static str {
        match self {
            Self::Audit => "Audit",
            Self::Warn => "Warn",
            Self::Deny => "Deny",
        }
    }
}

/// What is asked for.
#[derive(Debug, Default)]
pub struct Options {
    /// The rules, by id; all that policies can hold where there is none.
    pub rules: Vec<String>,
    /// What is done about a violation, in place of what the rule's severity says.
    pub action: Option<Action>,
}

/// Why there is no policy for a rule.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The catalogue has no such rule.
    #[error("{0:?} is no rule")]
    Unknown(String),
    /// A policy cannot hold it.
    #[error("no policy can hold {id}: it {why}")]
    NotHeld {
        /// The rule's id.
        id: &'static str,
        /// The reason.
        why: &'static str,
    },
}

/// The policies, each followed by its binding.
///
/// # Errors
/// Where a rule is asked for that does not exist, or that no policy can hold.
pub fn policies(options: &Options) -> Result<Vec<Value>, PolicyError> {
    let mut wanted = Vec::new();
    for id in &options.rules {
        let rule = rules::find(id).ok_or_else(|| PolicyError::Unknown(id.clone()))?;
        if HELD.iter().all(|held| held.id != rule.id) {
            return Err(PolicyError::NotHeld { id: rule.id, why: table::why_not_held(rule) });
        }
        wanted.push(rule.id);
    }
    let mut documents = Vec::new();
    for held in HELD.iter().filter(|held| wanted.is_empty() || wanted.contains(&held.id)) {
        if let Some(rule) = rules::find(held.id) {
            let hiding: Vec<&HeldRule> = hiding(rule, &wanted).collect();
            documents.push(policy(held, rule, &hiding));
            documents.push(binding(rule, options.action));
        }
    }
    Ok(documents)
}

/// The name of a rule's policy and of its binding.
fn name(rule: &Rule) -> String {
    format!("clbmigrate-{}", rule.id.to_lowercase())
}

fn metadata(rule: &Rule) -> Value {
    json!({"name": name(rule), "labels": {"app.kubernetes.io/part-of": "clbmigrate"}})
}

fn binding(rule: &Rule, action: Option<Action>) -> Value {
    let action = action.unwrap_or_else(|| Action::of(rule.severity));
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": metadata(rule),
        "spec": {"policyName": name(rule), "validationActions": [action.name()]},
    })
}

fn policy(held: &HeldRule, rule: &Rule, hiding: &[&HeldRule]) -> Value {
    let resources = |operations: &[&str], resource: &str| {
        json!({
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": operations,
            "resources": [resource],
            "scope": "Namespaced",
        })
    };
    let message = format!("{}: {}. Fix: {}", rule.id, rule.en.title, rule.en.fix);
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata(rule),
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "resourceRules": [
                    resources(&["CREATE", "UPDATE"], "services"),
                    resources(&["UPDATE"], "services/status"),
                ],
            },
            "matchConditions": conditions::conditions(),
            "variables": variables(held, rule, hiding),
            "validations": [{
                "expression": "size(variables.introduced) == 0 || variables.passes",
                "message": message,
                "messageExpression": message_expression(rule),
                "reason": "Invalid",
            }],
        },
    })
}

/// As the webhook says it: the rule, the object, the annotations with their values, and the fix.
fn message_expression(rule: &Rule) -> String {
    format!(
        "{} + object.metadata.namespace + '/' + object.metadata.name + ', ' + variables.introduced.join('; ') + {}",
        literal(&format!("{}: {}: Service ", rule.id, rule.en.title)),
        literal(&format!(". Fix: {}", rule.en.fix)),
    )
}

fn variables(held: &HeldRule, rule: &Rule, hiding: &[&HeldRule]) -> Vec<Value> {
    let mut all: Vec<(String, String)> = Vec::new();
    let sides = variables::of_sides();
    for side in Side::ALL {
        let named = |(name, template): &(&str, String)| {
            (format!("{}{name}", side.prefix()), side.of(template))
        };
        all.extend(sides.iter().map(named));
    }
    for side in Side::ALL {
        all.push((format!("{}IsCandidate", side.prefix()), variables::is_candidate(side)));
    }
    for side in Side::ALL {
        all.push((format!("{}Found", side.prefix()), found(held, side)));
    }
    all.push((
        "introduced".to_owned(),
        "variables.newFound.filter(f, !(f in variables.oldFound))".to_owned(),
    ));
    let mut passes = vec![format!("({})", variables::only_lowers_weight())];
    if rule.is_of_intent {
        passes.push(format!("({})", variables::is_allowed(rule.id)));
    }
    for (at, cause) in hiding.iter().enumerate() {
        passes.push(format!("size(variables.hiding{at}) > 0"));
        all.push((format!("hiding{at}"), found(cause, Side::New)));
    }
    for (at, cause) in revealing(rule).enumerate() {
        let (new, old) = (format!("newCause{at}"), format!("oldCause{at}"));
        passes.push(format!(
            "(size(variables.{old}) > 0 && size(variables.{new}) == 0 && object.spec == oldObject.spec)"
        ));
        all.push((new, found(cause, Side::New)));
        all.push((old, found(cause, Side::Old)));
    }
    all.push(("passes".to_owned(), passes.join(" || ")));
    let named = |(name, expression)| json!({"name": name, "expression": expression});
    all.into_iter().map(named).collect()
}

/// What a rule finds in one version.
fn found(held: &HeldRule, side: Side) -> String {
    let judged = match held.judges {
        Judges::Candidate => "$IsCandidate",
        Judges::Migrated => "$IsMigrated",
        Judges::Change if side == Side::Old => return "[]".to_owned(),
        Judges::Change => "$IsTaken",
    };
    let mut template = (held.found)();
    if let (Some(brought), Side::New) = (held.brought, side) {
        template = format!("{template} + {}", brought());
    }
    side.of(&format!("{judged} ? {template} : []"))
}

/// The rules that there is a policy for, too, and from whose findings those of this rule follow.
fn hiding(rule: &Rule, wanted: &[&str]) -> impl Iterator<Item = &'static HeldRule> {
    let id = rule.id;
    HELD.iter().filter(move |held| {
        let hides = rules::find(held.id).is_some_and(|other| other.hides.contains(&id));
        hides && (wanted.is_empty() || wanted.contains(&held.id))
    })
}

/// The rules whose fix may bring an error of this rule to light, which then passes.
fn revealing(rule: &Rule) -> impl Iterator<Item = &'static HeldRule> {
    let id = rule.id;
    let harms_itself = rule.harms == Harms::Itself;
    HELD.iter().filter(move |held| {
        let cause = rules::find(held.id);
        harms_itself && cause.is_some_and(|cause| cause.reveals.contains(&id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Value> {
        policies(&Options::default()).expect("policies")
    }

    #[test]
    fn each_rule_has_one_policy_with_its_binding() {
        let documents = all();
        assert_eq!(documents.len(), 2 * HELD.len());
        for pair in documents.chunks(2) {
            assert_eq!(pair[0]["metadata"], pair[1]["metadata"]);
            assert_eq!(pair[1]["spec"]["policyName"], pair[0]["metadata"]["name"]);
        }
    }

    #[test]
    fn the_whole_yaml_is_as_recorded() {
        let yaml = |document: &Value| serde_saphyr::to_string(document).expect("YAML");
        let documents: Vec<String> = all().iter().map(yaml).collect();
        insta::assert_snapshot!("policies", documents.join("---\n"));
    }

    #[test]
    fn errors_are_denied_unless_another_action_is_asked_for() {
        let action = |documents: &[Value]| documents[1]["spec"]["validationActions"][0].clone();
        assert_eq!(action(&all()), "Deny");
        let options = Options { action: Some(Action::Audit), ..Options::default() };
        assert_eq!(action(&policies(&options).expect("policies")), "Audit");
    }

    #[test]
    fn variables_come_before_those_that_use_them() {
        for policy in all().chunks(2).map(|pair| &pair[0]) {
            let mut known: Vec<&str> = Vec::new();
            for variable in policy["spec"]["variables"].as_array().expect("variables") {
                let expression = variable["expression"].as_str().expect("an expression");
                assert!(!expression.contains("$object"), "{expression}");
                for used in expression.split("variables.").skip(1) {
                    let end = used.find(|c: char| !c.is_alphanumeric()).unwrap_or(used.len());
                    assert!(known.contains(&&used[..end]), "{}: {expression}", variable["name"]);
                }
                known.push(variable["name"].as_str().expect("a name"));
            }
        }
    }

    #[test]
    fn rules_are_chosen_by_id_and_one_that_no_policy_holds_is_refused_with_the_reason() {
        let of = |id: &str| policies(&Options { rules: vec![id.to_owned()], ..Options::default() });
        assert_eq!(of("clb001").expect("a policy").len(), 2);
        let told = |id: &str| of(id).expect_err("no policy").to_string();
        assert_eq!(told("CLB999"), "\"CLB999\" is no rule");
        assert_eq!(
            told("CLB102"),
            "no policy can hold CLB102: it needs claims, for two writes can come at once"
        );
    }
}
