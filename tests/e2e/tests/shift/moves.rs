//! Traffic moves, and comes back.

use anyhow::ensure;
use clbmigrate_e2e::Clb;
use serde_json::{Value, json};

use crate::{
    Case,
    scene::{NEW, OLD, Stage},
};

pub const CASES: &[Case] = &[
    ("a share moves to the new cluster, which is raised first, and comes back", "moves", moves),
    ("from old machines into a cluster, 0 to 100 %", "machines", machines),
    ("back to the machines, and only those that are named", "named", named),
    ("a Service with 80 and 443 in two groups moves in both", "ports", ports),
    ("machines get other weights by hand, as one asks", "by-hand", by_hand),
    ("asked for what is so, it writes nothing", "is-so", is_so),
];

fn history(of: &clbmigrate_e2e::User<'_>) -> anyhow::Result<Value> {
    let service = of.web()?;
    let text = service["metadata"]["annotations"]["clbmigrate.io/history"].as_str();
    Ok(text.map(serde_json::from_str).transpose()?.unwrap_or(Value::Null))
}

fn moves(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    // 40, 40 and 6, 6, 6.
    scene.has_share(NEW, 18.0 / 98.0)?;
    scene.clb.forget_calls();
    let told = scene.shifts("40%", "--reason drill")?.ends_with(0)?;
    let report = told.document("transfer")?;
    ensure!(report["kind"] == "Transfer" && report["state"] == "done", "{report}");
    ensure!(report["verified"] == true, "{report}");
    ensure!(
        report["parts"][0]["context"] == NEW && report["parts"][1]["context"] == OLD,
        "{report}"
    );
    scene.has_share(NEW, 0.4)?;
    // The winner was raised before the loser was lowered, and both carry the same record.
    let (old, new) = (history(&scene.old)?, history(&scene.new)?);
    ensure!(old[0]["change"] == new[0]["change"] && old[0]["whole"] == new[0]["whole"], "{old}");
    ensure!(old[0]["change"] == report["change"] && old[0]["reason"] == "drill", "{old}");
    let writes = (scene.old.writes()?, scene.new.writes()?);
    ensure!(writes == (1, 1), "one write a side: {writes:?}");
    let order = scene.clb.writers();
    ensure!(order == ["c-new", "c-old"], "{order:?}");

    // Undo finds the other side by itself, and gives it back first.
    let back = scene.runs(&format!("undo svc/web --context {NEW} --yes -o json --timeout 60s"))?;
    let back = back.ends_with(0)?.json()?;
    ensure!(back["undoes"] == report["change"] && back["state"] == "done", "{back}");
    ensure!(back["parts"][0]["context"] == OLD, "{back}");
    scene.has_weights("80", "20")?;
    scene.has_share(NEW, 18.0 / 98.0)?;
    // There is nothing left to take back.
    scene.runs(&format!("undo svc/web --contexts {OLD},{NEW} --yes"))?.ends_with(2)?;
    scene.runs(&format!("undo svc/web --context {OLD} --yes"))?.ends_with(1)?.warns("no change")?;
    Ok(())
}

fn machines(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene_of(0, 0, &[("i-bp1m1", 100), ("i-bp1m2", 50)])?;
    scene.has_share(NEW, 0.0)?;
    for (share, wanted) in [("5%", 0.05), ("25%", 0.25), ("60%", 0.6), ("100%", 1.0)] {
        let line = format!("shift svc/web --from external --to {NEW} {share} --yes -o json");
        let told = scene.runs(&line)?.ends_with(0)?;
        ensure!(told.err.contains("account") && told.err.contains("cn-bed"), "{}", told.err);
        let report = told.json()?;
        ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
        scene.has_share(NEW, wanted)?;
    }
    scene.holds("i-bp1m", 0)?;
    // The old cluster's Service had nothing, and kept that.
    scene.holds("i-bp1o", 0)?;
    ensure!(scene.old.writes()? == 0);
    // The machines have what they had before the last step, in proportion.
    let back = scene.runs(&format!("undo svc/web --context {NEW} --yes -o json"))?;
    back.ends_with(0)?;
    scene.has_share(NEW, 0.6)?;
    let group = scene.group();
    let of = |id: &str| group.iter().find(|(known, _)| known == id).map_or(0, |(_, w)| *w);
    ensure!(of("i-bp1m1") > of("i-bp1m2") && of("i-bp1m2") > 0, "{group:?}");
    Ok(())
}

fn named(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene_of(0, 100, &[("i-bp1m1", 0), ("i-bp1m2", 0)])?;
    let line = format!("shift svc/web --from {NEW} --to external=i-bp1m1 50% --yes -o json");
    let report = scene.runs(&line)?.ends_with(0)?.json()?;
    // Who gains comes first, here by the CLB API.
    ensure!(report["parts"][0]["kind"] == "External", "{report}");
    scene.has_share(NEW, 0.5)?;
    scene.has_share("i-bp1m1", 0.5)?;
    scene.holds("i-bp1m2", 0)?;
    scene.runs(&format!("undo svc/web --context {NEW} --yes"))?.ends_with(0)?;
    scene.has_share(NEW, 1.0)?;
    scene.holds("i-bp1m", 0)
}

fn ports(stage: &Stage<'_>) -> anyhow::Result<()> {
    let (web, tls) =
        (format!("rsp-bp1{}", stage.namespace), format!("rsp-bp1{}tls", stage.namespace));
    let clb = Clb::start(
        &json!([{"id": web, "name": "web"}, {"id": tls, "name": "tls"}]),
        &json!([
            {"port": 80, "scheduler": "wrr", "vServerGroupId": web},
            {"port": 443, "scheduler": "wrr", "vServerGroupId": tls},
        ]),
    )?;
    let mapping = format!("{web}:80,{tls}:443");
    let annotations =
        |weight: &str| [("vgroup-port", mapping.clone()), ("weight", weight.to_owned())];
    let scene = stage.scene_behind(clb, &annotations("80"), &annotations("20"))?;
    for user in [&scene.old, &scene.new] {
        let ports = json!({"spec": {"ports": [
            {"name": "http", "port": 80, "targetPort": 8080},
            {"name": "https", "port": 443, "targetPort": 8443},
        ]}});
        user.cluster.ask(&[
            "patch",
            "service",
            "web",
            "-n",
            &user.namespace,
            "--type=merge",
            "-p",
            &ports.to_string(),
        ])?;
    }
    scene.settled_in(&[&web, &tls])?;
    // The preview, the question and the answer name both.
    let preview = format!("preview svc/web 40 --context {NEW} -o json");
    let preview = scene.runs(&preview)?.ends_with(0)?.json()?;
    ensure!(preview["routes"].as_array().map(Vec::len) == Some(2), "{preview}");
    let dry = scene.runs(&format!("shift svc/web --from {OLD} --to {NEW} 40% --dry-run=client"))?;
    let dry = dry.ends_with(0)?.warns(&format!("{web}:80"))?.warns(&format!("{tls}:443"))?;
    ensure!(dry.out.contains(&web) && dry.out.contains(&tls), "{}", dry.out);
    let report = scene.shifts("40%", "")?.ends_with(0)?.json()?;
    let groups: Vec<&str> = report["routes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|route| route["vserverGroup"].as_str())
        .collect();
    ensure!(groups == [web.as_str(), tls.as_str()], "{report}");
    for route in report["routes"].as_array().into_iter().flatten() {
        let of_new =
            route["shares"].as_array().into_iter().flatten().find(|of| of["context"] == NEW);
        let after = of_new.and_then(|of| of["after"].as_f64()).unwrap_or_default();
        ensure!((after - 0.4).abs() <= 0.01, "{route}");
    }
    Ok(())
}

fn by_hand(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[("i-bp1m1", 60), ("i-bp1m2", 40)])?;
    let line = format!("set svc/web --external i-bp1m1=30 --context {NEW}");
    scene.runs(&format!("{line} --dry-run=client"))?.ends_with(0)?.says("60 -> 30")?;
    ensure!(scene.group().contains(&("i-bp1m1".to_owned(), 60)));
    let told = scene.runs(&format!("{line} --yes -o json"))?.ends_with(0)?;
    ensure!(told.err.contains("account"), "{}", told.err);
    ensure!(told.json()?["state"] == "done", "{}", told.out);
    let group = scene.group();
    ensure!(group.contains(&("i-bp1m1".to_owned(), 30)), "{group:?}");
    ensure!(group.contains(&("i-bp1m2".to_owned(), 40)), "{group:?}");
    scene.has_weights("80", "20")?;
    scene
        .runs(&format!("set svc/web --external i-bp1none=30 --context {NEW} --yes"))?
        .ends_with(1)?;
    scene
        .runs(&format!("set svc/web --external i-bp1m1=101 --context {NEW} --yes"))?
        .ends_with(2)?;
    Ok(())
}

fn is_so(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    scene.shifts("40%", "")?.ends_with(0)?;
    let again = scene.shifts("40%", "")?.ends_with(0)?.json()?;
    ensure!(again["state"] == "unchanged" && again["change"] == Value::Null, "{again}");
    ensure!((scene.old.writes()?, scene.new.writes()?) == (1, 1));
    Ok(())
}
