//! Ways around the front door: patches of the status, changes of type, many at once, exemptions.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    BOTH, Case,
    Share::Beside,
    manifests::{annotated, key, migrated, patch, service, weigh, with},
    stage::{Place, Stage, refused, silent, warned},
};

pub const CASES: &[Case] = &[
    ("no bad value gets past in a status patch", BOTH, Beside, status),
    ("no bad value gets past in a change of type", BOTH, Beside, types),
    ("all problems of a Service are told at once", BOTH, Beside, at_once),
    ("an object may soften rules for itself", BOTH, Beside, allowed),
];

fn weight(place: &Place<'_, '_>, name: &str) -> Result<String> {
    let service = place.get(&format!("service/{name}"))?;
    Ok(service["metadata"]["annotations"][key("weight")].as_str().unwrap_or_default().to_owned())
}

fn status(stage: &Stage<'_>) -> Result<()> {
    let place = stage.place("status")?;
    place.apply(&migrated(&place.name, "web", "20"))?;
    let set = |weight: &str| {
        let annotations = json!({"metadata": {"annotations": {key("weight"): weight}}});
        patch("service web --subresource=status", &annotations)
    };
    refused(&place.kubectl(&set("101"), "")?, "CLB001")?;
    ensure!(weight(&place, "web")? == "20");
    let none = json!({"metadata": {"annotations": {key("weight"): null}}});
    refused(&place.kubectl(&patch("service web --subresource=status", &none), "")?, "CLB403")?;
    ensure!(weight(&place, "web")? == "20");
    // What is good is stored, so it was the value that was refused.
    silent(&place.kubectl(&set("40"), "")?)?;
    ensure!(weight(&place, "web")? == "40");
    // The address that CCM writes there.
    let address = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
    silent(&place.kubectl(&patch("service web --subresource=status", &address), "")?)
}

fn types(stage: &Stage<'_>) -> Result<()> {
    let place = stage.place("types")?;
    let to = |kind: &str| patch("service web", &json!({"spec": {"type": kind}}));
    // As a ClusterIP Service it is nobody's business.
    let hidden = with(migrated(&place.name, "web", "101"), "/spec/type", "ClusterIP");
    place.apply(&hidden)?;
    refused(&place.kubectl(&to("LoadBalancer"), "")?, "CLB001")?;
    ensure!(place.get("service/web")?["spec"]["type"] == "ClusterIP");
    silent(&place.kubectl(&weigh("web", "20"), "")?)?;
    silent(&place.kubectl(&to("LoadBalancer"), "")?)?;
    for kind in ["NodePort", "ClusterIP"] {
        refused(&place.kubectl(&to(kind), "")?, "CLB404")?;
    }
    ensure!(place.get("service/web")?["spec"]["type"] == "LoadBalancer");
    // Both in one request: the new weight is bad, and so is leaving.
    let both =
        json!({"metadata": {"annotations": {key("weight"): "0"}}, "spec": {"type": "NodePort"}});
    refused(&place.kubectl(&patch("service web", &both), "")?, "CLB404")?;
    silent(&place.kubectl(&weigh("web", "0"), "")?)?;
    silent(&place.kubectl(&to("NodePort"), "")?)
}

fn at_once(stage: &Stage<'_>) -> Result<()> {
    let place = stage.place("at-once")?;
    let annotations = [
        ("id", "lb-bp1example"),
        ("vgroup-port", "rsp-bp1atonce:80"),
        ("weight", "101"),
        ("default-weight", "150"),
    ];
    let bad = service("web", &annotations);
    let ran = place.kubectl("apply", &bad.to_string())?;
    refused(&ran, "CLB001")?;
    refused(&ran, "CLB012")?;
    ensure!(!place.has("service/web")?);
    // Why, and what to write instead.
    ensure!(ran.err.contains("101") && ran.err.contains("Fix: "), "{}", ran.err);
    Ok(())
}

fn allowed(stage: &Stage<'_>) -> Result<()> {
    let place = stage.place("allowed")?;
    let web = migrated(&place.name, "web", "20");
    place.apply(&annotated(web, "clbmigrate.io/allow", "CLB404"))?;
    warned(&place.kubectl("delete service web", "")?, "CLB404")?;
    ensure!(!place.has("service/web")?);
    let odd = annotated(migrated(&place.name, "odd", "20"), "clbmigrate.io/allow", "CLB999");
    warned(&place.kubectl("apply", &odd.to_string())?, "CLB999")
}
