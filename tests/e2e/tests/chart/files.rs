//! What is made from the chart and stands in files of its own, and what the chart refuses.
//! `CLBMIGRATE_UPDATE=1 cargo test -p clbmigrate-e2e --test chart` writes the files anew.

use std::{env, fs};

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Helm, IMAGE, NAMESPACE};
use clbmigrate_testbed::{Version, programs::workspace};
use serde_json::{Value, json};

use crate::FileCase;

pub const CASES: &[FileCase] = &[
    ("the manifests are in step with the chart", manifests),
    ("the roles for people are in step with the chart", people),
    ("the chart knows the rules that there are", rules),
    ("the chart promises the oldest Kubernetes that is tried, and no older one", promised),
    ("the chart is free of lint", lint),
    ("no template has a caBundle", bundles),
    ("what the chart cannot take is refused with a reason", refusals),
    ("helm 3 renders what helm 4 renders", by_both),
    ("values arrive where they belong", values),
    ("the rights of the audit come and go with it", audit),
    ("probes have a port of their own, and API servers may be asked for a certificate", callers),
];

/// Compares a file with what it should be, or writes it.
pub fn keep(path: &str, content: &str) -> anyhow::Result<()> {
    let path = workspace()?.join(path);
    if env::var_os("CLBMIGRATE_UPDATE").is_some() {
        let is_ci = env::var_os("CI").is_some_and(|value| value == "true");
        ensure!(!is_ci, "CLBMIGRATE_UPDATE is set, but with CI=true no file is written");
        fs::create_dir_all(path.parent().context("a folder")?)?;
        return Ok(fs::write(&path, content)?);
    }
    ensure!(
        fs::read_to_string(&path).unwrap_or_default() == content,
        "{} is out of step; CLBMIGRATE_UPDATE=1 cargo test -p clbmigrate-e2e --test chart",
        path.display()
    );
    Ok(())
}

/// The chart as manifests, with these values.
pub fn rendered(helm: &Helm, arguments: &str) -> anyhow::Result<String> {
    Ok(helm.template(&format!("-n {NAMESPACE} {IMAGE} {arguments}"))?.expect_code(0)?.stdout)
}

/// The objects of a rendered chart.
pub fn objects(text: &str) -> anyhow::Result<Vec<Value>> {
    let objects = text.split("\n---\n").filter(|text| text.lines().any(|line| !is_idle(line)));
    objects.map(|text| serde_saphyr::from_str(text).with_context(|| text.to_owned())).collect()
}

fn is_idle(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#') || line == "---"
}

fn manifests(helm: &Helm) -> anyhow::Result<()> {
    let head = format!(
        "# Rendered from deploy/chart with its default values; do not edit. To install it, put your image's name in it:
#
#   sed s,REGISTRY/clbmigrate/webhook,registry.example.com/clbmigrate/webhook, clbmigrate-webhook.yaml | kubectl apply -f -
#
# No node starts a Pod of the name as it stands, for no image may have a name in capitals.
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    app.kubernetes.io/part-of: clbmigrate
    pod-security.kubernetes.io/enforce: restricted
"
    );
    let marker = "--set image.repository=REGISTRY/clbmigrate/webhook";
    let rendered = rendered(helm, &format!("--no-hooks {marker}"))?;
    let lines: Vec<&str> = rendered.lines().map(str::trim_end).collect();
    keep(
        "deploy/manifests/clbmigrate-webhook.yaml",
        &format!("{head}{}\n", lines.join("\n").trim_end()),
    )
}

fn people(_: &Helm) -> anyhow::Result<()> {
    let source = fs::read_to_string(workspace()?.join("deploy/chart/files/people.yaml"))?;
    keep("deploy/people.yaml", &source)?;
    let roles = objects(&source)?;
    let granted = |index: usize| roles[index]["rules"].as_array().cloned().unwrap_or_default();
    let (viewer, operator) = (granted(0), granted(1));
    ensure!(roles.len() == 2 && roles[1]["metadata"]["name"] == "clbmigrate-operator");
    ensure!(operator[1..] == viewer[..], "the operator has not the viewer's rules and one more");
    Ok(())
}

fn rules(helm: &Helm) -> anyhow::Result<()> {
    let schema = fs::read_to_string(helm.chart.join("values.schema.json"))?;
    let schema: Value = serde_json::from_str(&schema)?;
    let page = fs::read_to_string(workspace()?.join("docs/rules.md"))?;
    let there: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    ensure!(there.len() > 50, "{there:?}");
    ensure!(
        schema["definitions"]["rule"]["enum"] == serde_json::json!(there),
        "definitions.rule of deploy/chart/values.schema.json must list {there:?}"
    );
    Ok(())
}

fn promised(helm: &Helm) -> anyhow::Result<()> {
    let about = fs::read_to_string(helm.chart.join("Chart.yaml"))?;
    let promised = format!("kubeVersion: \">=1.{}.0-0\"", Version::OLDEST.minor());
    ensure!(about.lines().any(|line| line == promised), "no {promised} in {about}");
    let page = fs::read_to_string(workspace()?.join("docs/webhook.md"))?;
    let promised = format!("Kubernetes 1.{} or newer", Version::OLDEST.minor());
    ensure!(page.contains(&promised), "no {promised:?} in docs/webhook.md");
    Ok(())
}

fn lint(helm: &Helm) -> anyhow::Result<()> {
    let all = format!(
        "{IMAGE} --set tls.mode=secret,tls.secretName=cert --set \
         metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true"
    );
    for flags in ["", IMAGE, &all] {
        let output =
            helm.lint(&format!("--strict --namespace {NAMESPACE} {flags}"))?.expect_code(0)?;
        ensure!(output.stdout.contains("0 chart(s) failed"), "{}", output.stdout);
        ensure!(!output.stdout.contains("[INFO]"), "{}", output.stdout);
    }
    Ok(())
}

fn bundles(helm: &Helm) -> anyhow::Result<()> {
    let all = objects(&rendered(helm, "")?)?;
    let hooks: Vec<&Value> = all
        .iter()
        .filter(|object| {
            object["kind"].as_str().is_some_and(|kind| kind.ends_with("WebhookConfiguration"))
        })
        .collect();
    ensure!(hooks.len() == 5, "{} hooks", hooks.len());
    for hook in hooks {
        let hooks = hook["webhooks"].as_array().context("no hooks")?;
        let config = hooks[0]["clientConfig"].as_object().context("no client")?;
        ensure!(hooks.len() == 1 && config.keys().eq(["service"]), "{hook}");
        let name = hook["metadata"]["name"].as_str().context("no name")?;
        ensure!(hooks[0]["name"] == format!("{name}.clbmigrate.io"), "{name}");
        ensure!(
            hooks[0]["sideEffects"] == "NoneOnDryRun" && hooks[0]["matchPolicy"] == "Equivalent"
        );
    }
    Ok(())
}

fn refusals(helm: &Helm) -> anyhow::Result<()> {
    let good = format!("-n {NAMESPACE} {IMAGE}");
    helm.template(&format!("{good} --kube-version 1.33.1-aliyun.1"))?.expect_code(0)?;
    let cases = [
        ("-n clbmigrate-system", "image.repository is not set"),
        ("-n clbmigrate-system --set image.tag=v7", "add --set image.repository=WHERE/IT/IS"),
        (
            "KUBE --set image.repository=registry.example.com/a",
            "image.repository registry.example.com/a is an example",
        ),
        ("KUBE -n default", "must not live in namespace default"),
        ("KUBE -n kube-system", "must not live in namespace kube-system"),
        ("KUBE --kube-version 1.32.13", "requires kubeVersion: >=1.33.0-0"),
        ("KUBE --set replica=3", "additional properties 'replica' not allowed"),
        ("KUBE --set image.name=x", "additional properties 'name' not allowed"),
        (
            "KUBE --set hooks.validateServices.timeoutSeconds=2",
            "/hooks/validateServices/timeoutSeconds",
        ),
        ("KUBE --set hooks.mutatePods.timeoutSeconds=31", "/hooks/mutatePods/timeoutSeconds"),
        ("KUBE --set hooks.mutatePods.selector=x", "additional properties 'selector' not allowed"),
        ("KUBE --set hooks.mutatePods.objectSelector.labels=x", "'labels' not allowed"),
        ("KUBE --set securePort=443", "/securePort"),
        ("KUBE --set probePort=8443", "securePort and probePort must not be the same"),
        ("KUBE --set service.ipFamilyPolicy=DualStack", "/service/ipFamilyPolicy"),
        ("KUBE --set service.ipFamilies={ipv6}", "/service/ipFamilies/0"),
        ("KUBE --set serviceAccount.create=false", "needs serviceAccount.name"),
        ("KUBE --set extraArgs={serve}", "/extraArgs/0"),
        ("KUBE --set-json podLabels.a=1", "/podLabels/a"),
        ("KUBE --set replicas=0", "/replicas"),
        ("KUBE --set preStopSeconds=0", "/preStopSeconds"),
        ("KUBE --set preStopSeconds=3601", "/preStopSeconds"),
        ("KUBE --set lang=fr", "/lang"),
        ("KUBE --set audit.interval=5s", "/audit/interval"),
        ("KUBE --set audit.interval=600", "/audit/interval"),
        ("KUBE --set audit.interval=25h", "/audit/interval"),
        ("KUBE --set failurePolicy.services=Deny", "/failurePolicy/services"),
        ("KUBE --set cluster.backendType=ENI", "/cluster/backendType"),
        ("KUBE --set ccm.version=2.8", "/ccm/version"),
        ("KUBE --set-json ccm.version=2.10", "/ccm/version"),
        ("KUBE --set image.digest=sha256:1", "/image/digest"),
        ("KUBE --set rules.CLB999=off", "CLB999"),
        ("KUBE --set rules.CLB001=on", "/rules/CLB001"),
        ("KUBE --set namespaces.Shop.rules.CLB001=off", "Shop"),
        ("KUBE --set namespaces.shop.CLB001=off", "additional properties 'CLB001' not allowed"),
        ("KUBE --set allow=some", "/allow"),
        ("KUBE --set allow={CLB999}", "/allow"),
        ("KUBE --set exempt.deletions.groups={a}", "additional properties 'groups' not allowed"),
        (r#"KUBE --set-json exempt.deletions.users=[""]"#, "/exempt/deletions/users/0"),
        ("KUBE --set networkPolicy.apiServer=x", "additional properties 'apiServer' not allowed"),
        ("KUBE --set networkPolicy.apiServers=10.0.0.0/24", "/networkPolicy/apiServers"),
        ("KUBE --set networkPolicy.apiServers={10.0.0.1}", "/networkPolicy/apiServers/0"),
        ("KUBE --set networkPolicy.apiServers={10.0.0.0/33}", "/networkPolicy/apiServers/0"),
        (
            "KUBE --set networkPolicy.apiServerAddresses={kubernetes.default}",
            "/apiServerAddresses/0",
        ),
        ("KUBE --set-json networkPolicy.metricsFrom=[{}]", "/networkPolicy/metricsFrom/0"),
        ("KUBE --set-json networkPolicy.metricsFrom=[{\"pods\":{}}]", "'pods' not allowed"),
        ("KUBE --set tls.mode=secret", "needs tls.secretName"),
        ("KUBE --set tls.secretName=x", "only read with tls.mode secret"),
        ("KUBE --set tls.clientCA.configMapName=a,tls.clientCA.secretName=b", "not both"),
        ("KUBE --set tls.clientCA.names={a}", "needs tls.clientCA.configMapName"),
    ];
    for (arguments, words) in cases {
        let output = helm.template(&arguments.replace("KUBE", &good))?;
        ensure!(
            output.code == 1 && output.stderr.contains(words),
            "{arguments}: {}{}",
            output.stdout,
            output.stderr
        );
    }
    Ok(())
}

fn by_both(helm: &Helm) -> anyhow::Result<()> {
    let all =
        "--set metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true,hostNetwork=true";
    let helm3 = Helm::provide_3()?;
    // Without a cluster each supposes another version of Kubernetes.
    let version = Version::NEWEST;
    for values in ["", all] {
        let values = format!("--kube-version {version} {values}");
        let [third, fourth] = [&helm3, helm].map(|helm| rendered(helm, &values));
        // Where a template ends, and which comes first of one kind, is theirs to choose.
        let sorted = |text: String| -> anyhow::Result<Vec<String>> {
            let mut objects: Vec<String> =
                objects(&text)?.iter().map(ToString::to_string).collect();
            objects.sort_unstable();
            Ok(objects)
        };
        let (third, fourth) = (sorted(third?)?, sorted(fourth?)?);
        for (third, fourth) in third.iter().zip(&fourth) {
            ensure!(third == fourth, "{third}\nis not\n{fourth}");
        }
        ensure!(third.len() == fourth.len(), "{} and {}", third.len(), fourth.len());
    }
    Ok(())
}

fn values(helm: &Helm) -> anyhow::Result<()> {
    let file = |values: &str, template: &str| -> anyhow::Result<Value> {
        let shown = format!("--show-only templates/{template}.yaml {values}");
        objects(&rendered(helm, &shown)?)?.into_iter().next().context("nothing")
    };
    let config = file(
        "--set lang=zh,rules.CLB402=off,namespaces.shop.rules.CLB403=warn,allow={CLB403},exempt.users={ops},exempt.deletions.users={agent}",
        "config",
    )?;
    let text = config["data"]["config.yaml"].as_str().context("no file")?;
    let config: Value = serde_saphyr::from_str(text)?;
    ensure!(config["lang"] == "zh", "{config}");
    ensure!(config["rules"]["CLB402"] == "off", "{config}");
    ensure!(config["namespaces"]["shop"]["rules"]["CLB403"] == "warn", "{config}");
    ensure!(config["allow"][0] == "CLB403" && config["exempt"]["users"][0] == "ops", "{config}");
    ensure!(config["exempt"]["deletions"]["users"] == json!(["agent"]), "{config}");
    let services = file("--set exempt.deletions.users={agent,o'brien}", "validate-services")?;
    let mut conditions =
        services["webhooks"][0]["matchConditions"].as_array().context("no conditions")?.iter();
    let system = conditions.find(|condition| condition["name"] == "not-system");
    let expression = system.and_then(|system| system["expression"].as_str()).unwrap_or_default();
    ensure!(
        expression.ends_with("'system:kube-controller-manager', \"agent\", \"o'brien\"])"),
        "{expression}"
    );

    let digest = format!("sha256:{}", "0".repeat(64));
    let deployment =
        file(&format!("--set image.repository=r.test/w,image.digest={digest}"), "deployment")?;
    let pod = &deployment["spec"]["template"]["spec"];
    ensure!(pod["containers"][0]["image"] == format!("r.test/w@{digest}"), "{pod}");
    ensure!(pod["securityContext"]["runAsNonRoot"] == true);
    let deployment = file(
        "--set image.repository=r.test/w,image.tag=v7,shutdown.delaySeconds=20,tls.mode=secret,tls.secretName=cert",
        "deployment",
    )?;
    let pod = &deployment["spec"]["template"]["spec"];
    ensure!(pod["containers"][0]["image"] == "r.test/w:v7", "{pod}");
    ensure!(pod["terminationGracePeriodSeconds"].as_u64().is_some_and(|seconds| seconds > 20));
    ensure!(pod["volumes"][1]["secret"]["secretName"] == "cert", "{pod}");

    let kinds = |values: &str| -> anyhow::Result<Vec<String>> {
        let all = objects(&rendered(helm, values)?)?;
        Ok(all
            .iter()
            .map(|object| {
                format!("{} {}", object["kind"], object["metadata"]["name"]).replace('"', "")
            })
            .collect())
    };
    let has = |kinds: &[String], words: &str| kinds.iter().any(|kind| kind.contains(words));
    ensure!(has(&kinds("")?, "PodDisruptionBudget"));
    ensure!(!has(&kinds("--set replicas=1")?, "PodDisruptionBudget"));
    ensure!(!has(&kinds("--set people.create=false")?, "clbmigrate-viewer"));
    let off = kinds("--set inject.enabled=false")?;
    ensure!(!has(&off, "MutatingWebhook") && has(&off, "ValidatingWebhook"), "{off:?}");
    let off = kinds("--set hooks.validateServices.enabled=false")?;
    ensure!(
        !has(&off, "clbmigrate-validate-services") && has(&off, "clbmigrate-validate-workloads")
    );
    let off = kinds("--set hooks.validateCascadingDeletion.enabled=false")?;
    ensure!(
        !has(&off, "clbmigrate-validate-cascading-deletion")
            && has(&off, "clbmigrate-validate-services")
    );
    // Nobody else's Secret is the webhook's business.
    let own = rendered(helm, "--show-only templates/rbac.yaml")?;
    let other = rendered(
        helm,
        "--show-only templates/rbac.yaml --set tls.mode=secret,tls.secretName=cert",
    )?;
    ensure!(own.contains("secrets") && !other.contains("secrets"), "{other}");
    Ok(())
}

/// Events, and what keeps what was told: nobody who does not audit needs them.
fn audit(helm: &Helm) -> anyhow::Result<()> {
    let rules = |values: &str| -> anyhow::Result<Vec<Value>> {
        let text = rendered(helm, &format!("--show-only templates/rbac.yaml {values}"))?;
        let all = objects(&text)?;
        Ok(all.iter().filter_map(|role| role["rules"].as_array()).flatten().cloned().collect())
    };
    let of_audit = |rules: &[Value]| -> Vec<Value> {
        let is_of_audit = |rule: &&Value| {
            rule["resources"] == json!(["events"])
                || (rule["resources"] == json!(["configmaps"])
                    && rule["resourceNames"] != json!(["ack-cluster-profile"]))
        };
        rules.iter().filter(is_of_audit).cloned().collect()
    };
    let granted = of_audit(&rules("")?);
    let [events, creation, record] = granted.as_slice() else {
        anyhow::bail!("not three rules: {granted:?}")
    };
    ensure!(events["verbs"] == json!(["create"]), "{events}");
    ensure!(creation["verbs"] == json!(["create"]), "{creation}");
    // The last good configuration is kept with an audit and without.
    let last_good = "clbmigrate-webhook-last-good".to_owned();
    let shards = (0..16).map(|number| format!("clbmigrate-webhook-audit-{number:x}"));
    let names: Vec<String> = [last_good.clone()].into_iter().chain(shards).collect();
    ensure!(record["resourceNames"] == json!(names), "{record}");
    ensure!(record["verbs"] == json!(["get", "update"]), "{record}");
    let granted = of_audit(&rules("--set audit.enabled=false")?);
    let [_, record] = granted.as_slice() else { anyhow::bail!("not two rules: {granted:?}") };
    ensure!(record["resourceNames"] == json!([last_good]), "{record}");
    let file = rendered(helm, "--show-only templates/config.yaml --set audit.interval=1h")?;
    ensure!(file.contains("audit:\n      enabled: true\n      interval: \"1h\""), "{file}");
    Ok(())
}

/// Ports, and the client certificate that API servers must show where one is wanted.
fn callers(helm: &Helm) -> anyhow::Result<()> {
    let pod = |values: &str| -> anyhow::Result<Value> {
        let shown = format!("--show-only templates/deployment.yaml {values}");
        let deployment = objects(&rendered(helm, &shown)?)?.into_iter().next();
        Ok(deployment.context("nothing")?["spec"]["template"].clone())
    };
    let has = |pod: &Value, argument: &str| {
        let arguments = pod["spec"]["containers"][0]["args"].as_array();
        arguments.is_some_and(|all| all.iter().any(|it| it == argument))
    };
    let plain = pod("")?;
    let container = &plain["spec"]["containers"][0];
    ensure!(has(&plain, "--listen=[::]:8443") && has(&plain, "--probe-listen=[::]:8081"));
    for probe in ["livenessProbe", "readinessProbe"] {
        ensure!(container[probe]["httpGet"]["port"] == "probes", "{container}");
        ensure!(container[probe]["httpGet"]["scheme"].is_null(), "{container}");
    }
    let annotations = &plain["metadata"]["annotations"];
    ensure!(annotations["prometheus.io/port"] == "8081", "{annotations}");
    ensure!(annotations["prometheus.io/scheme"] == "http", "{annotations}");
    ensure!(!plain.to_string().contains("client-ca"), "{plain}");

    for (value, kind) in [("configMapName", "configMap"), ("secretName", "secret")] {
        let guarded = pod(&format!(
            "--set tls.clientCA.{value}=api-servers,tls.clientCA.names={{kube-apiserver-admission,other}}"
        ))?;
        for argument in [
            "--client-ca-file=/etc/clbmigrate/client-ca/ca.crt",
            "--client-name=kube-apiserver-admission",
            "--client-name=other",
        ] {
            ensure!(has(&guarded, argument), "no {argument} in {guarded}");
        }
        let volume = &guarded["spec"]["volumes"][1][kind];
        let name = if kind == "secret" { &volume["secretName"] } else { &volume["name"] };
        ensure!(name == "api-servers" && volume["items"][0]["key"] == "ca.crt", "{volume}");
        let mounts = &guarded["spec"]["containers"][0]["volumeMounts"];
        ensure!(mounts[1]["mountPath"] == "/etc/clbmigrate/client-ca", "{mounts}");
    }
    Ok(())
}
