//! Everything put together, from the flags to the last connection.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use kube::{
    Client,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use crate::{
    Hook,
    cli::Args,
    config::{Config, Live, Reload, Watcher},
    metrics::Metrics,
    serve::{Answer, Limits, Phase, Readiness, Server},
    tls::{Bundle, Folder, Keeper, Mounted, Publisher, Resolver, SelfCall, Target, Trust, Vault},
};

/// The namespace where nobody names one.
const NAMESPACE: &str = "clbmigrate-system";

/// What whoever judges reviews is given.
#[derive(Clone)]
pub struct Surroundings {
    /// The API server.
    pub client: Client,
    /// What the administrator decides, always the present state.
    pub config: Live<Config>,
    /// Where to count.
    pub metrics: Arc<Metrics>,
}

/// Whoever judges reviews.
pub struct Judge<A> {
    /// Answers them.
    pub answer: A,
    /// Whether everything is known that judging needs; if not, what is awaited.
    pub is_informed: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// What it must do all the time; never ends.
    pub background: BoxFuture<'static, ()>,
}

/// Runs until a signal ends it.
///
/// # Errors
/// If it cannot start, or a second signal or a broken part ends it out of turn.
pub async fn run<A: Answer>(
    args: Args,
    judge: impl FnOnce(Surroundings) -> Judge<A>,
) -> Result<()> {
    let mut signals = Signals::new()?;
    let metrics = Arc::new(Metrics::default());
    let mut background = JoinSet::new();

    let config = config(&args, &metrics, &mut background)?;
    let (client, namespace) = connect(args.kubeconfig.as_deref()).await?;
    let listener = listen(args.listen, "--listen").await?;
    let address = listener.local_addr()?;
    let probes = match args.probe_listen {
        Some(address) => Some(listen(address, "--probe-listen").await?),
        None => None,
    };

    let namespace = args.namespace.clone().or(namespace).unwrap_or_else(|| NAMESPACE.to_owned());
    let target = Target { namespace, service: args.service.clone() };
    let resolver = Resolver::new(Arc::clone(&metrics));
    let bundle = certificates(&args, &client, &target, &resolver, &metrics, &mut background)?;
    let call = SelfCall::new(address, Arc::clone(&resolver));
    background.spawn({
        let (call, resolver) = (Arc::clone(&call), Arc::clone(&resolver));
        let trust = trust(&args, bundle, &target, resolver);
        async move { call.run(trust).await }
    });

    let surroundings = Surroundings { client, config, metrics: Arc::clone(&metrics) };
    let Judge { answer, is_informed, background: work } = judge(surroundings);
    background.spawn(work);

    let tls = resolver.server_config()?;
    let ready = Readiness::new()
        .and("caches", is_informed)
        .and("certificate", move || resolver.current().map(drop).ok_or("none yet".to_owned()))
        .and("self call", move || call.check());
    let limits = Limits { drain: args.drain_timeout, ..Limits::default() };
    let (phases, phase) = watch::channel(Phase::Serving);
    let server = Server::new(answer, metrics, Arc::new(ready), limits, phase);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "listening on https://{address}");

    let serving = async {
        let probes = async {
            if let Some(listener) = probes {
                server.serve_probes(listener).await;
            }
        };
        tokio::join!(server.serve(listener, tls), probes);
    };
    let ending = async {
        let broken = tokio::select! {
            name = signals.next() => {
                tracing::info!(signal = name, delay = ?args.shutdown_delay, "ending");
                false
            }
            // Each of them goes on for ever, or has met a bug.
            _ = background.join_next() => {
                tracing::error!("a part has broken; ending");
                true
            }
        };
        // First new connections find other replicas; only then are those there are asked to, or
        // they would come back here, each request with a handshake.
        sleep(args.shutdown_delay / 2).await;
        phases.send_replace(Phase::Leaving);
        sleep(args.shutdown_delay / 2).await;
        phases.send_replace(Phase::Draining);
        broken
    };
    let orderly = async { tokio::join!(serving, ending).1 };
    let mut again = Signals::new()?;
    let impatient = async {
        again.next().await;
        again.next().await
    };
    tokio::select! {
        broken = orderly => ensure!(!broken, "ended because a part had broken; its log says which"),
        name = impatient => bail!("ended at once by a second signal, {name}"),
    }
    tracing::info!("ended");
    Ok(())
}

fn config(
    args: &Args,
    metrics: &Arc<Metrics>,
    background: &mut JoinSet<()>,
) -> Result<Live<Config>> {
    let Some(file) = &args.config else { return Ok(Arc::new(ArcSwap::default())) };
    let watcher = Watcher::open(file).map_err(anyhow::Error::msg).context("the configuration")?;
    let live = watcher.live();
    let metrics = Arc::clone(metrics);
    background.spawn(watcher.watch(args.reload_interval, move |reload| {
        metrics.reloaded(&reload);
        match reload {
            Reload::Taken => tracing::info!("configuration reloaded"),
            Reload::Refused(why) => tracing::error!(why, "the configuration stays as it was"),
        }
    }));
    Ok(live)
}

/// A client, and the namespace of the service account in a cluster.
async fn connect(kubeconfig: Option<&Path>) -> Result<(Client, Option<String>)> {
    let (config, namespace) = match kubeconfig {
        Some(file) => {
            let kubeconfig = Kubeconfig::read_from(file).context("--kubeconfig")?;
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .context("--kubeconfig names no usable cluster")?;
            (config, None)
        }
        None => {
            let config = kube::Config::incluster()
                .context("not in a cluster; name a kubeconfig with --kubeconfig")?;
            let namespace = config.default_namespace.clone();
            (config, Some(namespace))
        }
    };
    let client =
        Client::try_from(config).context("no connection to the API server can be set up")?;
    Ok((client, namespace))
}

async fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address}; choose another {flag}"))
}

/// Starts whatever keeps a certificate at hand and API servers trusting it. Tells the bundle.
fn certificates(
    args: &Args,
    client: &Client,
    target: &Target,
    resolver: &Arc<Resolver>,
    metrics: &Arc<Metrics>,
    background: &mut JoinSet<()>,
) -> Result<watch::Receiver<Option<Bundle>>> {
    let (bundles, bundle) = watch::channel(None);
    let (behind, passed) = mpsc::channel(Hook::ALL.len());
    match &args.tls_cert_dir {
        Some(folder) => {
            ensure!(folder.is_dir(), "--tls-cert-dir {} is no folder", folder.display());
            let mut mounted = Mounted::new(Folder::new(folder), Arc::clone(resolver), bundles);
            mounted.look(std::time::SystemTime::now());
            background.spawn(mounted.run(args.reload_interval, passed));
        }
        None => {
            let mut servers = vec![target.server_name()];
            servers.extend(args.tls_name.iter().cloned());
            let vault = Vault::new(client.clone(), &target.namespace);
            let keeper = Keeper::new(vault, servers, Arc::clone(resolver), bundles);
            background.spawn(keeper.run(passed));
        }
    }
    for hook in Hook::ALL {
        let publisher = Publisher {
            client: client.clone(),
            hook,
            target: target.clone(),
            behind: behind.clone(),
            metrics: Arc::clone(metrics),
        };
        background.spawn(publisher.run(bundle.clone()));
    }
    Ok(bundle)
}

/// Whom the call to itself trusts, as far as it is known.
fn trust(
    args: &Args,
    bundle: watch::Receiver<Option<Bundle>>,
    target: &Target,
    resolver: Arc<Resolver>,
) -> impl Fn() -> Option<Trust> + use<> {
    let own = args.tls_cert_dir.is_none().then(|| target.server_name());
    move || {
        let pair = resolver.current()?;
        let bundle = bundle.borrow().clone();
        match (bundle, own.clone().or_else(|| pair.server_name())) {
            (Some(bundle), Some(name)) => Some(Trust::Authority(bundle, name)),
            _ if own.is_some() => None,
            _ => Some(Trust::Pinned),
        }
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be awaited");
        Ok(Self { term: listen(SignalKind::terminate())?, int: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}
