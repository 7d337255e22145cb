//! Traffic moves, and comes back.

use anyhow::ensure;
use clbmigrate_e2e::{CloudApi, User, document};
use serde_json::{Value, json};

use crate::{
    Case,
    two_clusters::{NEW, OLD, TestContext},
};

pub const CASES: &[Case] = &[
    ("a share moves to the new cluster, which is raised first, and comes back", "moves", moves),
    ("from old machines into a cluster, 0 to 100 %", "machines", machines),
    ("back to the machines, and only those that are named", "named", named),
    ("a Service with 80 and 443 in two groups moves in both", "ports", ports),
    ("machines get other weights by hand, as one asks", "by-hand", by_hand),
    ("asked for what is so, it writes nothing", "is-so", is_so),
];

fn history(of: &User<'_>) -> anyhow::Result<Value> {
    let service = of.service()?;
    let text = service["metadata"]["annotations"]["clbmigrate.io/history"].as_str();
    Ok(text.map(serde_json::from_str).transpose()?.unwrap_or(Value::Null))
}

fn moves(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    // 40, 40 and 6, 6, 6.
    clusters.has_share(NEW, 18.0 / 98.0)?;
    clusters.clb.forget_calls();
    let told = clusters.shifts("40%", "--reason drill")?.expect_code(0)?;
    let report = document(&told, "transfer")?;
    ensure!(report["kind"] == "Transfer" && report["state"] == "done", "{report}");
    ensure!(report["verified"] == true, "{report}");
    ensure!(
        report["parts"][0]["context"] == NEW && report["parts"][1]["context"] == OLD,
        "{report}"
    );
    clusters.has_share(NEW, 0.4)?;
    // The winner was raised before the loser was lowered, and both carry the same record.
    let (old, new) = (history(&clusters.old)?, history(&clusters.new)?);
    ensure!(old[0]["change"] == new[0]["change"] && old[0]["whole"] == new[0]["whole"], "{old}");
    ensure!(old[0]["change"] == report["change"] && old[0]["reason"] == "drill", "{old}");
    let writes = (clusters.old.writes()?, clusters.new.writes()?);
    ensure!(writes == (1, 1), "one write a side: {writes:?}");
    let order = clusters.clb.writers();
    ensure!(order == ["c-new", "c-old"], "{order:?}");

    // Undo finds the other side by itself, and gives it back first.
    let back =
        clusters.run(&format!("undo svc/web --context {NEW} --yes -o json --timeout 60s"))?;
    let back = back.expect_code(0)?.json()?;
    ensure!(back["undoes"] == report["change"] && back["state"] == "done", "{back}");
    ensure!(back["parts"][0]["context"] == OLD, "{back}");
    clusters.has_weights("80", "20")?;
    clusters.has_share(NEW, 18.0 / 98.0)?;
    // There is nothing left to take back.
    clusters
        .run(&format!("undo svc/web --contexts {OLD},{NEW} --yes"))?
        .expect_code(1)?
        .expect_stderr("svc/web has no change of this tool to undo in old, new")?;
    clusters
        .run(&format!("undo svc/web --context {OLD} --yes"))?
        .expect_code(1)?
        .expect_stderr("svc/web has no change of this tool to undo")?;
    Ok(())
}

fn machines(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters_with(0, 0, &[("i-bp1m1", 100), ("i-bp1m2", 50)])?;
    clusters.has_share(NEW, 0.0)?;
    for (share, wanted) in [("5%", 0.05), ("25%", 0.25), ("60%", 0.6), ("100%", 1.0)] {
        let line = format!("shift svc/web --from external --to {NEW} {share} --yes -o json");
        let told = clusters.run(&line)?.expect_code(0)?;
        ensure!(
            told.stderr.contains("account") && told.stderr.contains("cn-bed"),
            "{}",
            told.stderr
        );
        let report = told.json()?;
        ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
        clusters.has_share(NEW, wanted)?;
    }
    clusters.holds("i-bp1m", 0)?;
    // The old cluster's Service had nothing, and kept that.
    clusters.holds("i-bp1o", 0)?;
    ensure!(clusters.old.writes()? == 0);
    // The machines have what they had before the last step, in proportion.
    let back = clusters.run(&format!("undo svc/web --context {NEW} --yes -o json"))?;
    back.expect_code(0)?;
    clusters.has_share(NEW, 0.6)?;
    let group = clusters.group();
    let of = |id: &str| group.iter().find(|(known, _)| known == id).map_or(0, |(_, w)| *w);
    ensure!(of("i-bp1m1") > of("i-bp1m2") && of("i-bp1m2") > 0, "{group:?}");
    Ok(())
}

fn named(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters_with(0, 100, &[("i-bp1m1", 0), ("i-bp1m2", 0)])?;
    let line = format!("shift svc/web --from {NEW} --to external=i-bp1m1 50% --yes -o json");
    let report = clusters.run(&line)?.expect_code(0)?.json()?;
    // Who gains comes first, here by the CLB API.
    ensure!(report["parts"][0]["kind"] == "External", "{report}");
    clusters.has_share(NEW, 0.5)?;
    clusters.has_share("i-bp1m1", 0.5)?;
    clusters.holds("i-bp1m2", 0)?;
    clusters.run(&format!("undo svc/web --context {NEW} --yes"))?.expect_code(0)?;
    clusters.has_share(NEW, 1.0)?;
    clusters.holds("i-bp1m", 0)
}

fn ports(context: &TestContext<'_>) -> anyhow::Result<()> {
    let (web, tls) =
        (format!("rsp-bp1{}", context.namespace), format!("rsp-bp1{}tls", context.namespace));
    let clb = CloudApi::start(
        &json!([{"id": web, "name": "web"}, {"id": tls, "name": "tls"}]),
        &json!([
            {"port": 80, "scheduler": "wrr", "vServerGroupId": web},
            {"port": 443, "scheduler": "wrr", "vServerGroupId": tls},
        ]),
    )?;
    let mapping = format!("{web}:80,{tls}:443");
    let annotations =
        |weight: &str| [("vgroup-port", mapping.clone()), ("weight", weight.to_owned())];
    let clusters = context.clusters_behind(clb, &annotations("80"), &annotations("20"))?;
    for user in [&clusters.old, &clusters.new] {
        let ports = json!({"spec": {"ports": [
            {"name": "http", "port": 80, "targetPort": 8080},
            {"name": "https", "port": 443, "targetPort": 8443},
        ]}});
        user.ask(&format!("patch service web --type=merge -p {ports}"))?;
    }
    clusters.settled_in(&[&web, &tls])?;
    // The preview, the question and the answer name both.
    let preview = format!("preview svc/web 40 --context {NEW} -o json");
    let preview = clusters.run(&preview)?.expect_code(0)?.json()?;
    ensure!(preview["routes"].as_array().map(Vec::len) == Some(2), "{preview}");
    let dry =
        clusters.run(&format!("shift svc/web --from {OLD} --to {NEW} 40% --dry-run=client"))?;
    let dry = dry
        .expect_code(0)?
        .expect_stderr(&format!("{web}:80"))?
        .expect_stderr(&format!("{tls}:443"))?;
    ensure!(dry.stdout.contains(&web) && dry.stdout.contains(&tls), "{}", dry.stdout);
    let report = clusters.shifts("40%", "")?.expect_code(0)?.json()?;
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

fn by_hand(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[("i-bp1m1", 60), ("i-bp1m2", 40)])?;
    let line = format!("set svc/web --external i-bp1m1=30 --context {NEW}");
    clusters.run(&format!("{line} --dry-run=client"))?.expect_code(0)?.expect_stdout("60 -> 30")?;
    ensure!(clusters.group().contains(&("i-bp1m1".to_owned(), 60)));
    let told = clusters.run(&format!("{line} --yes -o json"))?.expect_code(0)?;
    ensure!(told.stderr.contains("account"), "{}", told.stderr);
    ensure!(told.json()?["state"] == "done", "{}", told.stdout);
    let group = clusters.group();
    ensure!(group.contains(&("i-bp1m1".to_owned(), 30)), "{group:?}");
    ensure!(group.contains(&("i-bp1m2".to_owned(), 40)), "{group:?}");
    clusters.has_weights("80", "20")?;
    clusters
        .run(&format!("set svc/web --external i-bp1none=30 --context {NEW} --yes"))?
        .expect_code(1)?
        .expect_stderr("no server outside of clusters in the groups of")?
        .expect_stderr(": i-bp1none")?;
    clusters
        .run(&format!("set svc/web --external i-bp1m1=101 --context {NEW} --yes"))?
        .expect_code(2)?
        .expect_stderr("a weight is 0 to 100")?;
    Ok(())
}

fn is_so(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.shifts("40%", "")?.expect_code(0)?;
    let again = clusters.shifts("40%", "")?.expect_code(0)?.json()?;
    ensure!(again["state"] == "unchanged" && again["change"] == Value::Null, "{again}");
    ensure!((clusters.old.writes()?, clusters.new.writes()?) == (1, 1));
    Ok(())
}
