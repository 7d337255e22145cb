//! How a workload's controller replaces its pods.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{Labels, WorkloadKind, meta::loose_strings, nullable};

/// How a rollout replaces pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RolloutStrategy {
    /// `Recreate`, `RollingUpdate`, …; empty where left out.
    pub kind: String,
    /// How many pods a rollout may take away at once.
    pub max_unavailable: Option<MaxUnavailable>,
    /// Labels that the controller puts on some of the pods while a rollout goes on, and on the others
    /// after it.
    pub temporary_labels: Vec<(String, String)>,
}

/// How many pods a rollout may take away at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxUnavailable {
    /// A number or a percentage, as written.
    pub text: String,
    /// The field that says it.
    pub path: &'static str,
    /// Whether the share of a percentage is rounded up.
    rounds_up: bool,
}

impl MaxUnavailable {
    /// Whether it is all of so many replicas, or of any number of them.
    pub fn is_all_of(&self, replicas: Option<u32>) -> bool {
        let Some(percent) = self.text.strip_suffix('%') else {
            let number = self.text.parse::<u32>().ok();
            return number.zip(replicas).is_some_and(|(number, replicas)| number >= replicas);
        };
        let Ok(percent) = percent.parse::<u32>() else { return false };
        let Some(replicas) = replicas.map(u64::from) else { return percent >= 100 };
        let share = u64::from(percent).saturating_mul(replicas);
        let number = if self.rounds_up { share.div_ceil(100) } else { share / 100 };
        number >= replicas
    }
}

/// `strategy` or `updateStrategy` of any kind.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireStrategy {
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    rolling_update: WireUpdate,
    /// What a `CloneSet` has in the place of `rollingUpdate`.
    #[serde(flatten)]
    itself: WireUpdate,
    canary: Option<WireUpdate>,
    blue_green: Option<WireUpdate>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireUpdate {
    max_unavailable: Option<Value>,
    max_surge: Option<Value>,
    partition: Option<Value>,
    rolling_update_type: Option<String>,
    traffic_routing: Option<IgnoredAny>,
    #[serde(deserialize_with = "nullable")]
    canary_metadata: WireLabels,
    #[serde(deserialize_with = "nullable")]
    stable_metadata: WireLabels,
    #[serde(deserialize_with = "nullable")]
    active_metadata: WireLabels,
    #[serde(deserialize_with = "nullable")]
    preview_metadata: WireLabels,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireLabels {
    #[serde(deserialize_with = "loose_strings")]
    labels: Labels,
}

/// A number or a percentage as text, if it is not 0.
fn not_zero(value: Option<Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text,
        Value::Null => return None,
        number => number.to_string(),
    };
    (text.trim_end_matches('%') != "0").then_some(text)
}

impl WireUpdate {
    fn max_unavailable(self, path: &'static str, rounds_up: bool) -> Option<MaxUnavailable> {
        let text = not_zero(self.max_unavailable)?;
        // A partition keeps the pods below it as they are; a surging update has the new pod first;
        // with traffic routing the old pods stay to the end.
        let keeps_some = not_zero(self.partition).is_some()
            || self.rolling_update_type.as_deref() == Some("Surging")
            || self.traffic_routing.is_some();
        (!keeps_some).then_some(MaxUnavailable { text, path, rounds_up })
    }

    fn labels(&mut self) -> Vec<(String, String)> {
        let of = [
            &mut self.canary_metadata,
            &mut self.stable_metadata,
            &mut self.active_metadata,
            &mut self.preview_metadata,
        ];
        of.into_iter().flat_map(|metadata| std::mem::take(&mut metadata.labels)).collect()
    }
}

impl WireStrategy {
    /// The strategy of a workload of that kind.
    pub fn of_kind(self, kind: WorkloadKind) -> RolloutStrategy {
        use WorkloadKind::{
            AdvancedDaemonSet, AdvancedStatefulSet, CloneSet, DaemonSet, Deployment, Other, Pod,
            Rollout, StatefulSet,
        };
        let mut temporary_labels = Vec::new();
        let max_unavailable = match kind {
            Deployment => self
                .rolling_update
                .max_unavailable("spec.strategy.rollingUpdate.maxUnavailable", false),
            StatefulSet | DaemonSet | AdvancedDaemonSet => self
                .rolling_update
                .max_unavailable("spec.updateStrategy.rollingUpdate.maxUnavailable", true),
            AdvancedStatefulSet => self
                .rolling_update
                .max_unavailable("spec.updateStrategy.rollingUpdate.maxUnavailable", false),
            CloneSet => {
                let rounds_up = not_zero(self.itself.max_surge.clone()).is_none();
                self.itself.max_unavailable("spec.updateStrategy.maxUnavailable", rounds_up)
            }
            Rollout => {
                let both = [
                    (self.canary, "spec.strategy.canary.maxUnavailable"),
                    (self.blue_green, "spec.strategy.blueGreen.maxUnavailable"),
                ];
                both.into_iter().find_map(|(update, path)| {
                    let mut update = update?;
                    temporary_labels.extend(update.labels());
                    update.max_unavailable(path, false)
                })
            }
            Pod | Other => None,
        };
        RolloutStrategy { kind: self.kind, max_unavailable, temporary_labels }
    }
}
