//! Connections, from a kubeconfig and kubectl's flags. Everything is as kubectl does it, whose code is
//! client-go.

mod client;
mod credentials;
mod exec;
mod identity;
mod in_cluster;
mod kubeconfig;
mod login;
mod observe;
mod proxy;
mod server;
mod target;
#[cfg(test)]
mod tests;
mod url;
mod verify;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use kube::Client;
use tokio::time::Instant;

use self::{
    client::Parts,
    credentials::Credentials,
    kubeconfig::{Files, Kubeconfig},
    login::Login,
    proxy::Proxy,
    target::Target,
};
use super::error::{Error, ErrorKind};

pub use self::observe::{RequestObserver, RequestOutcome, RequestRecord};

/// The time limit of a request where no flag sets one.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The time limit for a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where and how to connect: kubectl's connection flags.
#[derive(Debug, Clone, Default)]
pub struct ConnectionOptions {
    /// `--kubeconfig`; else the files of `KUBECONFIG`, else the one in the home folder.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; else the current one.
    pub context: Option<String>,
    /// `--cluster`.
    pub cluster: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--server`.
    pub server: Option<String>,
    /// `--tls-server-name`.
    pub tls_server_name: Option<String>,
    /// `--certificate-authority`.
    pub certificate_authority: Option<PathBuf>,
    /// `--client-certificate`.
    pub client_certificate: Option<PathBuf>,
    /// `--client-key`.
    pub client_key: Option<PathBuf>,
    /// `--username`.
    pub username: Option<String>,
    /// `--password`.
    pub password: Option<String>,
    /// `--as`.
    pub impersonate: Option<String>,
    /// `--as-uid`.
    pub impersonate_uid: Option<String>,
    /// `--as-group`.
    pub groups: Vec<String>,
    /// `--as-user-extra`: keys and values. A key may stand there several times.
    pub user_extra: Vec<(String, String)>,
    /// `--token`.
    pub token: Option<String>,
    /// `--request-timeout`; `None` waits for ever.
    pub request_timeout: Option<Duration>,
    /// `--insecure-skip-tls-verify`.
    pub insecure: bool,
    /// `--disable-compression`.
    pub disable_compression: bool,
    /// Sees every request that is sent, for `-v=6`.
    pub on_request: Option<RequestObserver>,
}

/// A connection with the API server of one cluster. Clones share it.
#[derive(Clone)]
pub struct Connection {
    /// The context's name; `None` inside a pod, with its service account.
    pub context: Option<Arc<str>>,
    /// The cluster's name in the kubeconfig.
    pub cluster: String,
    /// The user's name in the kubeconfig, or who is impersonated.
    pub user: Option<String>,
    /// The context's namespace.
    pub namespace: String,
    /// The API server's URL, without user and password.
    pub server: String,
    /// The proxy before it, without user and password; `None` without one.
    pub proxy: Option<String>,
    /// The name that its certificate is checked for, where the kubeconfig sets `tls-server-name`.
    pub tls_server_name: Option<String>,
    pub(super) client: Client,
    /// What tells the API server who the user is.
    credentials: Arc<Credentials>,
    pub(super) timeout: Option<Duration>,
    /// When requests end, however long each may take.
    pub(super) end: Option<Instant>,
    /// Whether answers may come compressed.
    pub(super) takes_gzip: bool,
    /// When the user's client certificate expires; `None` without one.
    pub(super) certificate_ends: Option<String>,
    /// The UID of namespace `kube-system`, once it was read.
    pub(super) uid: Arc<OnceLock<Option<String>>>,
}

impl ConnectionOptions {
    /// Reads the kubeconfig and makes a client. No request is sent yet, and no credential plugin is
    /// run.
    ///
    /// # Errors
    /// The kubeconfig, context, credentials or certificate are missing or cannot be used.
    #[expect(clippy::unused_async, reason = "the client's worker starts on the caller's runtime")]
    pub async fn connect(&self) -> Result<Connection, Error> {
        let context = self.context.as_deref();
        self.try_connect().map_err(|error| error.with_context(context))
    }

    /// The names of all contexts of the kubeconfig; none inside a pod without one.
    ///
    /// # Errors
    /// The kubeconfig is missing or cannot be used.
    pub fn contexts(&self) -> Result<Vec<String>, Error> {
        let files = Files::choose(self.kubeconfig.as_deref());
        match files.load()? {
            Some(kubeconfig) => {
                Ok(kubeconfig.contexts.into_iter().map(|context| context.name).collect())
            }
            None if in_cluster::is_possible() => Ok(Vec::new()),
            None => Err(files.missing()),
        }
    }

    fn try_connect(&self) -> Result<Connection, Error> {
        let files = Files::choose(self.kubeconfig.as_deref());
        let names_something = [&self.context, &self.cluster, &self.user]
            .into_iter()
            .any(|name| name.as_ref().is_some_and(|name| !name.is_empty()));
        let target = match files.load()? {
            Some(kubeconfig) => Target::choose(&kubeconfig, self)?,
            None if !names_something && in_cluster::is_possible() => in_cluster::target(self),
            None if self.server.is_some() || in_cluster::is_possible() => {
                Target::choose(&Kubeconfig::default(), self)?
            }
            None => return Err(files.missing()),
        };
        self.open(target)
    }

    fn open(&self, target: Target) -> Result<Connection, Error> {
        let cluster = &target.cluster;
        let whose = match target.cluster_name.as_str() {
            "" => "of --server".to_owned(),
            name => format!("of cluster {name:?}"),
        };
        let server = server::server(&cluster.server, &whose)?;
        let proxy = match cluster.proxy_url.as_str() {
            "" => proxy::Environment::of_process().proxy_for(&server.uri)?,
            url => Some(Proxy::of_cluster(url, &target.cluster_name)?),
        };
        let login = Login::new(&target, &server)?;
        let shown_proxy = proxy.as_ref().map(Proxy::in_words);
        let shown_server = server::in_words(&server.uri);
        let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let namespace = set(&target.namespace).unwrap_or_else(|| "default".to_owned());
        let tls_server_name = set(&cluster.tls_server_name);
        let credentials = Arc::new(login.credentials);
        let parts = Parts {
            server: server.uri,
            tls_server_name: tls_server_name.clone(),
            authority: login.authority,
            is_insecure: cluster.insecure_skip_tls_verify,
            proxy,
            certificate: login.certificate,
            credentials: Arc::clone(&credentials),
            headers: login.headers,
            connect_timeout: match self.request_timeout {
                Some(timeout) => timeout.min(CONNECT_TIMEOUT),
                None => CONNECT_TIMEOUT,
            },
        };
        let client = parts.client(&namespace, self.on_request.clone())?;
        Ok(Connection {
            context: target.context.as_deref().map(Arc::from),
            cluster: target.cluster_name,
            user: set(&target.user.impersonate).or(target.user_name),
            namespace,
            server: shown_server,
            proxy: shown_proxy,
            tls_server_name,
            client,
            credentials,
            timeout: self.request_timeout,
            end: None,
            // Answers are decompressed here, while they are read: a page is large, its text for
            // nobody else.
            takes_gzip: !target.cluster.disable_compression,
            certificate_ends: login.certificate_ends,
            uid: Arc::default(),
        })
    }
}

impl Connection {
    /// A connection with what the client stands for, without credentials and with requests of 30 s.
    #[cfg(test)]
    pub(super) fn on_paper(client: Client) -> Self {
        Self {
            context: None,
            cluster: "paper".to_owned(),
            user: None,
            namespace: "default".to_owned(),
            server: "https://paper.example.com".to_owned(),
            proxy: None,
            tls_server_name: None,
            client,
            credentials: Arc::new(Credentials::None),
            timeout: Some(REQUEST_TIMEOUT),
            end: None,
            takes_gzip: false,
            certificate_ends: None,
            uid: Arc::default(),
        }
    }

    /// Runs the user's credential plugin where that is needed. It may ask the user, so no time limit of
    /// a request goes for it.
    pub(super) async fn sign_in(&self) -> Result<(), Error> {
        self.credentials.current().await.map(drop).map_err(|error| self.in_context(error))
    }

    /// This connection, with requests that end at that time.
    pub(super) fn until(&self, end: Instant) -> Self {
        Self { end: Some(end), ..self.clone() }
    }

    /// How long a request may take from now on; `None` without a limit.
    pub(super) fn request_limit(&self) -> Option<Duration> {
        let rest = self.end.map(|end| end.saturating_duration_since(Instant::now()));
        self.timeout.into_iter().chain(rest).min()
    }

    /// The UID of namespace `kube-system`, which tells the cluster from every other; `None` where
    /// the user may not read it. It is read once.
    ///
    /// # Errors
    /// The request fails for another reason.
    pub async fn cluster_uid(&self) -> Result<Option<String>, Error> {
        if let Some(uid) = self.uid.get() {
            return Ok(uid.clone());
        }
        let system = self.object("/api/v1/namespaces/kube-system").await?;
        let uid = system.and_then(|page| page.uid()).filter(|uid| !uid.is_empty());
        Ok(self.uid.get_or_init(|| uid).clone())
    }
}
