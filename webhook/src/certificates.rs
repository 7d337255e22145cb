//! Puts together what provides the serving certificate, what makes API servers trust it, and what tells
//! whether they do.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use kube::Client;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    Webhook,
    background::Background,
    cli::Args,
    metrics::Metrics,
    serve::Readiness,
    server_clock::ServerClock,
    tls::{
        AuthoritySecret, CaBundle, CaBundlePublisher, CertDir, CertDirWatcher, CertResolver,
        CertRotator, CertRotatorSetup, ClientAuthority, Lifetimes, Publication, SelfCheck,
        TrustAnchor, WebhookService,
    },
};

/// The parts that certificates need while the program runs.
pub struct Certificates {
    /// Gives connections the serving certificate.
    pub resolver: Arc<CertResolver>,
    clock: Arc<ServerClock>,
    publication: Arc<Publication>,
    self_check: Arc<SelfCheck>,
}

impl Certificates {
    /// Starts all of it in `background`, for the server that listens on `address`.
    ///
    /// # Errors
    /// When the directory with certificates is none.
    pub fn start(
        args: &Args,
        client: &Client,
        service: &WebhookService,
        address: SocketAddr,
        metrics: &Arc<Metrics>,
        background: &mut Background,
    ) -> Result<Self> {
        let resolver = CertResolver::new(Arc::clone(metrics));
        let clock = ServerClock::new(metrics);
        background.spawn(Arc::clone(&clock).run(client.clone()));
        let self_check = SelfCheck::new(address, Arc::clone(&resolver), Arc::clone(&clock));
        let certificates = Self { resolver, clock, publication: Publication::new(), self_check };
        let bundle = certificates.provide(args, client, service, metrics, background)?;
        background.spawn({
            let self_check = Arc::clone(&certificates.self_check);
            let anchor = certificates.trust_anchor(args, bundle, service);
            async move { self_check.run(anchor).await }
        });
        Ok(certificates)
    }

    /// Adds the conditions of certificates to readiness.
    pub fn add_to(&self, readiness: Readiness) -> Readiness {
        let (resolver, self_check) = (Arc::clone(&self.resolver), Arc::clone(&self.self_check));
        let (publication, clock) = (Arc::clone(&self.publication), Arc::clone(&self.clock));
        let shown = Arc::clone(&self.resolver);
        readiness
            .with_check("certificate", move || {
                resolver.current().map(drop).ok_or("none yet".to_owned())
            })
            .with_check("self call", move || self_check.check())
            .with_check("publication", move || {
                publication.check(shown.current().as_deref(), clock.now())
            })
    }

    /// Starts what provides the certificate and what publishes its authorities. Returns the current
    /// bundle: `None` before there is one, and where others publish it.
    fn provide(
        &self,
        args: &Args,
        client: &Client,
        service: &WebhookService,
        metrics: &Arc<Metrics>,
        background: &mut Background,
    ) -> Result<watch::Receiver<Option<CaBundle>>> {
        let (bundles, bundle) = watch::channel(None);
        let (newer_sender, newer) = mpsc::channel(Webhook::ALL.len());
        let (resolver, publication) = (Arc::clone(&self.resolver), Arc::clone(&self.publication));
        let clock = Arc::clone(&self.clock);
        match &args.tls_cert_dir {
            Some(folder) => {
                ensure!(folder.is_dir(), "--tls-cert-dir {} is no folder", folder.display());
                let dir = CertDir::new(folder);
                let mut watcher = CertDirWatcher::new(dir, resolver, bundles, publication);
                watcher.poll(clock.now(), Instant::now());
                background.spawn(watcher.run(args.reload_interval, clock, newer));
            }
            None => {
                let lifetimes = Lifetimes { authority: args.ca_lifetime, leaf: args.leaf_lifetime };
                let mut server_names = vec![service.server_name()];
                server_names.extend(args.tls_name.iter().cloned());
                let rotator = CertRotator::new(CertRotatorSetup {
                    client: client.clone(),
                    secret: AuthoritySecret::new(client.clone(), &service.namespace, lifetimes),
                    server_names,
                    resolver,
                    bundle: bundles,
                    clock,
                    publication,
                });
                background.spawn(rotator.run(newer));
            }
        }
        for webhook in Webhook::ALL {
            let publisher = CaBundlePublisher {
                client: client.clone(),
                webhook,
                service: service.clone(),
                newer: newer_sender.clone(),
                publication: Arc::clone(&self.publication),
                metrics: Arc::clone(metrics),
            };
            background.spawn(publisher.run(bundle.clone()));
        }
        Ok(bundle)
    }

    /// What the self-check trusts; `None` while that is not known.
    fn trust_anchor(
        &self,
        args: &Args,
        bundle: watch::Receiver<Option<CaBundle>>,
        service: &WebhookService,
    ) -> impl Fn() -> Option<TrustAnchor> + use<> {
        let own = args.tls_cert_dir.is_none().then(|| service.server_name());
        let resolver = Arc::clone(&self.resolver);
        move || {
            let certificate = resolver.current()?;
            let bundle = bundle.borrow().clone();
            match (bundle, own.clone().or_else(|| certificate.server_name())) {
                (Some(bundle), Some(name)) => Some(TrustAnchor::Authority(bundle, name)),
                _ if own.is_some() => None,
                _ => Some(TrustAnchor::Pinned),
            }
        }
    }
}

/// Starts what follows the file with the authorities of client certificates, if there is one.
///
/// # Errors
/// When the file is of no use.
pub fn start_client_authority(
    args: &Args,
    background: &mut Background,
) -> Result<Option<Arc<ClientAuthority>>> {
    let Some(file) = &args.client_ca_file else { return Ok(None) };
    let authority = ClientAuthority::open(file, args.client_name.clone());
    let authority = Arc::new(authority.map_err(anyhow::Error::msg).context("--client-ca-file")?);
    background.spawn(Arc::clone(&authority).run(args.reload_interval));
    Ok(Some(authority))
}
