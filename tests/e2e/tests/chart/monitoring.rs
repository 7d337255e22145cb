//! Alerts and the dashboard. Which metrics they use, the webhook's own tests compare with those it has.

use anyhow::{Context, ensure};
use clbmigrate_e2e::Helm;
use serde_json::Value;

use crate::{
    FileCase,
    files::{objects, rendered},
};

pub const CASES: &[FileCase] = &[
    ("alerts and the dashboard are there when they are asked for", on_demand),
    ("each alert says what is wrong and what to do", alerts),
    ("the dashboard is one that Grafana's sidecar finds and can read", dashboard),
];

const RULE: &str = "--set metrics.prometheusRule.enabled=true";
const DASHBOARD: &str = "--set metrics.dashboard.enabled=true";

fn find(helm: &Helm, name: &str, kind: &str, values: &str) -> anyhow::Result<Option<Value>> {
    let mut all = objects(&rendered(helm, values)?)?.into_iter();
    Ok(all.find(|object| object["kind"] == kind && object["metadata"]["name"] == name))
}

fn rule(helm: &Helm, values: &str) -> anyhow::Result<Option<Value>> {
    find(helm, "clbmigrate-webhook", "PrometheusRule", values)
}

fn on_demand(helm: &Helm) -> anyhow::Result<()> {
    ensure!(rule(helm, "")?.is_none() && rule(helm, RULE)?.is_some());
    let map = |values: &str| find(helm, "clbmigrate-webhook-dashboard", "ConfigMap", values);
    ensure!(map("")?.is_none() && map(DASHBOARD)?.is_some());
    Ok(())
}

fn alerts(helm: &Helm) -> anyhow::Result<()> {
    let more = "--set metrics.prometheusRule.labels.release=kps,metrics.prometheusRule.alertLabels.team=edge";
    let of_self = rule(helm, &format!("{RULE} {more}"))?.context("no rule")?;
    ensure!(of_self["metadata"]["labels"]["release"] == "kps", "{of_self}");
    let secret = "--set tls.mode=secret,tls.secretName=cert";
    let of_secret = rule(helm, &format!("{RULE} {more} {secret}"))?.context("no rule")?;
    for rule in [&of_self, &of_secret] {
        let alerts = rule["spec"]["groups"][0]["rules"].as_array().context("no alerts")?;
        ensure!(alerts.len() == 7, "{} alerts", alerts.len());
        for alert in alerts {
            let text = |field: &str| alert["annotations"][field].as_str().unwrap_or_default();
            ensure!(text("summary").ends_with('.'), "{alert}");
            ensure!(text("description").len() > 100, "no way out: {alert}");
            ensure!(alert["labels"]["severity"].is_string(), "{alert}");
            ensure!(alert["labels"]["team"] == "edge", "{alert}");
            ensure!(alert["for"].is_string() && alert["expr"].is_string(), "{alert}");
        }
    }
    // A self-made certificate is good for a week, and always ends within seven days.
    let expiry = |rule: &Value| rule["spec"]["groups"][0]["rules"][1]["expr"].to_string();
    ensure!(expiry(&of_self).contains("< 86400\""), "{}", expiry(&of_self));
    ensure!(expiry(&of_secret).contains("< 604800\""), "{}", expiry(&of_secret));
    Ok(())
}

fn dashboard(helm: &Helm) -> anyhow::Result<()> {
    let values = format!("{DASHBOARD} --set metrics.dashboard.annotations.grafana_folder=CLB");
    let map = find(helm, "clbmigrate-webhook-dashboard", "ConfigMap", &values)?;
    let map = map.context("no dashboard")?;
    ensure!(map["metadata"]["labels"]["grafana_dashboard"] == "1", "{map}");
    ensure!(map["metadata"]["annotations"]["grafana_folder"] == "CLB", "{map}");
    let text = map["data"]["clbmigrate-webhook.json"].as_str().context("no JSON")?;
    let dashboard: Value = serde_json::from_str(text)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let mut ids: Vec<&Value> = panels.iter().map(|panel| &panel["id"]).collect();
    ids.dedup();
    ensure!(ids.len() == panels.len() && panels.len() > 10, "{ids:?}");
    for panel in panels {
        ensure!(panel["datasource"]["uid"] == "${datasource}", "{panel}");
        ensure!(panel["targets"][0]["expr"].is_string(), "{panel}");
        ensure!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{panel}");
    }
    Ok(())
}
