//! Applied, injected, and applied again: the same object, and no rollout.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    BOTH, Case,
    Share::Beside,
    injection::{SECONDS, hooks, revisions},
    manifests::{deployment, list, migrated, with, workload},
    stage::{Place, Stage},
};

pub const CASES: &[Case] = &[
    ("what was injected and is applied again stays as it runs", BOTH, Beside, again),
    ("a replaced object gets its hook back", BOTH, Beside, replaced),
    ("an undone rollout is the revision that it was", BOTH, Beside, undone),
];

/// What a rollout would change: the generation, and the template.
fn template(place: &Place<'_, '_>, object: &str) -> Result<Value> {
    let found = place.get(object)?;
    Ok(json!([found["metadata"]["generation"], found["spec"]["template"]]))
}

fn again(stage: &Stage<'_>) -> Result<()> {
    let place = stage.place("again")?;
    let ways = [
        ("client", "apply", None),
        ("server", "apply --server-side", None),
        ("client-grace", "apply", Some(75)),
        ("server-grace", "apply --server-side", Some(75)),
    ];
    for kind in ["Deployment", "StatefulSet"] {
        for (name, apply, grace) in ways {
            let mut made = workload(kind, name, 0);
            if let Some(seconds) = grace {
                made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = seconds.into();
            }
            let both = list(&[migrated(&place.name, name, "20"), made]).to_string();
            place.kubectl(apply, &both)?.ends_with(0)?;
            let object = format!("{kind}/{name}");
            let before = template(&place, &object)?;
            ensure!(hooks(&before[1]) == [Some(SECONDS)], "{before}");
            let wanted = grace.unwrap_or(30) + SECONDS;
            ensure!(before[1]["spec"]["terminationGracePeriodSeconds"] == wanted, "{before}");
            for round in 1..=3 {
                place.kubectl(apply, &both)?.ends_with(0)?;
                let after = template(&place, &object)?;
                ensure!(after == before, "{object}, {apply}, round {round}:\n{before}\n{after}");
            }
            if kind == "Deployment" {
                // One of the controller's making, as long as nothing was rolled out.
                clbmigrate_testbed::try_wait_for("a ReplicaSet", crate::stage::DEADLINE, || {
                    Ok((revisions(&place, name)? > 0).then_some(()))
                })?;
                ensure!(revisions(&place, name)? == 1, "{object} has been rolled out");
            }
        }
    }
    Ok(())
}

fn replaced(stage: &Stage<'_>) -> Result<()> {
    let place = stage.place("replaced")?;
    place.apply(&migrated(&place.name, "web", "20"))?;
    let web = deployment("web", 0);
    place.kubectl("create", &web.to_string())?.ends_with(0)?;
    let created = template(&place, "deployment/web")?[1].clone();
    ensure!(hooks(&created) == [Some(SECONDS)], "{created}");
    place.done("rollout status deployment/web --timeout=60s")?;
    for round in 1..=2 {
        place.kubectl("replace", &web.to_string())?.ends_with(0)?;
        // The generation grows all the same: the controller's annotation is replaced, too.
        let found = template(&place, "deployment/web")?[1].clone();
        ensure!(found == created, "round {round}:\n{created}\n{found}");
        place.done("rollout status deployment/web --timeout=60s")?;
        ensure!(revisions(&place, "web")? == 1, "round {round} made a revision");
    }
    Ok(())
}

fn undone(stage: &Stage<'_>) -> Result<()> {
    let place = stage.place("undone")?;
    place.apply(&migrated(&place.name, "web", "20"))?;
    let tier = |tier: &str| with(deployment("web", 0), "/spec/template/metadata/labels/tier", tier);
    for name in ["one", "two"] {
        place.kubectl("apply", &tier(name).to_string())?.ends_with(0)?;
        place.done("rollout status deployment/web --timeout=60s")?;
    }
    ensure!(revisions(&place, "web")? == 2);
    place.done("rollout undo deployment/web")?;
    place.done("rollout status deployment/web --timeout=60s")?;
    let undone = template(&place, "deployment/web")?[1].clone();
    ensure!(undone["metadata"]["labels"]["tier"] == "one", "{undone}");
    ensure!(revisions(&place, "web")? == 2, "undoing made a revision of its own");
    hooks(&undone).first().copied().flatten().context("no hook").map(drop)
}
