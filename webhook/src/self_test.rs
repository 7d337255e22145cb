//! The self-test: what the API server answers to a Service that the webhook refuses, and to one that it
//! lets through. Both are dry runs, which store nothing.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use http_body_util::BodyExt as _;
use hyper::{Method, Request, StatusCode, header};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{api_path::ApiPath, run::DEFAULT_NAMESPACE};

/// The rule that a weight of 101 breaks.
const RULE: &str = "CLB001";
/// How long until the API server is asked again.
const PAUSE: Duration = Duration::from_secs(2);

/// The flags of the self-test.
#[derive(Debug, Clone, clap::Args)]
pub struct SelfTestArgs {
    /// What the webhook does where a rule finds an error
    #[arg(long, value_name = "MODE", default_value = "enforce")]
    pub mode: SelfTestMode,

    /// Namespace to try Services in [default: that of the service account, else clbmigrate-system]
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,

    /// Kubeconfig [default: the service account, in a cluster]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// While an answer is another than expected, ask again so long
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = crate::cli::time)]
    pub timeout: Duration,
}

/// What the webhook does where a rule finds an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SelfTestMode {
    /// It refuses the object.
    Enforce,
    /// It lets the object pass with a warning.
    Warn,
    /// It lets the object pass, and counts.
    Audit,
}

impl SelfTestMode {
    fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Warn => "warn",
            Self::Audit => "audit",
        }
    }
}

/// What the API server answers to a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// The webhook refuses it by the rule.
    Denied(String),
    /// It passes, and the webhook warns by the rule.
    Warned(String),
    /// It passes without a word of the rule.
    Passed,
    /// The API server cannot call the webhook.
    Unreachable(String),
    /// Something else refuses it.
    Refused(String),
}

impl Answer {
    /// Reads an answer's status, its warnings and its body.
    fn new(status: StatusCode, warnings: &[String], body: &[u8]) -> Self {
        if status.is_success() {
            let warning = warnings.iter().find(|text| text.contains(RULE));
            return warning.map_or(Self::Passed, |text| Self::Warned(text.clone()));
        }
        let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
        let message =
            parsed.get("message").and_then(Value::as_str).unwrap_or("no reason").to_owned();
        if message.contains("failed calling webhook") {
            Self::Unreachable(message)
        } else if status == StatusCode::FORBIDDEN && message.contains(RULE) {
            Self::Denied(message)
        } else {
            Self::Refused(format!("{status}: {message}"))
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Denied(message) => format!("the webhook refuses it: {message}"),
            Self::Warned(message) => format!("it passes with a warning: {message}"),
            Self::Passed => "it passes without a warning".to_owned(),
            Self::Unreachable(message) => {
                format!("the API server cannot call the webhook: {message}")
            }
            Self::Refused(message) => format!("the API server refuses it: {message}"),
        }
    }
}

/// A Service that is tried.
struct Trial {
    weight: &'static str,
    is_good: bool,
}

const TRIALS: [Trial; 2] =
    [Trial { weight: "101", is_good: false }, Trial { weight: "20", is_good: true }];

impl Trial {
    /// Whether an answer is as it should be.
    fn is_expected(&self, mode: SelfTestMode, answer: &Answer) -> bool {
        match (self.is_good, mode) {
            (false, SelfTestMode::Enforce) => matches!(answer, Answer::Denied(_)),
            (false, SelfTestMode::Warn) => matches!(answer, Answer::Warned(_)),
            _ => *answer == Answer::Passed,
        }
    }

    fn expectation(&self, mode: SelfTestMode) -> &'static str {
        match (self.is_good, mode) {
            (true, _) => "it must pass",
            (false, SelfTestMode::Enforce) => "the webhook must refuse it",
            (false, SelfTestMode::Warn) => "it must pass with a warning",
            (false, SelfTestMode::Audit) => "it must pass without a warning",
        }
    }

    /// What helps where an answer is another than expected.
    fn advice(&self, answer: &Answer) -> &'static str {
        match answer {
            Answer::Unreachable(_) => {
                "look at the webhook's Pods and Service, and at networkPolicy.apiServers"
            }
            Answer::Refused(_) => {
                "this is not the webhook's answer; see who refuses it, for example a quota, another \
                 webhook or missing rights of this Pod's service account"
            }
            Answer::Passed if !self.is_good => {
                "if no Pod of the webhook is Ready, failurePolicy.services Ignore lets Services pass; \
                 else a mode, an exemption or a selector in the values says so"
            }
            _ => {
                "the webhook's configuration is not what --mode says; run helm upgrade, then again"
            }
        }
    }

    async fn ask(&self, client: &Client, namespace: &str) -> Result<Answer> {
        let path = ApiPath::new("/api/v1", namespace, "services")?.with("dryRun", "All");
        let request = Request::builder()
            .method(Method::POST)
            .uri(path.to_string())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(service(self.weight).to_string().into_bytes()))?;
        let response = client.send(request).await.context("the API server does not answer")?;
        let status = response.status();
        let warnings = response.headers().get_all(header::WARNING).iter();
        let warnings: Vec<String> =
            warnings.filter_map(|text| text.to_str().ok()).map(str::to_owned).collect();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer::new(status, &warnings, &body))
    }
}

/// A Service of a CLB and a vServer group that nobody has.
fn service(weight: &str) -> Value {
    let prefix = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "clbmigrate-self-test",
            "annotations": {
                format!("{prefix}id"): "lb-clbmigrate-self-test",
                format!("{prefix}vgroup-port"): "rsp-clbmigrate-self-test:80",
                format!("{prefix}weight"): weight,
            },
        },
        "spec": {
            "type": "LoadBalancer",
            // So that no port of the nodes is looked for.
            "allocateLoadBalancerNodePorts": false,
            "ports": [{"port": 80}],
        },
    })
}

/// Tries both Services, and writes what comes of each.
///
/// # Errors
/// When an answer stays another than expected, with what helps, and when the API server cannot be asked.
pub async fn self_test(
    args: &SelfTestArgs,
    mut say: impl FnMut(&str) -> std::io::Result<()>,
) -> Result<()> {
    let (client, own) = crate::run::connect(args.kubeconfig.as_deref()).await?;
    let namespace = args.namespace.clone().or(own).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    let deadline = Instant::now() + args.timeout;
    for trial in &TRIALS {
        let what = format!(
            "A Service of weight {} in namespace {namespace}, in a dry run: {} in mode {}.",
            trial.weight,
            trial.expectation(args.mode),
            args.mode.name()
        );
        say(&what)?;
        let answer = loop {
            let answer = trial.ask(&client, &namespace).await?;
            if trial.is_expected(args.mode, &answer) || Instant::now() >= deadline {
                break answer;
            }
            sleep(PAUSE).await;
        };
        if !trial.is_expected(args.mode, &answer) {
            bail!("{what} But {}. Fix: {}", answer.told(), trial.advice(&answer));
        }
        say(&format!("  As it should be, {}", answer.told()))?;
    }
    say(
        "Hooks of workloads and Pods are not tried: they leave the webhook's own namespace alone.",
    )?;
    if args.mode == SelfTestMode::Audit {
        say("In mode audit nothing shows that the webhook was asked; its metrics do.")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(code: u16, message: &str) -> Answer {
        let status = StatusCode::from_u16(code).expect("a status");
        Answer::new(status, &[], json!({"message": message}).to_string().as_bytes())
    }

    fn passed(warnings: &[&str]) -> Answer {
        let warnings: Vec<String> = warnings.iter().map(|text| (*text).to_owned()).collect();
        Answer::new(StatusCode::CREATED, &warnings, b"{}")
    }

    /// Whether the Service of weight 101 and that of weight 20 are answered as they should be.
    fn expected(mode: SelfTestMode, answer: &Answer) -> (bool, bool) {
        let [bad, good] = &TRIALS;
        (bad.is_expected(mode, answer), good.is_expected(mode, answer))
    }

    #[test]
    fn in_mode_enforce_the_bad_service_must_be_refused_by_the_rule() {
        let denied = denial(403, "admission webhook \"x\" denied the request: CLB001 not a weight");
        assert_eq!(expected(SelfTestMode::Enforce, &denied), (true, false));
        for other in [
            passed(&[]),
            passed(&["299 - \"CLB001 not a weight\""]),
            denial(403, "exceeded quota: services"),
            denial(403, "services is forbidden: User cannot create"),
            denial(500, "failed calling webhook \"x\": CLB001"),
        ] {
            assert!(!expected(SelfTestMode::Enforce, &other).0, "{other:?}");
        }
    }

    #[test]
    fn in_mode_warn_a_warning_takes_the_place_of_the_refusal() {
        let warned = passed(&["299 - \"other\"", "299 - \"CLB001 not a weight\""]);
        assert_eq!(expected(SelfTestMode::Warn, &warned), (true, false));
        assert_eq!(expected(SelfTestMode::Warn, &passed(&["299 - \"other\""])), (false, true));
        assert!(!expected(SelfTestMode::Warn, &denial(403, "CLB001")).0);
    }

    #[test]
    fn in_mode_audit_nothing_is_refused_and_nothing_warned_of() {
        assert_eq!(expected(SelfTestMode::Audit, &passed(&[])), (true, true));
        assert!(!expected(SelfTestMode::Audit, &passed(&["299 - \"CLB001\""])).0);
        assert!(!expected(SelfTestMode::Audit, &denial(403, "CLB001")).0);
    }

    #[test]
    fn a_webhook_that_cannot_be_called_is_told_apart_from_others_who_refuse() {
        let unreachable = denial(500, "failed calling webhook \"x\": connection refused");
        assert!(matches!(unreachable, Answer::Unreachable(_)), "{unreachable:?}");
        let quota = denial(403, "exceeded quota: services");
        assert_eq!(quota, Answer::Refused("403 Forbidden: exceeded quota: services".to_owned()));
    }
}
