//! What comes at once: a Service with its Deployment in one file.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Result, ensure};

use crate::{
    BOTH, Case,
    ClusterUse::Parallel,
    injection::{SECONDS, hooks},
    manifests::{deployment, list, migrated},
    test_cluster::TestCluster,
};

pub const CASES: &[Case] = &[(
    "a Service and its Deployment in one file: the hook is always there",
    BOTH,
    Parallel,
    one_file,
)];

const FILES: usize = 50;

fn one_file(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("one-file")?;
    let next = AtomicUsize::new(0);
    // Two at once, as both replicas and the API server have more than one thing to do.
    let apply = || -> Result<usize> {
        let mut hooked = 0;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= FILES {
                return Ok(hooked);
            }
            let name = format!("web-{number}");
            let file = list(&[migrated(&namespace.name, &name, "20"), deployment(&name, 0)]);
            namespace.kubectl("apply", &file.to_string())?.expect_code(0)?;
            let made = namespace.get(&format!("deployment/{name}"))?;
            hooked += usize::from(hooks(&made["spec"]["template"]) == [Some(SECONDS)]);
        }
    };
    let hooked = thread::scope(|scope| {
        let workers = [scope.spawn(apply), scope.spawn(apply)];
        workers.into_iter().map(|worker| worker.join().expect("a worker")).sum::<Result<usize>>()
    })?;
    println!("{}: {hooked} of {FILES} have the hook", cluster.version());
    ensure!(hooked == FILES, "{hooked} of {FILES} have the hook");
    Ok(())
}
