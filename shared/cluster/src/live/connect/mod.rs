//! Connections, from a kubeconfig and kubectl's flags.

mod observe;

use std::{
    env,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http::HeaderValue;
use kube::{
    Client, Config,
    config::{AuthInfo, Context, KubeConfigOptions, Kubeconfig},
};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use self::observe::{Observed, Sender};
use super::error::{self, Error, ErrorKind};

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
    /// Reads the kubeconfig and makes a client. No request is sent yet.
    ///
    /// # Errors
    /// The kubeconfig, context, credentials or certificate are missing or cannot be used.
    pub async fn connect(&self) -> Result<Connection, Error> {
        let context = self.context.as_deref();
        self.try_connect().await.map_err(|error| error.with_context(context))
    }

    /// The names of all contexts of the kubeconfig; none inside a pod without one.
    ///
    /// # Errors
    /// The kubeconfig is missing or cannot be used.
    pub fn contexts(&self) -> Result<Vec<String>, Error> {
        let kubeconfig = self.kubeconfig()?.unwrap_or_default();
        Ok(kubeconfig.contexts.into_iter().map(|context| context.name).collect())
    }

    async fn try_connect(&self) -> Result<Connection, Error> {
        let Some(kubeconfig) = self.kubeconfig()? else { return self.in_cluster() };
        let name = self.context.clone().or_else(|| kubeconfig.current_context.clone());
        let name = name.filter(|name| !name.is_empty());
        let context = match &name {
            Some(name) => find_context(&kubeconfig, name)?,
            None if self.cluster.is_some() => None,
            None => {
                return Err(error::from_kubeconfig(
                    &kube::config::KubeconfigError::CurrentContextNotSet,
                )
                .hint(format!("contexts there are: {}", contexts(&kubeconfig))));
            }
        };
        let user = self.user.clone().or_else(|| context?.user.clone());
        let cluster = self.cluster.clone().or_else(|| Some(context?.cluster.clone()));
        if let Some(name) = &self.user
            && !kubeconfig.auth_infos.iter().any(|user| user.name == *name)
        {
            let message = format!("the kubeconfig has no user named {name:?}");
            return Err(Error::new(ErrorKind::Kubeconfig, message));
        }
        let certificate = user.as_deref().and_then(|name| certificate_of(&kubeconfig, name));
        let options = KubeConfigOptions {
            context: name.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
        };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| error::from_kubeconfig(&error))?;
        let cluster = cluster.unwrap_or_default();
        let mut connection = self.with_config(config, name.map(Arc::from), cluster, user)?;
        if self.token.is_none() {
            connection.certificate_ends = certificate.and_then(|pem| end_of(&pem));
        }
        Ok(connection)
    }

    /// The kubeconfig; `None` where there is none and this runs inside a pod.
    fn kubeconfig(&self) -> Result<Option<Kubeconfig>, Error> {
        let read = |path: &Path| {
            Kubeconfig::read_from(path).map_err(|error| error::from_kubeconfig(&error))
        };
        if let Some(path) = &self.kubeconfig {
            return read(path).map(Some);
        }
        let listed: Vec<PathBuf> = env::var_os("KUBECONFIG")
            .map(|value| env::split_paths(&value).filter(|p| !p.as_os_str().is_empty()).collect())
            .unwrap_or_default();
        // As kubectl has it, a file of the list may be missing.
        let mut merged: Option<Kubeconfig> = None;
        for path in listed.iter().filter(|path| path.exists()) {
            let next = read(path)?;
            merged = Some(match merged {
                None => next,
                Some(first) => first.merge(next).map_err(|error| error::from_kubeconfig(&error))?,
            });
        }
        if merged.is_some() {
            return Ok(merged);
        }
        let home = env::home_dir().map(|home| home.join(".kube").join("config"));
        match home.filter(|path| listed.is_empty() && path.exists()) {
            Some(path) => read(&path).map(Some),
            None if listed.is_empty() && env::var_os("KUBERNETES_SERVICE_HOST").is_some() => {
                Ok(None)
            }
            None => Err(no_kubeconfig(&listed)),
        }
    }

    fn in_cluster(&self) -> Result<Connection, Error> {
        let config = Config::incluster().map_err(|error| {
            Error::new(ErrorKind::Kubeconfig, format!("no service account to use: {error}"))
        })?;
        self.with_config(config, None, "in-cluster".to_owned(), None)
    }

    fn with_config(
        &self,
        mut config: Config,
        context: Option<Arc<str>>,
        cluster: String,
        user: Option<String>,
    ) -> Result<Connection, Error> {
        // Requests are repeated here, where it is known which may be.
        config.default_retry = false;
        config.connect_timeout = Some(match self.request_timeout {
            Some(timeout) => timeout.min(CONNECT_TIMEOUT),
            None => CONNECT_TIMEOUT,
        });
        config.accept_invalid_certs |= self.insecure;
        if let Some(token) = &self.token {
            config.auth_info =
                AuthInfo { token: Some(token.clone().into()), ..AuthInfo::default() };
        }
        if let Some(user) = &self.impersonate {
            config.auth_info.impersonate = Some(user.clone());
        }
        if !self.groups.is_empty() {
            config.auth_info.impersonate_groups = Some(self.groups.clone());
        }
        let user = self.impersonate.clone().or(user);
        let token = config.auth_info.token.as_ref().map(ExposeSecret::expose_secret);
        if token.is_some_and(|token| HeaderValue::from_str(token).is_err()) {
            let who = user.map(|user| format!(" of user {user}")).unwrap_or_default();
            let message = format!("the token{who} holds a line break or another control character");
            return Err(Error::new(ErrorKind::Credentials, message));
        }
        // Answers are decompressed here, while they are read: a page is large, its text for nobody
        // else.
        let takes_gzip = !std::mem::replace(&mut config.disable_compression, true);
        let server = error::without_password(&config.cluster_url);
        let server = server.trim_end_matches('/').to_owned();
        let proxy = config.proxy_url.as_ref().map(error::without_password);
        let tls_server_name = config.tls_server_name.clone();
        let namespace = config.default_namespace.clone();
        let client = Client::try_from(config)
            .map_err(|error| Error::from_kube(&error, &server, user.as_deref()))?;
        let inner = Sender(client);
        let observed =
            Observed { inner, server: server.as_str().into(), observer: self.on_request.clone() };
        let client = Client::new(observed, namespace.as_str());
        Ok(Connection {
            context,
            cluster,
            user,
            namespace,
            server,
            proxy,
            tls_server_name,
            client,
            timeout: self.request_timeout,
            end: None,
            takes_gzip,
            certificate_ends: None,
            uid: Arc::default(),
        })
    }
}

impl Connection {
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

fn find_context<'k>(kubeconfig: &'k Kubeconfig, name: &str) -> Result<Option<&'k Context>, Error> {
    let found = kubeconfig.contexts.iter().find(|context| context.name == name);
    match found {
        Some(named) => Ok(named.context.as_ref()),
        None => {
            let message = format!("the kubeconfig has no context named {name:?}");
            let known = contexts(kubeconfig);
            Err(Error::new(ErrorKind::Kubeconfig, message)
                .hint(format!("contexts there are: {known}")))
        }
    }
}

/// The names of all contexts, in words.
fn contexts(kubeconfig: &Kubeconfig) -> String {
    let names: Vec<&str> =
        kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn no_kubeconfig(listed: &[PathBuf]) -> Error {
    let message = if listed.is_empty() {
        "no kubeconfig: neither KUBECONFIG nor .kube/config in the home folder".to_owned()
    } else {
        let names: Vec<String> = listed.iter().map(|path| path.display().to_string()).collect();
        format!("no kubeconfig: KUBECONFIG names {}, which is not there", names.join(", "))
    };
    Error::new(ErrorKind::Kubeconfig, message)
        .hint("give one with --kubeconfig FILE")
        .hint("or look at files: kubectl clbmigrate status -f FILE")
}

/// The PEM text of a user's client certificate, if it has one that can be read.
fn certificate_of(kubeconfig: &Kubeconfig, user: &str) -> Option<Vec<u8>> {
    let named = kubeconfig.auth_infos.iter().find(|named| named.name == user)?;
    let auth = named.auth_info.as_ref()?;
    match (&auth.client_certificate_data, &auth.client_certificate) {
        (Some(data), _) => BASE64.decode(data.trim()).ok(),
        (None, Some(path)) => std::fs::read(path).ok(),
        (None, None) => None,
    }
}

/// When the first certificate of a PEM text expires.
fn end_of(pem: &[u8]) -> Option<String> {
    let (_, block) = x509_parser::pem::parse_x509_pem(pem).ok()?;
    let certificate = block.parse_x509().ok()?;
    let seconds = certificate.validity().not_after.timestamp();
    jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    const SECRET: &str = "s3cr3t-value";

    /// The error for a kubeconfig with these values of server and user.
    async fn refusal(server: &str, user: &str) -> Error {
        // A proxy of the file's own: none of the user's environment is asked then.
        let proxy =
            if server.contains("proxy-url") { "" } else { ", proxy-url: 'http://127.0.0.1:9'" };
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
             contexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n\
             clusters: [{{name: x, cluster: {{{server}{proxy}}}}}]\n\
             users:\n- name: x\n  user:\n    {user}\n"
        );
        fs::write(&file, text).expect("a file");
        let options = ConnectionOptions { kubeconfig: Some(file), ..ConnectionOptions::default() };
        match options.connect().await {
            Err(error) => error,
            Ok(connection) => connection.get("/version").await.err().expect("nobody is there"),
        }
    }

    #[rstest]
    #[case::broken_beside_a_token(
        "server: 'https://127.0.0.1:9'",
        "token: s3cr3t-value\n    bad: ["
    )]
    #[case::a_map_for_a_token("server: 'https://127.0.0.1:9'", "token: {a: s3cr3t-value}")]
    #[case::a_token_of_two_lines("server: 'https://127.0.0.1:9'", "token: \"s3cr3t-value\\nx\"")]
    #[case::a_server_with_password("server: 'https://ann:s3cr3t-value@127.0.0.1:9'", "{}")]
    #[case::a_proxy_with_password(
        "server: 'https://127.0.0.1:9', proxy-url: 'socks4://ann:s3cr3t-value@127.0.0.1:8'",
        "{}"
    )]
    #[tokio::test]
    async fn no_secret_of_a_kubeconfig_is_told(#[case] server: &str, #[case] user: &str) {
        let error = refusal(server, user).await;
        let said = format!("{error:?} {error}");
        assert!(!said.contains(SECRET), "{said}");
        assert!(!error.message.contains('\n'), "{said}");
    }
}
