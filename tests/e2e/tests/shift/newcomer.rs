//! Somebody who has nothing but docs/shift.md goes from a ClusterIP Service in a new cluster to all of
//! the traffic of two old machines. Then they delete what an old cluster had in the same group. The
//! commands run as they stand on the page, with the rights that it asks for. What the page shows below a
//! command is what the terminal has.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use clbmigrate_e2e::{
    CcmDouble, CloudApi, DocsBlock, Terminal, User, commands, docs_blocks, expect_shown,
};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_testkit::{
    CommandOutput,
    manifests::{PORT, service_in},
    run,
};
use serde_json::{Value, json};

use crate::{
    Case,
    two_clusters::{DEADLINE, IDS, NEW, OLD, TestContext},
};

pub const CASES: &[Case] = &[(
    "a newcomer follows the page from a ClusterIP Service beside two machines to 5 % and on",
    "shop",
    follows_the_page,
)];

const PAGE: &str = "docs/shift.md";
const SECTION: &str = "From old machines into a cluster";
/// The section about a Service of an old cluster that is no longer needed.
const AFTERWARDS: &str = "Delete the old Service";
/// The section with the policy for the CLB API.
const RIGHTS: &str = "Rights";

/// The variable for where the cloud tells whose keys are used.
const STS: &str = "CLBMIGRATE_STS_ENDPOINT";

/// What the page begins with: two machines in a group behind a running listener, and in the new
/// cluster a ClusterIP Service with Pods behind it.
struct Newcomer<'b> {
    user: User<'b>,
    environment: Vec<(&'static str, String)>,
    clb: CloudApi,
    _ccm: CcmDouble,
}

/// What the page's policy for the CLB API allows.
struct Rights {
    to_look: Vec<String>,
    all: Vec<String>,
}

fn follows_the_page(context: &TestContext<'_>) -> anyhow::Result<()> {
    let newcomer = Newcomer::new(context)?;
    let rights = Rights::of_page()?;
    let mut printed = String::new();
    let mut commands: Vec<String> = Vec::new();
    for block in docs_blocks(PAGE, SECTION)? {
        match block {
            DocsBlock::Commands(block) => {
                // The first steps, up to the look at all, need no right to write.
                let is_move = |line: &str| line.contains(" shift ");
                let is_moving =
                    block.lines().chain(commands.iter().map(String::as_str)).any(is_move);
                newcomer.allows(if is_moving { &rights.all } else { &rights.to_look });
                let in_block = || format!("{PAGE}, {SECTION}:\n{block}");
                printed = newcomer.types(&block).with_context(in_block)?;
                commands.extend(block.lines().map(str::to_owned));
                newcomer.has_the_share_of(&block).with_context(in_block)?;
            }
            DocsBlock::Output(shown) => {
                expect_shown(&shown, &printed)
                    .with_context(|| format!("{PAGE}, {SECTION}:\n{shown}"))?;
            }
            DocsBlock::Json(_) => {}
        }
    }
    for step in ["attach", "status", "5%", "25%", "undo", "100%"] {
        let is_there = commands.iter().any(|line| line.split_whitespace().any(|word| word == step));
        ensure!(is_there, "{PAGE}, {SECTION}: no {step}: {commands:?}");
    }
    newcomer.deletes_the_old_service(context)
}

impl Rights {
    fn of_page() -> anyhow::Result<Self> {
        let blocks = docs_blocks(PAGE, RIGHTS)?;
        let policy = blocks.iter().find_map(|block| match block {
            DocsBlock::Json(policy) => Some(policy),
            _ => None,
        });
        let policy: Value = serde_json::from_str(policy.context("no policy")?)?;
        let actions = |statement: &Value| -> Vec<String> {
            let actions = statement["Action"].as_array().into_iter().flatten();
            actions.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let statements = policy["Statement"].as_array().context("no statements")?;
        ensure!(statements.iter().all(|of| of["Effect"] == "Allow"), "{policy}");
        let to_look = statements.first().map(actions).unwrap_or_default();
        Ok(Self { to_look, all: statements.iter().flat_map(actions).collect() })
    }
}

impl<'b> Newcomer<'b> {
    fn new(context: &TestContext<'b>) -> anyhow::Result<Self> {
        let machine = |id: &str| json!({"serverId": id, "port": 8080, "weight": 100});
        let clb = CloudApi::start(
            &json!([{
                "id": "rsp-bp1example", "name": "shop-web",
                "backends": [machine("i-bp1old1"), machine("i-bp1old2")],
            }]),
            &json!([{"port": 80, "scheduler": "wrr", "vServerGroupId": "rsp-bp1example"}]),
        )?;
        let user = User::new(context.testbed, &context.tools, NEW, context.namespace)?;
        user.ask("delete service web")?;
        user.apply(cluster_ip_service(context.namespace))?;
        let ccm = ccm(context, &user, &clb)?;
        let user = user.with_kubeconfig(context.testbed.kubeconfig());
        let environment = environment(&user, &clb)?;
        Ok(Self { user, environment, clb, _ccm: ccm })
    }

    /// A Service of an old cluster is in the group as well, until the commands of the page are run.
    fn deletes_the_old_service(&self, context: &TestContext<'_>) -> anyhow::Result<()> {
        let old = User::new(context.testbed, &context.tools, OLD, context.namespace)?;
        let mapping = [("vgroup-port", "rsp-bp1example:80"), ("weight", "0")];
        old.apply(service_in(context.namespace, "web", &mapping))?;
        old.set_weight("20")?;
        let _ccm = ccm(context, &old, &self.clb)?;
        let has_nodes = || {
            let held = self.clb.weights("rsp-bp1example");
            held.iter().any(|(id, weight)| id.starts_with("i-bp1o1") && *weight > 0)
        };
        try_wait_for("the old nodes", DEADLINE, || Ok(has_nodes().then_some(())))?;
        for block in commands(PAGE, AFTERWARDS)? {
            self.types(&block).with_context(|| format!("{PAGE}, {AFTERWARDS}:\n{block}"))?;
        }
        let mut held: Vec<String> =
            self.clb.weights("rsp-bp1example").into_iter().map(|of| of.0).collect();
        held.sort();
        ensure!(held == ["i-bp1n1", "i-bp1n2", "i-bp1n3", "i-bp1old1", "i-bp1old2"], "{held:?}");
        Ok(())
    }

    /// The user may call these actions of the CLB API, and no others.
    fn allows(&self, actions: &[String]) {
        let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
        self.clb.set_user_policy(Some(&actions));
    }

    /// Types commands into a terminal, says yes wherever it is asked, and returns what was printed. Every
    /// command must succeed.
    fn types(&self, commands: &str) -> anyhow::Result<String> {
        let script = self.user.file("commands.sh", commands)?;
        let arguments = format!("-e {}", script.display());
        let shell = Path::new("/bin/sh");
        let mut shell = Terminal::open(shell, &self.environment, &arguments, 60, 160)?;
        let code = shell.ends_answering("Write it? [y/N]", "y\r")?;
        let printed = shell.printed();
        ensure!(code == 0, "exit {code}\n{printed}");
        ensure!(!printed.contains("warning: "), "something is not as the page says:\n{printed}");
        Ok(printed)
    }

    /// Demands the share that a block's `shift` asks for, within one point as the page says, and the
    /// CLB's word for it.
    fn has_the_share_of(&self, commands: &str) -> anyhow::Result<()> {
        let mut wanted =
            commands.lines().filter(|line| line.contains(" shift ")).filter_map(|line| {
                line.split_whitespace().find_map(|word| word.strip_suffix('%')?.parse::<f64>().ok())
            });
        let Some(wanted) = wanted.next_back() else { return Ok(()) };
        let list = self.runs("status --context new -o json")?.expect_code(0)?.json()?;
        let route = &list["routes"][0];
        ensure!(route["complete"] == true, "{route}");
        let of_new = route["participants"].as_array().into_iter().flatten();
        let share = of_new.filter(|of| of["name"] == "web").find_map(|of| of["share"].as_f64());
        let share = share.with_context(|| route.to_string())? * 100.0;
        ensure!((share - wanted).abs() <= 1.0, "{share} % instead of {wanted} %: {route}");
        Ok(())
    }

    fn runs(&self, line: &str) -> anyhow::Result<CommandOutput> {
        run(self.user.command(line).env_clear().envs(self.environment.iter().cloned()))
    }
}

fn ccm(context: &TestContext<'_>, user: &User<'_>, clb: &CloudApi) -> anyhow::Result<CcmDouble> {
    let id = IDS.iter().find(|(name, _)| *name == user.cluster.name()).map(|(_, id)| *id);
    CcmDouble::with_cloud(user, &context.tools, clb, id)
}

fn cluster_ip_service(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": PORT}],
        },
    })
}

/// The environment of somebody whose `aliyun` command line has a profile for the cloud.
fn environment(user: &User<'_>, clb: &CloudApi) -> anyhow::Result<Vec<(&'static str, String)>> {
    let of_clb = clb.environment();
    let value = |name: &str| of_clb.iter().find(|(known, _)| *known == name).map(|(_, of)| of);
    let profile = json!({
        "name": "default", "mode": "AK",
        "access_key_id": value("ALIBABA_CLOUD_ACCESS_KEY_ID"),
        "access_key_secret": value("ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
        "endpoint": clb.url()?,
    });
    let config = json!({"current": "default", "profiles": [profile]});
    let home = user.file("home", "")?.with_extension("folder");
    fs::create_dir_all(home.join(".aliyun"))?;
    fs::write(home.join(".aliyun/config.json"), config.to_string())?;
    let mut environment = user.environment();
    environment.retain(|(name, _)| *name != "HOME");
    environment.push(("HOME", home.display().to_string()));
    environment.push(("NO_COLOR", "1".to_owned()));
    // No profile can say that the cloud is asked with http whose keys these are.
    environment.extend(of_clb.into_iter().filter(|(name, _)| *name == STS));
    Ok(environment)
}
