//! Starts the double, and reads and changes its state from the same process.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::behaviour::Behaviour;
use crate::call_log::LoggedCall;
use crate::data_plane::{DataPlane, ListenerReport};
use crate::faults::Fault;
use crate::http_server::{ApiAndControl, serve};
use crate::metadata::MetadataService;
use crate::shared::SharedState;
use crate::state::State;
use crate::{limits, tls};

/// What the double starts with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The state at the start.
    pub state: State,
    /// Where to answer over HTTP; port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// Where to answer over HTTPS.
    pub listen_tls: Option<SocketAddr>,
    /// Where to write the authority that HTTPS clients must trust, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Where to answer as the metadata server of ECS.
    pub listen_metadata: Option<SocketAddr>,
    /// Whether to forward connections.
    pub data_plane: bool,
    /// How long a second of the state's health checks and drains lasts: a test need not wait.
    pub second: Duration,
}

impl Options {
    /// A double that answers over HTTP at a free port of 127.0.0.1, and whose data plane is off.
    pub fn new(state: State) -> Self {
        Self {
            state,
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            listen_tls: None,
            ca_file: None,
            listen_metadata: None,
            data_plane: false,
            second: Duration::from_secs(1),
        }
    }
}

/// A running double. Dropping it stops it and cuts all its connections.
#[derive(Debug)]
pub struct ClbDouble {
    shared: Arc<SharedState>,
    plane: Arc<DataPlane>,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    ca_pem: Option<String>,
    metadata: Option<SocketAddr>,
    /// Ends with the double.
    #[expect(dead_code, reason = "dropping it is its use")]
    work: JoinSet<Infallible>,
}

impl ClbDouble {
    /// Starts the double. All sockets listen when it returns, those of the data plane included. Fails
    /// if the state contradicts itself, or if an address of the API cannot be listened on. A CLB's
    /// address that cannot be listened on is no error: see [`ListenerReport::error`].
    pub async fn start(options: Options) -> Result<Self> {
        options.state.check().context("the state")?;
        let shared = Arc::new(SharedState::new(options.state, options.second));
        let plane = Arc::new(DataPlane::default());
        let service =
            Arc::new(ApiAndControl { shared: Arc::clone(&shared), plane: Arc::clone(&plane) });
        let mut work = JoinSet::new();
        let (mut http, mut https, mut ca_pem, mut metadata) = (None, None, None, None);
        if let Some(address) = options.listen {
            let (listener, address) = listen(address, "--listen").await?;
            work.spawn(serve(listener, None, Arc::clone(&service)));
            http = Some(address);
        }
        if let Some(address) = options.listen_tls {
            let (listener, address) = listen(address, "--listen-tls").await?;
            let tls = tls::make(address.ip()).context("cannot make a certificate")?;
            if let Some(file) = &options.ca_file {
                fs::write(file, &tls.ca_pem)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
            work.spawn(serve(listener, Some(tls.acceptor), service));
            https = Some(address);
            ca_pem = Some(tls.ca_pem);
        }
        if let Some(address) = options.listen_metadata {
            let (listener, address) = listen(address, "--listen-metadata").await?;
            let service = Arc::new(MetadataService::new(Arc::clone(&shared)));
            work.spawn(serve(listener, None, service));
            metadata = Some(address);
        }
        if options.data_plane {
            limits::raise_open_files();
            plane.sync(&shared);
            work.spawn(Arc::clone(&plane).run(Arc::clone(&shared)));
        }
        Ok(Self { shared, plane, http, https, ca_pem, metadata, work })
    }

    /// The address of the API over HTTP; `None` if it does not listen for HTTP.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// The address of the API over HTTPS; `None` if it does not listen for HTTPS.
    pub fn https(&self) -> Option<SocketAddr> {
        self.https
    }

    /// The certificate of the authority that HTTPS clients must trust, in PEM; `None` without HTTPS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The address of the ECS metadata service; `None` if there is none.
    pub fn metadata(&self) -> Option<SocketAddr> {
        self.metadata
    }

    /// A copy of the state as it is now.
    pub fn state(&self) -> State {
        self.shared.read(Clone::clone)
    }

    /// Changes the state behind the API's back, as the console would.
    pub fn edit<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.shared.edit(change)
    }

    /// All calls since the start or the last [`Self::clear_calls`], in the order in which they came.
    pub fn calls(&self) -> Vec<LoggedCall> {
        self.shared.calls.all()
    }

    /// Forgets the calls.
    pub fn clear_calls(&self) {
        self.shared.calls.clear();
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// The faults that are not used up.
    pub fn faults(&self) -> Vec<Fault> {
        self.shared.faults.all()
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// How the double behaves now.
    pub fn behaviour(&self) -> Behaviour {
        self.shared.behaviour()
    }

    /// Changes how the double behaves.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.shared.set_behaviour(behaviour);
    }

    /// What the data plane has forwarded, by listener.
    pub fn connections(&self) -> Vec<ListenerReport> {
        self.plane.report()
    }
}

impl Drop for ClbDouble {
    fn drop(&mut self) {
        self.plane.close();
    }
}

async fn listen(address: SocketAddr, option: &str) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another {option}"))?;
    let address = listener.local_addr().with_context(|| format!("the address of {option}"))?;
    Ok((listener, address))
}
