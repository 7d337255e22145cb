//! What becomes of each mistake among the examples when somebody applies it to a cluster where the
//! webhook is.

use std::fs;

use anyhow::{Context, Result, ensure};
use clbmigrate_core::rules::{self, AtReview, Evidence, Rule};
use clbmigrate_testbed::programs::workspace;
use serde_json::Value;

/// What becomes of a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It is not stored, and the message has the rule.
    Refused,
    /// It is stored, and kubectl prints a warning with the rule.
    Warned,
    /// It is stored in silence; metrics count the finding.
    Audited,
    /// It is stored in silence, and the webhook has put it right.
    Injected,
    /// The API server itself refuses it, whether there is a webhook or not.
    Invalid,
    /// It is judged in another test, because it takes nodes that others must not see.
    NeedsNodes,
    /// It is judged in another test, because it takes another cluster id.
    NeedsClusterId,
    /// It is stored, and the rule is silent, for this reason.
    NotDetected(&'static str),
}

/// A mistake among the examples.
#[derive(Debug, Clone)]
pub struct Mistake {
    /// Its path below the folder of mistakes.
    pub path: String,
    /// The rule that finds it.
    pub rule: String,
    /// Whether it lies in a change, from `before.yaml` to `after.yaml`.
    pub is_change: bool,
    /// What becomes of it.
    pub expected: Expected,
}

const NO_CLB: &str = "it takes answers of the CLB API, which the webhook does not ask";
const NO_SLICES: &str = "EndpointSlices are read only where a refusal hangs on them";
const NO_CLUSTERS: &str = "it takes a second cluster, of which the webhook knows nothing";
const NO_STATUS: &str =
    "kubectl apply writes no status, and without an address CCM binds the Service";
const OTHER_TYPE: &str =
    "the API server asks the webhook about Services of type LoadBalancer alone";
const BRAKE: &str = "the API server does not ask about a weight of 0";

/// Where neither the rule nor the severity tells.
const EXCEPTIONS: &[(&str, Expected)] = &[
    ("CLB020-label-on-no-node.yaml", Expected::Warned),
    ("CLB021-annotations-under-spec.yaml", Expected::Invalid),
    ("CLB027-weight-unquoted.yaml", Expected::Invalid),
    // Kubernetes gives both protocols one node port, so they share their backends.
    ("CLB101-two-protocols-of-one-port.yaml", Expected::Audited),
    ("CLB201-default-cluster-id.yaml", Expected::NeedsClusterId),
    ("CLB202-slash-in-cluster-id.yaml", Expected::NeedsClusterId),
    ("CLB303-no-pre-stop.yaml", Expected::Injected),
    ("CLB029-address-of-another-clb.yaml", Expected::NotDetected(NO_STATUS)),
    ("CLB032-no-load-balancer.yaml", Expected::NotDetected(OTHER_TYPE)),
    ("CLB201-same-cluster-id", Expected::NotDetected(NO_CLUSTERS)),
    ("CLB203-suffix-of-the-other", Expected::NotDetected(NO_CLUSTERS)),
    ("CLB305-local-single-pod.yaml", Expected::NotDetected(NO_SLICES)),
    ("CLB410-last-weight-to-zero", Expected::NotDetected(BRAKE)),
    ("CLB419-created-with-weight", Expected::NotDetected(NO_CLB)),
    ("CLB418-mapping-while-listener-stays", Expected::NotDetected(NO_CLB)),
];

/// What the evidence of a rule tells of what becomes of its mistakes; `None` where it tells nothing.
fn by_evidence(rule: &Rule, severity: &str) -> Option<Expected> {
    let can_deny = severity == "error" && rule.at_review == AtReview::ByMode;
    if rule.needs(Evidence::ClbApi) {
        Some(Expected::NotDetected(NO_CLB))
    } else if rule.needs(Evidence::Nodes) {
        Some(Expected::NeedsNodes)
    } else if rule.needs(Evidence::Endpoints) && !can_deny {
        Some(Expected::NotDetected(NO_SLICES))
    } else {
        None
    }
}

/// All mistakes among the examples.
pub fn mistakes() -> Result<Vec<Mistake>> {
    let folder = workspace()?.join("deploy/examples/mistakes");
    let listed = fs::read_to_string(folder.join("expected.json"))?;
    let listed: Vec<Value> = serde_json::from_str(&listed)?;
    let mistakes = listed.iter().map(mistake).collect::<Result<Vec<_>>>()?;
    for (path, _) in EXCEPTIONS {
        ensure!(mistakes.iter().any(|mistake| mistake.path == *path), "{path} is no mistake");
    }
    Ok(mistakes)
}

fn mistake(listed: &Value) -> Result<Mistake> {
    let text = |member: &str| {
        listed[member].as_str().map(str::to_owned).with_context(|| format!("{member} of {listed}"))
    };
    let (path, severity) = (text("path")?, text("severity")?);
    let rule = text("rule")?;
    let known = rules::find(&rule).with_context(|| format!("{rule} of {path}"))?;
    let otherwise =
        EXCEPTIONS.iter().find(|(known, _)| *known == path).map(|(_, expected)| *expected);
    let otherwise = otherwise.or_else(|| by_evidence(known, &severity));
    let expected = match (otherwise, severity.as_str()) {
        (Some(expected), _) => expected,
        (None, "error") => Expected::Refused,
        (None, "warning") => Expected::Warned,
        (None, "info") => Expected::Audited,
        (None, other) => anyhow::bail!("{path}: severity {other}"),
    };
    let kind = text("kind")?;
    ensure!(
        kind != "clusters" || matches!(expected, Expected::NotDetected(_)),
        "{path} takes several clusters: say why it is not seen"
    );
    Ok(Mistake { path, rule, is_change: kind == "change", expected })
}
