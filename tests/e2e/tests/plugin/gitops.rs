//! Other tools that keep the Service as a repository has it.

use anyhow::ensure;
use clbmigrate_e2e::{RunningCommand, Tools, User};
use clbmigrate_testkit::manifests::service_in;

use crate::{
    Case, QUIET, SERVED,
    served::{ServedUser, ends, message, set},
};

pub const CASES: &[Case] = &[
    ("a tool that a write took the annotation from is warned of again", QUIET, "warned", warned),
    ("a tool that puts the value back during the proof is seen", SERVED, "guarded", guarded),
    ("a Service that a tool has marked is warned of", QUIET, "marked", marked),
    ("what kubectl apply would put back is told", QUIET, "applied", applied),
];

/// Has Argo CD sync the Service, with this weight.
fn sync(user: &User<'_>, weight: &str) -> anyhow::Result<()> {
    let manifest = service_in(&user.namespace, "web", &[("weight", weight)]).to_string();
    let manifest = user.file("argo.json", &manifest)?;
    let flags = "--server-side --field-manager=argocd-controller --force-conflicts";
    user.ask(&format!("apply {flags} -f {}", manifest.display())).map(drop)
}

fn warned(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    sync(user, "20")?;
    let first = user.run("set web 40 --yes")?.expect_code(0)?;
    first.expect_stderr("Argo CD (field manager argocd-controller) owns")?;
    // The annotation is this tool's now, and the rest of the Service Argo CD's.
    for weight in [50, 60] {
        let told = user.run(&format!("set web {weight} --yes"))?.expect_code(0)?;
        let told = told.expect_stderr("Argo CD (field manager argocd-controller)")?;
        let told = told.expect_stderr("ignoreDifferences")?;
        ensure!(told.stderr.matches("Argo CD").count() == 1, "{}", told.stderr);
        ensure!(!told.stderr.contains("kubectl apply wrote"), "{}", told.stderr);
    }
    Ok(())
}

fn guarded(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    sync(user, "20")?;
    let served = ServedUser::start(user, tools, &[])?;
    user.run("set web 30 --yes")?.expect_code(0)?;
    let mut command = served.command(&set(40, "60s"))?;
    let running = RunningCommand::start(&mut command, user.file("stderr", "")?)?;
    // CCM has carried it out; the second change has the guard as the first one.
    running.wait_for_stderr("looking on, for another tool may put the value back")?;
    sync(user, "20")?;
    let told = ends(running.wait()?, 5, "putBack")?;
    ensure!(message(&told).contains("field manager argocd-controller"), "{told}");
    served.waits_for(&[10, 10])
}

fn marked(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    for (kind, mark, name, rule) in [
        ("annotate", "argocd.argoproj.io/tracking-id", "Argo CD", "ignoreDifferences"),
        ("label", "kustomize.toolkit.fluxcd.io/name", "Flux", "ssa: Merge"),
        ("annotate", "meta.helm.sh/release-name", "Helm", "helm upgrade"),
        ("label", "helm.toolkit.fluxcd.io/name", "Flux's helm-controller", "driftDetection"),
    ] {
        user.ask(&format!("{kind} service web {mark}=shop"))?;
        let told = user.run("set web 40 --yes --dry-run=client")?.expect_code(0)?;
        let warning = format!("{name} ({mark}) keeps this Service");
        told.expect_stderr(&warning)?.expect_stderr(rule)?;
        user.ask(&format!("{kind} service web {mark}-"))?;
    }
    Ok(())
}

fn applied(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let words = "the manifest that kubectl apply wrote last has";
    let told = user.run("set web 40 --yes")?.expect_code(0)?.expect_stderr(words)?;
    ensure!(told.stderr.contains("\"20\""), "{}", told.stderr);
    // Again, and not where the manifest says the same.
    user.run("set web 50 --yes")?.expect_code(0)?.expect_stderr(words)?;
    let told = user.run("set web 20 --yes")?.expect_code(0)?;
    ensure!(!told.stderr.contains(words), "{}", told.stderr);
    Ok(())
}
