//! Other tools that keep the Services as a repository has them.

use std::path::PathBuf;

use anyhow::ensure;
use clbmigrate_e2e::User;
use clbmigrate_testkit::manifests::service_in;

use crate::{
    Case,
    faults::{all_is_as_before, rolled_back},
    two_clusters::{TestContext, shift},
};

pub const CASES: &[Case] = &[
    ("Argo CD puts the receiving side back: all is as before", "argo", |context| {
        put_back(context, "argocd-controller", &["Argo CD", "ignoreDifferences"])
    }),
    ("Flux puts the receiving side back: all is as before", "flux", |context| {
        put_back(
            context,
            "kustomize-controller",
            &["Flux", "kustomize.toolkit.fluxcd.io/ssa: Merge"],
        )
    }),
    ("Helm puts the receiving side back: all is as before", "helm", |context| {
        put_back(context, "helm", &["Helm", "the next helm upgrade"])
    }),
    ("Argo CD puts the giving side back: all is as before", "argo-giver", giving_side),
];

/// A tool that has the Service as in its repository, with a weight.
struct Repository<'u, 'b> {
    user: &'u User<'b>,
    manager: &'static str,
    manifest: PathBuf,
}

impl<'u, 'b> Repository<'u, 'b> {
    fn new(user: &'u User<'b>, manager: &'static str, weight: &str) -> anyhow::Result<Self> {
        let manifest = service_in(&user.namespace, "web", &[("weight", weight)]).to_string();
        let manifest = user.file(&format!("{manager}.json"), &manifest)?;
        let repository = Self { user, manager, manifest };
        repository.sync()?;
        Ok(repository)
    }

    fn sync(&self) -> anyhow::Result<()> {
        let Self { user, manager, manifest } = self;
        let flags = format!("--server-side --field-manager={manager} --force-conflicts");
        user.ask(&format!("apply {flags} -f {}", manifest.display())).map(drop)
    }
}

fn put_back(
    context: &TestContext<'_>,
    manager: &'static str,
    words: &[&str],
) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let repository = Repository::new(&clusters.new, manager, "20")?;
    let running = clusters.begins_stuck(&shift("40%", ""))?;
    repository.sync()?;
    clusters.frees_new()?;
    let told = running.wait()?.expect_code(5)?;
    let (warned, went) = told.stderr.split_once("[1/2]").unwrap_or_default();
    for word in words {
        ensure!(warned.contains(word), "no {word:?} before the write: {}", told.stderr);
    }
    let name = format!("field manager {manager}");
    ensure!(warned.matches(&name).count() == 1, "named once: {warned}");
    ensure!(went.contains("put back") && went.contains(&name), "who did it: {went}");
    rolled_back(&told.json()?)?;
    ensure!(clusters.old.writes()? == 0, "the giving side is never lowered");
    all_is_as_before(&clusters)
}

fn giving_side(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let repository = Repository::new(&clusters.old, "argocd-controller", "80")?;
    let line = shift("40%", "");
    let running = clusters.begins(&line)?;
    // CCM has lowered it already, and the groups agree.
    running.wait_for_stderr("looking on, for another tool may put the value back")?;
    ensure!(clusters.old.annotation("weight")? != "80");
    repository.sync()?;
    let told = running.wait()?.expect_code(5)?.expect_stderr("field manager argocd-controller")?;
    rolled_back(&told.expect_stderr("put back")?.json()?)?;
    all_is_as_before(&clusters)
}
