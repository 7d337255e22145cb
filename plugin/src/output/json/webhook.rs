use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{ApiVersion, Deregistration};

/// The answer of `webhook status`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookStatus {
    /// The version of this document.
    pub api_version: ApiVersion,
    /// The kind of this document.
    pub kind: WebhookStatusKind,
    /// The kubeconfig's context.
    pub context: Option<String>,
    /// The namespace that the webhook runs in.
    pub namespace: String,
    /// The objects that register it with the API server.
    pub hooks: Vec<HookStatus>,
    /// How many of its Pods are ready; null where that may not be read.
    pub ready: Option<usize>,
    /// Whether it was seen to answer; null where it could not be asked.
    pub answers: Option<bool>,
    /// What it answered to a dry run of a mistake, in words.
    pub asked: String,
    /// Its configuration; null where that may not be read.
    pub configuration: Option<WebhookConfiguration>,
    /// How long clients are sent to Pods whose end has begun, as this cluster shows.
    pub deregistration: Deregistration,
    /// The nodes whose kubelet does not know the hook, by name. While there is one, no workload is given
    /// a hook. Null where nodes could not be listed.
    pub nodes_without_hook: Option<Vec<String>>,
    /// What is wrong.
    pub problems: Vec<String>,
    /// Commands that help, each with what it does.
    pub recovery: Vec<Recovery>,
}

/// The kind of a `WebhookStatus`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum WebhookStatusKind {
    /// The answer of `webhook status`.
    WebhookStatus,
}

/// An object that registers the webhook with the API server.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookStatus {
    /// Its name.
    pub name: String,
    /// Whether it is there; null where it may not be read.
    pub installed: Option<bool>,
    /// What the API server does where nobody answers: `Fail` or `Ignore`.
    pub failure_policy: Option<String>,
    /// When the last certificate that the API server trusts ends.
    pub trusted_until: Option<String>,
}

/// The webhook's configuration.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookConfiguration {
    /// The cluster's id, where the configuration names it.
    pub cluster_id: Option<String>,
    /// The length of the preStop hook in seconds; null where none is added.
    pub pre_stop_seconds: Option<u32>,
    /// Rules whose mode is not the default.
    pub rules: BTreeMap<String, String>,
    /// The same for single namespaces.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// A command that helps.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// What it does.
    pub does: String,
    /// The command.
    pub command: String,
}
