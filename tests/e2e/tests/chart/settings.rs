//! What values do that say how the webhook runs, and not what it judges.

use anyhow::{Context, ensure};
use clbmigrate_e2e::Helm;
use serde_json::{Value, json};

use crate::{
    FileCase,
    files::{objects, rendered},
};

pub const CASES: &[FileCase] = &[
    ("labels arrive everywhere, and selectors stay what they were", labels),
    ("Pods have the annotations and arguments that are asked for", pods),
    ("the service account and its rights may be somebody else's", accounts),
    ("replicas keep apart from those of the same template", spreading),
    ("a hook has the time-out and the selectors that are asked for", hooks),
    ("Pods may use the network and the ports of their nodes", host_network),
    ("the Service takes the families of addresses that are asked for", families),
    ("the self-test knows what the webhook is set to do", self_test),
];

/// The selector of the Deployment that every release has: it cannot be changed.
const SELECTOR: (&str, &str) = ("app.kubernetes.io/name", "clbmigrate-webhook");

/// All objects that these values make.
fn all(helm: &Helm, values: &str) -> anyhow::Result<Vec<Value>> {
    objects(&rendered(helm, values)?)
}

/// The object of this kind and name.
fn one(helm: &Helm, kind: &str, name: &str, values: &str) -> anyhow::Result<Value> {
    let is_it = |object: &Value| object["kind"] == kind && object["metadata"]["name"] == name;
    let mut found = all(helm, values)?.into_iter().filter(is_it);
    found.next().with_context(|| format!("no {kind} {name} with {values}"))
}

fn deployment(helm: &Helm, values: &str) -> anyhow::Result<Value> {
    one(helm, "Deployment", "clbmigrate-webhook", values)
}

fn pod(helm: &Helm, values: &str) -> anyhow::Result<Value> {
    Ok(deployment(helm, values)?["spec"]["template"].clone())
}

fn labels(helm: &Helm) -> anyhow::Result<()> {
    let values = "--set commonLabels.team=edge,podLabels.tier=front \
                  --set commonLabels.app\\.kubernetes\\.io/name=other,podLabels.app\\.kubernetes\\.io/name=other \
                  --set metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true";
    for object in all(helm, values)? {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if matches!(name, "clbmigrate-viewer" | "clbmigrate-operator") {
            continue;
        }
        let labels = &object["metadata"]["labels"];
        ensure!(labels["team"] == "edge", "{object}");
        ensure!(labels["app.kubernetes.io/instance"] == "clbmigrate", "{object}");
        ensure!(labels["app.kubernetes.io/component"].is_string(), "{object}");
        ensure!(labels[SELECTOR.0] != "other", "{object}");
    }
    let deployment = deployment(helm, values)?;
    let selector = json!({(SELECTOR.0): SELECTOR.1});
    ensure!(deployment["spec"]["selector"] == json!({"matchLabels": selector}), "{deployment}");
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    ensure!(labels["tier"] == "front" && labels["team"] == "edge", "{labels}");
    ensure!(labels[SELECTOR.0] == SELECTOR.1, "{labels}");
    // Another version of the chart is no reason to start Pods anew.
    ensure!(labels.get("helm.sh/chart").is_none(), "{labels}");
    let service = one(helm, "Service", "clbmigrate-webhook", values)?;
    ensure!(service["spec"]["selector"] == selector, "{service}");
    Ok(())
}

fn pods(helm: &Helm) -> anyhow::Result<()> {
    let pod = pod(helm, "--set podAnnotations.a=b --set extraArgs={--reload-interval=10s}")?;
    let annotations = &pod["metadata"]["annotations"];
    ensure!(annotations["a"] == "b" && annotations["prometheus.io/port"] == "8081", "{pod}");
    let arguments = pod["spec"]["containers"][0]["args"].as_array().context("no arguments")?;
    ensure!(arguments.last() == Some(&json!("--reload-interval=10s")), "{arguments:?}");
    let none = self::pod(helm, "--set metrics.annotations=false")?;
    ensure!(none["metadata"].get("annotations").is_none(), "{none}");

    let strategy = |values: &str| -> anyhow::Result<Value> {
        Ok(deployment(helm, values)?["spec"]["strategy"].clone())
    };
    ensure!(strategy("")?["rollingUpdate"] == json!({"maxUnavailable": 0, "maxSurge": 1}));
    let recreate = strategy("--set updateStrategy.type=Recreate")?;
    ensure!(recreate == json!({"type": "Recreate"}), "{recreate}");
    Ok(())
}

fn accounts(helm: &Helm) -> anyhow::Result<()> {
    let named = "--set serviceAccount.name=judge,serviceAccount.annotations.a=b,serviceAccount.automount=false";
    let account = one(helm, "ServiceAccount", "judge", named)?;
    ensure!(account["metadata"]["annotations"] == json!({"a": "b"}), "{account}");
    let pod = pod(helm, named)?;
    ensure!(pod["spec"]["serviceAccountName"] == "judge", "{pod}");
    ensure!(pod["spec"]["automountServiceAccountToken"] == false, "{pod}");
    let bindings = all(helm, named)?;
    let bindings = bindings.iter().filter(|object| {
        object["kind"].as_str().is_some_and(|kind| kind.ends_with("RoleBinding"))
            && object["metadata"]["name"] == "clbmigrate-webhook"
    });
    let subjects: Vec<&Value> = bindings.map(|of| &of["subjects"][0]["name"]).collect();
    ensure!(subjects.len() == 3 && subjects.iter().all(|name| *name == "judge"), "{subjects:?}");

    let has = |values: &str, kind: &str| -> anyhow::Result<bool> {
        Ok(all(helm, &format!("--no-hooks {values}"))?.iter().any(|object| object["kind"] == kind))
    };
    let other = "--set serviceAccount.create=false,serviceAccount.name=judge";
    ensure!(has("", "ServiceAccount")? && !has(other, "ServiceAccount")?);
    ensure!(has(other, "RoleBinding")?);
    let granted = "--set people.create=false,rbac.create=false";
    for kind in ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"] {
        ensure!(has("--set people.create=false", kind)? && !has(granted, kind)?, "{kind}");
    }
    Ok(())
}

fn spreading(helm: &Helm) -> anyhow::Result<()> {
    let spec = |values: &str| -> anyhow::Result<Value> { Ok(pod(helm, values)?["spec"].clone()) };
    let zone = |spec: &Value| spec["topologySpreadConstraints"][0].clone();
    let node = |spec: &Value| {
        let affinity = &spec["affinity"]["podAntiAffinity"];
        affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"].clone()
    };
    let keys = json!(["pod-template-hash"]);
    // Pods of an earlier template are about to leave.
    let plain = spec("")?;
    ensure!(zone(&plain)["matchLabelKeys"] == keys, "{plain}");
    ensure!(node(&plain)["matchLabelKeys"] == keys, "{plain}");

    let own = r#"--set-json topologySpreadConstraints=[{"maxSkew":2}] --set-json affinity={"nodeAffinity":{}}"#;
    let own = spec(own)?;
    ensure!(own["topologySpreadConstraints"] == json!([{"maxSkew": 2}]), "{own}");
    ensure!(own["affinity"] == json!({"nodeAffinity": {}}), "{own}");
    Ok(())
}

fn hooks(helm: &Helm) -> anyhow::Result<()> {
    let hook = |kind: &str, name: &str, values: &str| -> anyhow::Result<Value> {
        Ok(one(helm, kind, name, values)?["webhooks"][0].clone())
    };
    let (validating, mutating) = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration");
    let services = hook(validating, "clbmigrate-validate-services", "")?;
    ensure!(services["timeoutSeconds"] == 5, "{services}");
    ensure!(services["namespaceSelector"] == json!({}), "{services}");
    ensure!(services["objectSelector"] == json!({}), "{services}");

    let set = r#"--set hooks.validateServices.timeoutSeconds=9 --set-json hooks.validateServices.namespaceSelector={"matchLabels":{"a":"b"}} --set-json hooks.validateServices.objectSelector={"matchLabels":{"c":"d"}}"#;
    let services = hook(validating, "clbmigrate-validate-services", set)?;
    ensure!(services["timeoutSeconds"] == 9, "{services}");
    ensure!(services["namespaceSelector"] == json!({"matchLabels": {"a": "b"}}), "{services}");
    ensure!(services["objectSelector"] == json!({"matchLabels": {"c": "d"}}), "{services}");

    // What a hook asks for by itself stays: the webhook's own Pods must start without it.
    let set = r#"--set-json hooks.mutatePods.namespaceSelector={"matchLabels":{"a":"b"},"matchExpressions":[{"key":"x","operator":"Exists"}]}"#;
    let pods = hook(mutating, "clbmigrate-mutate-pods", set)?;
    let selector = &pods["namespaceSelector"];
    let wanted = json!({"a": "b", "clbmigrate.io/inject": "enabled"});
    ensure!(selector["matchLabels"] == wanted, "{selector}");
    let expressions = selector["matchExpressions"].as_array().context("no expressions")?;
    let own = json!(["clbmigrate-system", "kube-system"]);
    ensure!(expressions.len() == 2 && expressions[0]["key"] == "x", "{selector}");
    ensure!(expressions[1]["operator"] == "NotIn" && expressions[1]["values"] == own);
    Ok(())
}

fn host_network(helm: &Helm) -> anyhow::Result<()> {
    let values = "--set hostNetwork=true,dnsPolicy=ClusterFirstWithHostNet,securePort=10443,probePort=10081 \
                  --set networkPolicy.apiServers={10.1.0.0/24}";
    let deployment = deployment(helm, values)?;
    let pod = &deployment["spec"]["template"]["spec"];
    ensure!(pod["hostNetwork"] == true && pod["dnsPolicy"] == "ClusterFirstWithHostNet", "{pod}");
    let container = &pod["containers"][0];
    let arguments = container["args"].to_string();
    ensure!(arguments.contains("\"--listen=[::]:10443\""), "{arguments}");
    ensure!(arguments.contains("\"--probe-listen=[::]:10081\""), "{arguments}");
    let ports = &container["ports"];
    ensure!(ports[0]["containerPort"] == 10443 && ports[1]["containerPort"] == 10081, "{ports}");
    // Two Pods of one node cannot have them.
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    ensure!(*rolling == json!({"maxUnavailable": 1, "maxSurge": 0}), "{rolling}");
    let policy = one(helm, "NetworkPolicy", "clbmigrate-webhook", values)?;
    let ports = [0, 1].map(|rule| policy["spec"]["ingress"][rule]["ports"][0]["port"].clone());
    ensure!(ports == [json!(10443), json!(10081)], "{policy}");
    // The Service's own ports stay: hooks and monitors name them.
    let service = one(helm, "Service", "clbmigrate-webhook", values)?;
    ensure!(service["spec"]["ports"][0]["port"] == 443, "{service}");

    let plain = self::pod(helm, "")?;
    ensure!(plain["spec"].get("hostNetwork").is_none(), "{plain}");
    ensure!(plain["spec"].get("dnsPolicy").is_none(), "{plain}");
    Ok(())
}

fn families(helm: &Helm) -> anyhow::Result<()> {
    let service = |values: &str| one(helm, "Service", "clbmigrate-webhook", values);
    let plain = service("")?;
    ensure!(plain["spec"]["ipFamilyPolicy"] == "PreferDualStack", "{plain}");
    ensure!(plain["spec"].get("ipFamilies").is_none(), "{plain}");
    let set = service("--set service.ipFamilyPolicy=SingleStack,service.ipFamilies={IPv6}")?;
    ensure!(set["spec"]["ipFamilyPolicy"] == "SingleStack", "{set}");
    ensure!(set["spec"]["ipFamilies"] == json!(["IPv6"]), "{set}");
    Ok(())
}

fn self_test(helm: &Helm) -> anyhow::Result<()> {
    let test = |values: &str| one(helm, "Pod", "clbmigrate-webhook-self-test", values);
    let pod = test("")?;
    // Its Service must not take it for one of the webhook's Pods.
    ensure!(pod["metadata"]["labels"][SELECTOR.0] != SELECTOR.1, "{pod}");
    ensure!(pod["metadata"]["annotations"]["helm.sh/hook"] == "test", "{pod}");
    for (values, mode) in [
        ("", "enforce"),
        ("--set rules.CLB001=warn", "warn"),
        ("--set rules.CLB001=off", "audit"),
        ("--set namespaces.clbmigrate-system.rules.CLB001=audit", "audit"),
        ("--set namespaces.shop.rules.CLB001=off", "enforce"),
        ("--set exempt.namespaces={clbmigrate-system}", "audit"),
    ] {
        let arguments = &test(values)?["spec"]["containers"][0]["args"];
        let wanted = json!(["self-test", format!("--mode={mode}")]);
        ensure!(*arguments == wanted, "{values}: {arguments}");
    }
    // Nobody would answer.
    let off = test("--set hooks.validateServices.enabled=false");
    ensure!(off.is_err(), "{off:?}");
    Ok(())
}
