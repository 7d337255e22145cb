//! Starting the double, and seeing into it from the same process.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::call_log::LoggedCall;
use crate::data_plane::{DataPlane, ListenerReport};
use crate::faults::Fault;
use crate::http_server::{ApiAndControl, serve};
use crate::metadata::MetadataService;
use crate::shared::SharedState;
use crate::state::State;
use crate::{limits, tls};

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the cloud knows at the start.
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
    /// A cloud that answers over HTTP at a free port of this machine and forwards nothing.
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

/// A running double. It ends when it is dropped, and every connection with it.
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
    /// Starts it. All listeners are open when it returns, those of the data plane included.
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
            plane.follow(&shared);
            work.spawn(Arc::clone(&plane).run(Arc::clone(&shared)));
        }
        Ok(Self { shared, plane, http, https, ca_pem, metadata, work })
    }

    /// Where it answers over HTTP.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where it answers over HTTPS.
    pub fn https(&self) -> Option<SocketAddr> {
        self.https
    }

    /// The authority of its certificate, in PEM.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Where it answers as the metadata server.
    pub fn metadata(&self) -> Option<SocketAddr> {
        self.metadata
    }

    /// The state as it is now.
    pub fn state(&self) -> State {
        self.shared.read(Clone::clone)
    }

    /// Changes the state behind the API's back, as the console would.
    pub fn edit<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.shared.edit(change)
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<LoggedCall> {
        self.shared.calls.all()
    }

    /// Forgets the calls.
    pub fn clear_calls(&self) {
        self.shared.calls.clear();
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// The faults that still wait for their calls.
    pub fn faults(&self) -> Vec<Fault> {
        self.shared.faults.all()
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// What the data plane did.
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
