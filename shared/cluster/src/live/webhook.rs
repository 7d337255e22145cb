//! The state of this project's webhook in a cluster.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use x509_parser::pem::Pem;

use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    registrations::WEBHOOK_REGISTRATIONS,
};

/// The namespace it runs in where no configuration object names another.
const NAMESPACE: &str = "clbmigrate-system";
/// The names of its Service and of its ConfigMap.
const NAME: &str = "clbmigrate-webhook";
/// The rule that refuses what is asked.
const RULE: &str = "CLB001";

/// The state of the webhook in a cluster.
#[derive(Debug, Clone)]
pub struct WebhookInstallation {
    /// The configuration objects, in the order of [`WEBHOOK_REGISTRATIONS`].
    pub registrations: Vec<WebhookRegistration>,
    /// The namespace that it runs in.
    pub namespace: String,
    /// The number of ready Pods; `None` where EndpointSlices may not be listed.
    pub ready: Option<usize>,
    /// The text of its configuration file; `None` where it does not exist or may not be read.
    pub config: Option<String>,
    /// The result of a test request.
    pub probe: Probe,
}

/// A configuration object of the webhook.
#[derive(Debug, Clone)]
pub struct WebhookRegistration {
    /// The resource, such as `validatingwebhookconfiguration`.
    pub resource: &'static str,
    /// The object's name.
    pub name: &'static str,
    /// The object's content.
    pub state: RegistrationState,
}

/// The content of a configuration object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationState {
    /// The object does not exist.
    Absent,
    /// The user may not read the object.
    Unknown,
    /// The object exists.
    Present {
        /// `Fail` or `Ignore`.
        failure_policy: String,
        /// When the last of the trusted certificates expires, as RFC 3339; `None` without any.
        trusted_until: Option<String>,
    },
}

/// The result of a dry run that creates a Service which the webhook refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The webhook refused the Service: it answers, and the API server trusts it.
    Refused,
    /// The API server accepted the Service with the webhook's warning: it answers, and is
    /// configured not to refuse.
    Warned,
    /// The API server accepted the Service, and the webhook said nothing.
    Passed,
    /// The API server could not call the webhook, with its message.
    Unreachable(String),
    /// The request failed for another reason, for example because the user may not create Services.
    NotAsked(String),
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    webhooks: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    failure_policy: String,
    client_config: ClientConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientConfig {
    #[serde(default)]
    ca_bundle: Option<String>,
    #[serde(default)]
    service: Option<ServiceName>,
}

#[derive(Deserialize)]
struct ServiceName {
    namespace: String,
}

impl Connection {
    /// Reads the webhook's objects and sends a test request.
    ///
    /// # Errors
    /// The API server cannot be reached, or fails.
    pub async fn webhook_installation(&self) -> Result<WebhookInstallation, Error> {
        let (mut registrations, mut namespace) = (Vec::new(), NAMESPACE.to_owned());
        for (resource, name) in WEBHOOK_REGISTRATIONS {
            let path = format!("/apis/admissionregistration.k8s.io/v1/{resource}s/{name}");
            let state = match self.get_optional(&path).await {
                Err(error) if error.kind == ErrorKind::Forbidden => RegistrationState::Unknown,
                Err(error) => return Err(error),
                Ok(None) => RegistrationState::Absent,
                Ok(Some(answer)) => {
                    let found: Configuration = answer.parse(self)?;
                    for entry in &found.webhooks {
                        if let Some(service) = &entry.client_config.service {
                            namespace.clone_from(&service.namespace);
                        }
                    }
                    present(&found)
                }
            };
            registrations.push(WebhookRegistration { resource, name, state });
        }
        let ready = self.ready(&namespace).await?;
        let config = self.config(&namespace).await?;
        let probe = self.probe().await?;
        Ok(WebhookInstallation { registrations, namespace, ready, config, probe })
    }

    /// How many Pods are ready behind its Service.
    async fn ready(&self, namespace: &str) -> Result<Option<usize>, Error> {
        let path = format!(
            "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{NAME}"
        );
        let answer = match self.get_optional(&path).await {
            Err(error) if error.kind == ErrorKind::Forbidden => return Ok(None),
            answer => answer?,
        };
        let list: Value = match answer {
            Some(answer) => answer.parse(self)?,
            None => Value::Null,
        };
        let items = |value: &Value, key: &str| {
            value.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let endpoints =
            items(&list, "items").into_iter().flat_map(|slice| items(&slice, "endpoints"));
        let is_ready = |endpoint: &Value| {
            endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true)
        };
        Ok(Some(endpoints.filter(is_ready).count()))
    }

    async fn config(&self, namespace: &str) -> Result<Option<String>, Error> {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{NAME}");
        let answer = match self.get_optional(&path).await {
            Err(error) if error.kind == ErrorKind::Forbidden => return Ok(None),
            answer => answer?,
        };
        let Some(answer) = answer else { return Ok(None) };
        let map: Value = answer.parse(self)?;
        let text = map.pointer("/data/config.yaml").and_then(Value::as_str);
        Ok(text.map(str::to_owned))
    }

    /// A dry run of a Service that every webhook with default modes refuses. Nothing is stored,
    /// whatever comes of it.
    async fn probe(&self) -> Result<Probe, Error> {
        let prefix = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "clbmigrate-probe",
                "annotations": {
                    format!("{prefix}id"): "lb-clbmigrate-probe",
                    format!("{prefix}vgroup-port"): "rsp-clbmigrate-probe:80",
                    format!("{prefix}weight"): "101",
                },
            },
            "spec": {
                "type": "LoadBalancer",
                "allocateLoadBalancerNodePorts": false,
                "ports": [{"port": 80}],
            },
        });
        let path = format!("/api/v1/namespaces/{}/services?dryRun=All", self.namespace);
        let body = Some(("application/json", service.to_string()));
        Ok(match self.send(Method::POST, &path, body).await {
            Ok(answer) if answer.warnings.iter().any(|text| text.contains(RULE)) => Probe::Warned,
            Ok(_) => Probe::Passed,
            Err(error) => match error.kind {
                ErrorKind::Denied if error.message.contains(RULE) => Probe::Refused,
                ErrorKind::Webhook => Probe::Unreachable(error.message),
                ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Unauthorized => {
                    return Err(error);
                }
                _ => Probe::NotAsked(error.message),
            },
        })
    }
}

fn present(found: &Configuration) -> RegistrationState {
    let entry = found.webhooks.first();
    let bundle = entry.and_then(|entry| entry.client_config.ca_bundle.as_deref());
    let pem = bundle.and_then(|bundle| BASE64.decode(bundle).ok());
    RegistrationState::Present {
        failure_policy: entry.map(|entry| entry.failure_policy.clone()).unwrap_or_default(),
        trusted_until: pem.and_then(|pem| last_end(&pem)),
    }
}

/// When the last of the certificates in a PEM text ends.
fn last_end(pem: &[u8]) -> Option<String> {
    let blocks = Pem::iter_from_buffer(pem).filter_map(Result::ok);
    let ends = blocks.filter_map(|block| Some(block.parse_x509().ok()?.validity().not_after));
    let last = ends.map(|end| end.timestamp()).max()?;
    jiff::Timestamp::from_second(last).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str) -> RegistrationState {
        present(&serde_json::from_str(text).expect("a configuration"))
    }

    #[test]
    fn a_configuration_without_authority_is_trusted_by_nobody() {
        let state = state(
            r#"{"webhooks": [{"failurePolicy": "Fail", "clientConfig": {"service": {"namespace": "x", "name": "y"}}}]}"#,
        );
        let failure_policy = "Fail".to_owned();
        assert_eq!(state, RegistrationState::Present { failure_policy, trusted_until: None });
    }

    #[test]
    fn a_bundle_that_is_no_certificate_is_trusted_by_nobody() {
        let state = state(
            r#"{"webhooks": [{"failurePolicy": "Fail", "clientConfig": {"caBundle": "bm90IGEgY2VydGlmaWNhdGU="}}]}"#,
        );
        assert!(
            matches!(state, RegistrationState::Present { trusted_until: None, .. }),
            "{state:?}"
        );
    }

    #[test]
    fn a_configuration_without_hooks_is_one() {
        assert!(matches!(state("{}"), RegistrationState::Present { .. }));
    }
}
