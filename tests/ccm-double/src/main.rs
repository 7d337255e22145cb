//! A double of CCM against the API server of a kubeconfig.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use clbmigrate_ccm_double::behaviour::{
    BackendType, Behaviour, EventTokens, Fail, HashRelease, SharedBehaviour,
};
use clbmigrate_ccm_double::cloud_client::{AccessKey, CloudClient, HttpTransport};
use clbmigrate_ccm_double::controller::Controller;
use clbmigrate_ccm_double::http_api;
use clbmigrate_ccm_double::standalone_cloud::StandaloneCloud;
use clbmigrate_ccm_double::work_queue::Backoff;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// A double of the Cloud Controller Manager: asks a cloud what the real one asks, and writes to Services what it
/// writes
#[derive(Debug, Parser)]
#[command(name = "ccm-double", version)]
struct Args {
    /// Kubeconfig file [default: as kubectl finds it]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Only the Services of this namespace: others may have a double of their own [default: all]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Where to answer over HTTP; port 0 takes a free one, told on standard output
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Wait after the first failed round of a Service, in milliseconds; doubled up to 300 s
    #[arg(long, value_name = "MS", default_value_t = 5000)]
    retry_base_ms: u64,
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    behaviour: BehaviourArgs,
}

/// The cloud it talks to.
#[derive(Debug, clap::Args)]
struct CloudArgs {
    /// The cloud API, as http://HOST:PORT, with the key in `ACCESS_KEY_ID` and `ACCESS_KEY_SECRET`
    /// [default: a CLB double in this process in which everything exists that a Service names]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The region of the cluster
    #[arg(long, value_name = "ID", default_value = "cn-example")]
    region: String,
    /// The network of the cluster's nodes
    #[arg(long, value_name = "ID", default_value = "vpc-example")]
    vpc: String,
}

impl CloudArgs {
    /// The cloud over HTTP, if there is one.
    fn connect(&self, cluster_id: &str) -> Result<Option<CloudClient>> {
        let Some(endpoint) = &self.endpoint else { return Ok(None) };
        let of_env = |name: &str| {
            std::env::var(name)
                .with_context(|| format!("--endpoint needs {name} in the environment"))
        };
        let key = AccessKey {
            id: of_env("ACCESS_KEY_ID")?,
            secret: of_env("ACCESS_KEY_SECRET")?.into(),
            token: std::env::var("SECURITY_TOKEN").ok().map(Into::into),
        };
        let http = HttpTransport::new(endpoint, &self.region, cluster_id, key)?;
        Ok(Some(CloudClient::new(Arc::new(http), self.vpc.clone())))
    }
}

/// How it behaves from the start; PATCH /behaviour changes it later.
#[derive(Debug, clap::Args)]
struct BehaviourArgs {
    /// Cluster id in the names of groups that CCM makes
    #[arg(long, value_name = "ID", default_value = "clusterid")]
    cluster_id: String,
    /// Wait before every round, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    delay_ms: u64,
    /// Notice edits, but begin no round
    #[arg(long)]
    stuck: bool,
    /// Fail every round visibly, with this message
    #[arg(long, value_name = "MESSAGE")]
    fail: Option<String>,
    /// Fail only so many rounds
    #[arg(long, value_name = "N", requires = "fail")]
    fail_rounds: Option<u32>,
    /// Make other hashes than CCM 2.14
    #[arg(long, value_name = "TEXT", default_value = "")]
    salt: String,
    /// Make the hashes of this release; 2.13 stands for 2.7 to 2.13
    #[arg(long, value_name = "RELEASE", default_value = "2.14")]
    hash_release: HashRelease,
    /// Usable groups of a CLB, as lb-x=rsp-a,rsp-b [default: every well-formed id]
    #[arg(long = "groups", value_name = "CLB=IDS", value_parser = groups)]
    groups: Vec<(String, BTreeSet<String>)>,
    /// Address of a CLB, as lb-x=192.0.2.1 [default: an invented one]
    #[arg(long = "address", value_name = "CLB=IP", value_parser = address)]
    addresses: Vec<(String, IpAddr)>,
    /// Have Pods for backends where a Service does not say
    #[arg(long)]
    eni: bool,
    /// Write so many events about a Service at once, then one in five minutes; `unlimited` writes all
    #[arg(long, value_name = "N", default_value = "25")]
    event_tokens: EventTokens,
}

fn of_clb(text: &str) -> Result<(String, &str), String> {
    let pair = text.split_once('=').filter(|(clb, _)| !clb.is_empty());
    let (clb, value) = pair.ok_or_else(|| format!("expected CLB=…, as lb-x=…, got {text:?}"))?;
    Ok((clb.to_owned(), value))
}

fn groups(text: &str) -> Result<(String, BTreeSet<String>), String> {
    let (clb, ids) = of_clb(text)?;
    Ok((clb, ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect()))
}

fn address(text: &str) -> Result<(String, IpAddr), String> {
    let (clb, ip) = of_clb(text)?;
    Ok((clb, ip.parse().map_err(|error| format!("{ip:?}: {error}"))?))
}

impl From<BehaviourArgs> for Behaviour {
    fn from(args: BehaviourArgs) -> Self {
        Self {
            delay_ms: args.delay_ms,
            stuck: args.stuck,
            fail: args.fail.map(|message| Fail { message, rounds: args.fail_rounds }),
            salt: args.salt,
            hash_release: args.hash_release,
            groups: BTreeMap::from_iter(args.groups),
            addresses: BTreeMap::from_iter(args.addresses),
            backend_type: if args.eni { BackendType::Eni } else { BackendType::Ecs },
            cluster_id: args.cluster_id,
            event_tokens: args.event_tokens,
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let cluster_id = &args.behaviour.cluster_id;
    let (cloud, standalone) = match args.cloud.connect(cluster_id)? {
        Some(cloud) => (cloud, None),
        None => {
            let standalone = StandaloneCloud::start().await?;
            (standalone.client(cluster_id)?, Some(Arc::new(standalone)))
        }
    };
    let client = client(args.kubeconfig, args.context).await?;
    let listener = tokio::net::TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another --listen", args.listen))?;
    let backoff = Backoff { base: Duration::from_millis(args.retry_base_ms), ..Backoff::default() };
    let control = SharedBehaviour::new(args.behaviour.into());
    let controller =
        Controller::start(client, args.namespace.as_deref(), cloud, standalone, control, backoff);
    // Whoever started this may not read on.
    let _ = writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?);
    axum::serve(listener, http_api::router(controller.handle().clone()))
        .with_graceful_shutdown(async {
            // Without a handler for the signal there is nothing to wait for but the default end.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await
        .context("the HTTP server has stopped")
}

/// A client of the cluster that a context of a kubeconfig names. Fails where there is no such file or context.
async fn client(file: Option<PathBuf>, context: Option<String>) -> Result<kube::Client> {
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = match file {
        Some(file) => {
            let kubeconfig = Kubeconfig::read_from(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            kube::Config::from_custom_kubeconfig(kubeconfig, &options).await
        }
        None => kube::Config::from_kubeconfig(&options).await,
    };
    let config =
        config.context("there is no usable cluster; name one with --kubeconfig and --context")?;
    kube::Client::try_from(config).context("cannot connect as the kubeconfig says")
}
