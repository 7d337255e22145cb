//! Who the user is, and which certificates vouch for the server.

use std::{fmt::Write, sync::Arc};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, HeaderName, HeaderValue, uri::Scheme};
use rustls::client::ResolvesClientCert;
use serde_json::{Value, json};

use super::{
    Error, ErrorKind,
    credentials::Credentials,
    exec::Plugin,
    identity::{self, Pem, Renewed},
    kubeconfig::{AuthProvider, Cluster, User},
    server::Server,
    target::Target,
};

/// The cluster's extension that a credential plugin is told (client-go 0.36: `client_config.go`).
const EXTENSION: &str = "client.authentication.k8s.io/exec";

/// What tells the API server who the user is, and what proves the server.
pub(super) struct Login {
    /// The certificates that vouch for the server; `None` means those of the system.
    pub authority: Option<Vec<Vec<u8>>>,
    pub certificate: Option<Arc<dyn ResolvesClientCert>>,
    /// When the client certificate expires.
    pub certificate_ends: Option<String>,
    pub credentials: Credentials,
    /// Whom to impersonate.
    pub headers: HeaderMap,
}

impl Login {
    /// Reads certificates and credentials. To a server with `http` none of them is sent (client-go
    /// 0.36: `clientcmd/client_config.go`).
    ///
    /// # Errors
    /// One of them cannot be used.
    pub fn new(target: &Target, server: &Server) -> Result<Self, Error> {
        let mut login = Self {
            authority: None,
            certificate: None,
            certificate_ends: None,
            credentials: of_url(server)?,
            headers: impersonation(&target.user)?,
        };
        if server.uri.scheme() != Some(&Scheme::HTTPS) {
            return Ok(login);
        }
        let (cluster, user) = (&target.cluster, &target.user);
        let authority = Pem::of(
            &cluster.certificate_authority,
            &cluster.certificate_authority_data,
            "certificate-authority-data",
        );
        if cluster.insecure_skip_tls_verify && authority.is_some() {
            let message = format!(
                "cluster {:?} of the kubeconfig has both a certificate authority and insecure-skip-tls-verify",
                target.cluster_name
            );
            return Err(Error::new(ErrorKind::Kubeconfig, message));
        }
        let authority_text = match &authority {
            Some(pem) => Some(pem.read("the certificate authority")?),
            None => None,
        };
        login.authority = match &authority {
            Some(pem) => Some(identity::authority(pem, &target.cluster_name)?),
            None => None,
        };
        let name = target.user_in_words();
        let certificate = Pem::of(
            &user.client_certificate,
            &user.client_certificate_data,
            "client-certificate-data",
        );
        let key = Pem::of(&user.client_key, &user.client_key_data, "client-key-data");
        if let (Some(certificate), Some(key)) = (certificate, key) {
            let renewed = Renewed::new(certificate, key, name)?;
            login.certificate_ends = renewed.end().map(|end| end.to_string());
            login.certificate = Some(Arc::new(renewed));
        }
        let has_certificate = login.certificate.is_some();
        if !user.token_file.is_empty() {
            // Where both are set, the file counts (client-go 0.36: `transport/round_trippers.go`).
            login.credentials = Credentials::file(&user.token_file, &user.token, name)?;
        } else if !user.token.is_empty() {
            login.credentials = Credentials::token(&user.token, name)?;
        } else if !user.username.is_empty() {
            login.credentials = Credentials::basic(&user.username, &user.password)?;
        } else if let Some(exec) = &user.exec {
            let plugin = Plugin::new(exec, name, told(cluster, authority_text.as_deref()))?;
            if !has_certificate {
                login.credentials = Credentials::plugin(plugin);
            }
        } else if let Some(provider) = &user.auth_provider {
            login.credentials = of_provider(provider, name)?;
        }
        Ok(login)
    }
}

/// The user and password of the server's URL.
fn of_url(server: &Server) -> Result<Credentials, Error> {
    match &server.user {
        Some((user, password)) => Credentials::basic(user, password.as_deref().unwrap_or_default()),
        None => Ok(Credentials::None),
    }
}

/// What a credential plugin is told of the cluster (client-go 0.36: rest/exec.go).
fn told(cluster: &Cluster, authority: Option<&[u8]>) -> Value {
    let mut told = json!({ "server": cluster.server });
    let mut set = |name: &str, value: Value| {
        if let Some(fields) = told.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
    };
    if !cluster.tls_server_name.is_empty() {
        set("tls-server-name", cluster.tls_server_name.as_str().into());
    }
    if cluster.insecure_skip_tls_verify {
        set("insecure-skip-tls-verify", true.into());
    }
    if let Some(authority) = authority {
        set("certificate-authority-data", BASE64.encode(authority).into());
    }
    if !cluster.proxy_url.is_empty() {
        set("proxy-url", cluster.proxy_url.as_str().into());
    }
    if cluster.disable_compression {
        set("disable-compression", true.into());
    }
    let extension = cluster.extensions.iter().find(|extension| extension.name == EXTENSION);
    set("config", extension.map(|found| found.extension.clone()).unwrap_or_default());
    told
}

/// The credentials of a user that logs in by a part of kubectl.
fn of_provider(provider: &AuthProvider, user: &str) -> Result<Credentials, Error> {
    let name = &provider.name;
    let refused = |what: &str, hint: &str| {
        let message = format!("user {user:?} logs in by the auth-provider {name:?}, {what}");
        Err(Error::new(ErrorKind::Credentials, message).hint(hint))
    };
    match name.as_str() {
        "oidc" => {}
        "gcp" => {
            return refused(
                "which kubectl lost in 1.26",
                "log in by a credential plugin, gke-gcloud-auth-plugin: gcloud container clusters get-credentials CLUSTER",
            );
        }
        "azure" => {
            return refused(
                "which kubectl lost in 1.26",
                "log in by the credential plugin kubelogin: kubelogin convert-kubeconfig",
            );
        }
        _ => {
            return refused(
                "which is unknown",
                "log in by a credential plugin: users[].user.exec in the kubeconfig",
            );
        }
    }
    let token = provider.config.get("id-token").map(String::as_str).unwrap_or_default();
    if token.is_empty() || end_of(token).is_some_and(|end| end <= jiff::Timestamp::now()) {
        return refused(
            "whose token is missing or has expired, and only kubectl renews it",
            "let kubectl renew it: kubectl get namespaces; or log in by the credential plugin kubelogin (oidc-login)",
        );
    }
    Credentials::token(token, user)
}

/// When a OIDC token expires: `exp` of its middle part.
fn end_of(token: &str) -> Option<jiff::Timestamp> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    jiff::Timestamp::from_second(claims.get("exp")?.as_i64()?).ok()
}

/// The headers of impersonation (client-go 0.36: `transport/round_trippers.go`).
fn impersonation(user: &User) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    if user.impersonate.is_empty() {
        return Ok(headers);
    }
    let mut add = |name: &str, value: &str| {
        let name = HeaderName::try_from(name).ok();
        let Some((name, value)) = name.zip(HeaderValue::try_from(value).ok()) else {
            let message = "a user to impersonate cannot be sent: it holds a control character";
            return Err(Error::new(ErrorKind::Kubeconfig, message));
        };
        headers.append(name, value);
        Ok(())
    };
    add("impersonate-user", &user.impersonate)?;
    if !user.as_uid.is_empty() {
        add("impersonate-uid", &user.as_uid)?;
    }
    for group in &user.as_groups {
        add("impersonate-group", group)?;
    }
    for (key, values) in &user.as_user_extra {
        let name = format!("impersonate-extra-{}", header_name(key));
        for value in values {
            add(&name, value)?;
        }
    }
    Ok(headers)
}

/// A key as a part of a header's name: percent-encoded where it has to be.
fn header_name(key: &str) -> String {
    let mut name = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name
}
