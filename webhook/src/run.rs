//! The program's life: from its flags to its last connection.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::BoxFuture;
use kube::{
    Client,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::sleep,
};

use crate::{
    background::{Background, BackgroundClient},
    certificates::{Certificates, start_client_authority},
    cli::Args,
    config::SharedConfig,
    metrics::Metrics,
    serve::{Limits, Readiness, ReviewHandler, Server, ShutdownPhase, bind},
    start_config::start_config,
    tls::WebhookService,
};

/// The namespace where neither a flag nor a service account names one.
pub(crate) const DEFAULT_NAMESPACE: &str = "clbmigrate-system";

/// What the handler of reviews is made from.
#[derive(Clone)]
pub struct Dependencies {
    /// A client of the API server for what reviews read and write of single objects.
    pub client: Client,
    /// The client of the background thread, for all other requests.
    pub background: BackgroundClient,
    /// The namespace of the program's own objects.
    pub namespace: String,
    /// The configuration in force.
    pub config: SharedConfig,
    /// The program's metrics.
    pub metrics: Arc<Metrics>,
}

/// The handler of reviews, with what it needs while the program runs.
pub struct HandlerSetup<H> {
    /// Answers reviews.
    pub handler: H,
    /// Whether the handler knows all that it needs; the error says what is missing.
    pub is_ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// What must run all the time beside the handler, on the background thread. It never ends.
    pub background: BoxFuture<'static, ()>,
    /// What must be done when the program is told to end, while it still serves. It ends within seconds.
    pub shutdown: BoxFuture<'static, ()>,
}

/// Serves reviews with the handler that `setup` makes, until SIGTERM or SIGINT ends the program.
///
/// # Errors
/// When the program cannot start, or when a second signal or a broken part ends it early.
pub async fn run<H: ReviewHandler>(
    args: Args,
    setup: impl FnOnce(Dependencies) -> HandlerSetup<H>,
) -> Result<()> {
    let mut signals = Signals::new()?;
    let metrics = Arc::new(Metrics::default());
    let mut background = Background::start()?;

    let (api_server, namespace) = client_config(args.kubeconfig.as_deref()).await?;
    let background_client = background.client(api_server.clone())?;
    let client =
        Client::try_from(api_server).context("no connection to the API server can be set up")?;
    let namespace =
        args.namespace.clone().or(namespace).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    let config =
        start_config(&args, &background_client, &namespace, &metrics, &mut background).await?;
    let listener = listen(args.listen, "--listen")?;
    let address = listener.local_addr()?;
    let probes = listen(args.probe_listen, "--probe-listen")?;
    let clients = start_client_authority(&args, &mut background)?;

    let service = WebhookService { namespace, name: args.service.clone() };
    let certificates = Certificates::start(
        &args,
        &background_client.client,
        &service,
        address,
        &metrics,
        &mut background,
    )?;

    let dependencies = Dependencies {
        client,
        background: background_client,
        namespace: service.namespace.clone(),
        config,
        metrics: Arc::clone(&metrics),
    };
    let setup = setup(dependencies);
    let HandlerSetup { handler, is_ready, background: handler_background, shutdown } = setup;
    background.spawn(handler_background);

    let tls = certificates.resolver.server_config(clients.as_ref())?;
    let readiness = Readiness::new().with_precondition("caches", is_ready);
    let readiness = certificates.add_to(readiness);
    let limits = Limits { drain: args.drain_timeout, ..Limits::default() };
    let (phases, phase) = watch::channel(ShutdownPhase::Serving);
    let server = Server::new(handler, metrics, Arc::new(readiness), clients, limits, phase);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        "listening on https://{address} for reviews and on http://{} for probes and metrics",
        probes.local_addr()?
    );

    let serving = async {
        tokio::join!(server.serve(listener, tls), server.serve_probes(probes));
    };
    let shutdown = shut_down(&mut signals, &mut background, &phases, args.shutdown_delay, shutdown);
    let graceful = async { tokio::join!(serving, shutdown).1 };
    let mut more_signals = Signals::new()?;
    let second_signal = async {
        more_signals.next().await;
        more_signals.next().await
    };
    tokio::select! {
        broken = graceful => ensure!(!broken, "ended because a part had broken; its log says which"),
        name = second_signal => bail!("ended at once by a second signal, {name}"),
    }
    tracing::info!("ended");
    Ok(())
}

/// Waits for a signal or a broken part, then takes handler and server through their shutdown.
/// Returns whether a part was broken.
async fn shut_down(
    signals: &mut Signals,
    background: &mut Background,
    phases: &watch::Sender<ShutdownPhase>,
    delay: Duration,
    of_handler: BoxFuture<'static, ()>,
) -> bool {
    let is_broken = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, ?delay, "ending");
            false
        }
        // Each of them goes on for ever, or has met a bug.
        () = background.wait_for_broken_part() => {
            tracing::error!("a part has broken; ending");
            true
        }
    };
    // First new connections find other replicas. Only then are open ones asked to close, or they
    // would come back here, each request with a handshake.
    let through_phases = async {
        sleep(delay / 2).await;
        phases.send_replace(ShutdownPhase::Closing);
        sleep(delay / 2).await;
        phases.send_replace(ShutdownPhase::Draining);
    };
    tokio::join!(through_phases, of_handler);
    is_broken
}

/// How the API server is reached, and the namespace of the service account if the program runs in a
/// cluster.
async fn client_config(kubeconfig: Option<&Path>) -> Result<(kube::Config, Option<String>)> {
    match kubeconfig {
        Some(file) => {
            let kubeconfig = Kubeconfig::read_from(file).context("--kubeconfig")?;
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .context("--kubeconfig names no usable cluster")?;
            Ok((config, None))
        }
        None => {
            let config = kube::Config::incluster()
                .context("not in a cluster; name a kubeconfig with --kubeconfig")?;
            let namespace = config.default_namespace.clone();
            Ok((config, Some(namespace)))
        }
    }
}

/// A client of the API server, and the namespace of the service account if the program runs in a
/// cluster.
pub(crate) async fn connect(kubeconfig: Option<&Path>) -> Result<(Client, Option<String>)> {
    let (config, namespace) = client_config(kubeconfig).await?;
    let client =
        Client::try_from(config).context("no connection to the API server can be set up")?;
    Ok((client, namespace))
}

fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    bind(address).with_context(|| format!("cannot listen on {address}; choose another {flag}"))
}

/// The signals that end the program: SIGTERM and SIGINT.
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
