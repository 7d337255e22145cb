//! Claims in real Leases: two replicas of the webhook, one API server.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use clbmigrate_core::object::Service;
use clbmigrate_fault_proxy::{Fault, Match};
use clbmigrate_webhook::{
    claims::{ClaimResult, ClaimStore as _, Claims, LeaseStore, ReviewedWrite, lease_name},
    metrics::Metrics,
};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    cache::{RunningCache, cache_through, key},
    test_namespace::{Test, TestNamespace},
};

pub const TESTS: &[Test] = &[
    ("of Services that claim a group at once on two replicas, those of one port get it", at_once),
    ("a Service from before the first claim has its group", from_before),
    ("a Service that moves or goes makes way at once", moves_and_goes),
    ("a claim whose write never comes holds its group for two minutes", never_written),
    ("a dry run sees claims and makes none", dry_run),
    ("Leases of groups in use stay, those that nobody needs are deleted", sweep),
    ("claims that cannot be read are told, with the remedy", unreadable),
    ("a slow API server settles nothing", slow),
];

/// One replica of the webhook, as far as claims go.
struct Replica {
    running: RunningCache,
    leases: LeaseStore,
    claims: Arc<Claims<LeaseStore>>,
}

impl Replica {
    fn new(namespace: &TestNamespace<'_>) -> Result<Self> {
        Ok(Self::with(namespace, namespace.cache()?.synced()?))
    }

    fn with(namespace: &TestNamespace<'_>, running: RunningCache) -> Self {
        let leases =
            LeaseStore::new(running.client.clone(), &namespace.name, Arc::clone(&running.cache));
        let cache = Arc::clone(&running.cache);
        let claims = Claims::new(leases.clone(), cache, Arc::new(Metrics::default()));
        Self { running, leases, claims: Arc::new(claims) }
    }

    /// Claims for the creation of a Service.
    fn create(&self, service: &Value) -> Result<ClaimResult> {
        self.write(None, service, false)
    }

    /// Claims for a write, again while the machine is too slow to settle it in time.
    fn write(&self, old: Option<&Value>, new: &Value, is_dry_run: bool) -> Result<ClaimResult> {
        self.running.runtime.block_on(settled(&self.claims, old, new, is_dry_run))
    }

    /// Claims once for the creation of a Service.
    fn try_to_create(&self, service: &Value) -> Result<ClaimResult> {
        Ok(self.running.runtime.block_on(claim(&self.claims, None, service, false)?))
    }
}

/// The claim of a write, as the webhook makes it for a review.
fn claim<'c>(
    claims: &'c Arc<Claims<LeaseStore>>,
    old: Option<&Value>,
    new: &Value,
    is_dry_run: bool,
) -> Result<impl Future<Output = ClaimResult> + use<'c>> {
    let version = old.map(|old| old["metadata"]["resourceVersion"].clone());
    let version = version.and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default();
    let parse = |service: &Value| serde_json::from_value::<Service>(service.clone());
    let (old, new) = (old.map(parse).transpose()?, parse(new)?);
    Ok(async move {
        let resource_version = version.as_str();
        let write = ReviewedWrite { old: old.as_ref(), new: &new, resource_version, is_dry_run };
        claims.claim(write).await
    })
}

/// The claim of a write, tried again while it is not settled.
async fn settled(
    claims: &Arc<Claims<LeaseStore>>,
    old: Option<&Value>,
    new: &Value,
    is_dry_run: bool,
) -> Result<ClaimResult> {
    const TRIES: usize = 30;
    let mut last = None;
    for _ in 0..TRIES {
        let result = claim(claims, old, new, is_dry_run)?.await;
        if !matches!(result, ClaimResult::Unsettled(_)) {
            return Ok(result);
        }
        last = Some(result);
    }
    anyhow::bail!("not settled in {TRIES} tries: {last:?}")
}

impl TestNamespace<'_> {
    /// A Service that maps one port to a group, as the API server shows it to webhooks when it is created.
    fn wants(&self, name: &str, group: &str, port: u16) -> Value {
        let mut service = self.service(name, "none");
        service["metadata"]["uid"] = json!(format!("uid-of-{name}"));
        mapped(&service, group, port)
    }

    fn stored(&self, name: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.kubectl(&["get", "service", name, "-o", "json"])?)?)
    }

    fn lease(&self, group: &str) -> Result<Option<Value>> {
        let found = self.kubectl(&[
            "get",
            "lease",
            &lease_name(group),
            "--ignore-not-found",
            "-o",
            "json",
        ])?;
        Ok(if found.trim().is_empty() { None } else { Some(serde_json::from_str(&found)?) })
    }

    /// Makes all claims on a group two minutes older.
    fn let_two_minutes_pass(&self, group: &str) -> Result<()> {
        let lease = self.lease(group)?.context("no Lease")?;
        let text =
            lease["metadata"]["annotations"]["clbmigrate.io/claims"].as_str().context("claims")?;
        let mut claims: Value = serde_json::from_str(text)?;
        for claims in claims.as_object_mut().into_iter().flat_map(|it| it.values_mut()) {
            for claim in claims.as_array_mut().into_iter().flatten() {
                claim["since"] = json!(claim["since"].as_i64().context("since")? - 121);
            }
        }
        let older = format!("clbmigrate.io/claims={claims}");
        self.kubectl(&["annotate", "--overwrite", "lease", &lease_name(group), &older])?;
        Ok(())
    }
}

fn mapped(service: &Value, group: &str, port: u16) -> Value {
    let mut service = service.clone();
    service["metadata"]["annotations"][key("vgroup-port")] = json!(format!("{group}:{port}"));
    service["spec"]["ports"] = json!([{"name": "http", "port": port}]);
    service
}

/// Whether a claim was granted; an error if it could not be settled.
fn is_granted(result: &ClaimResult) -> Result<bool> {
    match result {
        ClaimResult::Granted(_) => Ok(true),
        ClaimResult::Held(_) => Ok(false),
        ClaimResult::Unsettled(why) => anyhow::bail!("unsettled: {why}"),
    }
}

/// The Service in the way, and whether its write is awaited.
fn in_the_way(result: &ClaimResult) -> Result<(String, bool)> {
    let ClaimResult::Held(groups) = result else { anyhow::bail!("not held: {result:?}") };
    let holder = groups.first().and_then(|group| group.holders.first()).context("no holder")?;
    Ok((holder.service.name.clone(), holder.is_pending))
}

fn at_once(namespace: &TestNamespace<'_>) -> Result<()> {
    const GROUPS: usize = 10;
    const SERVICES: u16 = 10;
    let replicas = [Replica::new(namespace)?, Replica::new(namespace)?];
    for number in 0..GROUPS {
        let group = format!("rsp-bp1once{number}");
        // Each replica is asked for all Services of one parity: neighbours differ in port and replica.
        let granted: Vec<(u16, ClaimResult)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0_u16..)
                .zip(&replicas)
                .map(|(parity, replica)| {
                    let group = &group;
                    scope.spawn(move || -> Result<Vec<(u16, ClaimResult)>> {
                        let wanted: Vec<u16> =
                            (0..SERVICES).map(|n| 8000 + (n + parity) % 3).collect();
                        let services = (0_u16..).zip(&wanted).map(|(n, port)| {
                            namespace.wants(&format!("web-{number}-{parity}-{n}"), group, *port)
                        });
                        let services: Vec<Value> = services.collect();
                        let claims = services
                            .iter()
                            .map(|service| settled(&replica.claims, None, service, false));
                        let results = replica.running.runtime.block_on(join_all(claims));
                        let results = results.into_iter().collect::<Result<Vec<_>>>()?;
                        Ok(wanted.into_iter().zip(results).collect())
                    })
                })
                .collect();
            let results = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            results.collect::<Result<Vec<_>>>().map(|all| all.concat())
        })?;
        let mut ports = Vec::new();
        for (port, result) in &granted {
            if is_granted(result)? {
                ports.push(*port);
            }
        }
        ports.sort_unstable();
        ports.dedup();
        ensure!(ports.len() == 1, "{group} has ports {ports:?}");
    }
    Ok(())
}

fn from_before(namespace: &TestNamespace<'_>) -> Result<()> {
    let group = "rsp-bp1before";
    namespace.cluster.apply(&mapped(&namespace.service("old", "none"), group, 80).to_string())?;
    // The cache of this replica has not been told of any Service.
    let replica = Replica::with(namespace, namespace.cache()?);
    let refused = replica.create(&namespace.wants("new", group, 443))?;
    ensure!(in_the_way(&refused)? == ("old".to_owned(), false), "{refused:?}");
    ensure!(
        is_granted(&replica.create(&namespace.wants("new", group, 80))?)?,
        "the same port is free"
    );
    let lease = namespace.lease(group)?.context("no Lease")?;
    let holders = &lease["spec"]["holderIdentity"];
    let expected = format!("{0}/new,{0}/old", namespace.name);
    ensure!(*holders == json!(expected), "{holders}");
    Ok(())
}

fn moves_and_goes(namespace: &TestNamespace<'_>) -> Result<()> {
    let group = "rsp-bp1moves";
    let replicas = [Replica::new(namespace)?, Replica::new(namespace)?];
    let [one, other] = &replicas;
    namespace.cluster.apply(&mapped(&namespace.service("web", "none"), group, 80).to_string())?;
    let web = namespace.stored("web")?;
    // It may move while it is alone. Until it has, it may have either port.
    ensure!(is_granted(&one.write(Some(&web), &mapped(&web, group, 90), false)?)?, "alone");
    for port in [80, 90] {
        let refused = other.create(&namespace.wants("api", group, port))?;
        ensure!(in_the_way(&refused)?.0 == "web", "{port}: {refused:?}");
    }
    namespace.cluster.apply(&mapped(&namespace.service("web", "none"), group, 90).to_string())?;
    ensure!(is_granted(&other.create(&namespace.wants("api", group, 90))?)?, "it has moved");
    // The other one never comes; a Service that was seen and is gone needs no wait.
    namespace.kubectl(&["delete", "service", "web"])?;
    let group = "rsp-bp1goes";
    let short = mapped(&namespace.service("short", "none"), group, 80);
    namespace.cluster.apply(&short.to_string())?;
    let stored = namespace.stored("short")?;
    ensure!(is_granted(&one.create(&stored)?)?, "its own creation");
    namespace.wait_for(&other.running.cache, "short", true)?;
    namespace.kubectl(&["delete", "service", "short"])?;
    namespace.wait_for(&other.running.cache, "short", false)?;
    ensure!(is_granted(&other.create(&namespace.wants("api", group, 443))?)?, "it has gone");
    Ok(())
}

fn never_written(namespace: &TestNamespace<'_>) -> Result<()> {
    let group = "rsp-bp1never";
    let replicas = [Replica::new(namespace)?, Replica::new(namespace)?];
    let [one, other] = &replicas;
    ensure!(is_granted(&one.create(&namespace.wants("never", group, 80))?)?, "the first");
    let api = namespace.wants("api", group, 443);
    let refused = other.create(&api)?;
    ensure!(in_the_way(&refused)? == ("never".to_owned(), true), "{refused:?}");
    // The same name may try again.
    ensure!(is_granted(&other.create(&namespace.wants("never", group, 80))?)?, "again");
    namespace.let_two_minutes_pass(group)?;
    ensure!(is_granted(&other.create(&api)?)?, "after two minutes");
    Ok(())
}

fn dry_run(namespace: &TestNamespace<'_>) -> Result<()> {
    let group = "rsp-bp1dry";
    let replica = Replica::new(namespace)?;
    let (web, api) = (namespace.wants("web", group, 80), namespace.wants("api", group, 443));
    ensure!(is_granted(&replica.write(None, &web, true)?)?, "free");
    ensure!(namespace.lease(group)?.is_none(), "a dry run has made a Lease");
    ensure!(is_granted(&replica.create(&api)?)?, "nothing was claimed");
    ensure!(!is_granted(&replica.write(None, &web, true)?)?, "it sees the claim");
    Ok(())
}

fn sweep(namespace: &TestNamespace<'_>) -> Result<()> {
    let replica = Replica::new(namespace)?;
    let (used, pending) = ("rsp-bp1used", "rsp-bp1pending");
    let left = "rsp-bp1left";
    for (name, group) in [("used", used), ("left", left)] {
        namespace
            .cluster
            .apply(&mapped(&namespace.service(name, "none"), group, 80).to_string())?;
        ensure!(is_granted(&replica.create(&namespace.stored(name)?)?)?, "{name}");
        namespace.wait_for(&replica.running.cache, name, true)?;
    }
    ensure!(is_granted(&replica.create(&namespace.wants("pending", pending, 80))?)?, "pending");
    namespace.kubectl(&["delete", "service", "left"])?;
    namespace.wait_for(&replica.running.cache, "left", false)?;
    let sweep = || replica.running.runtime.block_on(replica.leases.sweep_once());
    sweep()?;
    ensure!(namespace.lease(left)?.is_some(), "a creation may still come");
    for group in [used, left] {
        namespace.let_two_minutes_pass(group)?;
    }
    sweep()?;
    ensure!(namespace.lease(left)?.is_none(), "the Lease that nobody needs is still there");
    for group in [used, pending] {
        ensure!(namespace.lease(group)?.is_some(), "the Lease of {group} is gone");
    }
    Ok(())
}

fn unreadable(namespace: &TestNamespace<'_>) -> Result<()> {
    let group = "rsp-bp1broken";
    let replica = Replica::new(namespace)?;
    let web = namespace.wants("web", group, 80);
    ensure!(is_granted(&replica.create(&web)?)?, "the first");
    let name = lease_name(group);
    namespace.kubectl(&["annotate", "--overwrite", "lease", &name, "clbmigrate.io/claims=[1]"])?;
    let ClaimResult::Unsettled(why) = replica.try_to_create(&web)? else {
        anyhow::bail!("settled")
    };
    ensure!(why.contains(&name) && why.contains("delete the Lease"), "{why}");
    namespace.kubectl(&["delete", "lease", &name])?;
    ensure!(is_granted(&replica.create(&web)?)?, "made anew");
    Ok(())
}

fn slow(namespace: &TestNamespace<'_>) -> Result<()> {
    let proxy = namespace.proxy()?;
    let replica = Replica::with(namespace, cache_through(&proxy)?.synced()?);
    proxy.add_rule(Match::any().path("/leases/"), Fault::Hang);
    let ClaimResult::Unsettled(why) =
        replica.try_to_create(&namespace.wants("web", "rsp-bp1slow", 80))?
    else {
        anyhow::bail!("settled")
    };
    ensure!(why.contains("no answer within 2 s"), "{why}");
    Ok(())
}
