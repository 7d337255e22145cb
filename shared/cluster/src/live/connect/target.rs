//! What a kubeconfig and flags say together: which cluster, and as whom (client-go 0.36:
//! `clientcmd/client_config.go`; its `ConfigOverrides` are the flags).

use super::{
    ConnectionOptions, Error, ErrorKind,
    kubeconfig::{Cluster, Context, Kubeconfig, Named, User},
};

/// Where to connect, and as whom.
#[derive(Clone, Default)]
pub(super) struct Target {
    /// The context's name; `None` where none is used.
    pub context: Option<String>,
    /// The cluster's name; empty where only flags say where it is.
    pub cluster_name: String,
    pub cluster: Cluster,
    /// The user's name; `None` where none is used.
    pub user_name: Option<String>,
    pub user: User,
    pub namespace: String,
}

impl Target {
    /// Finds what the flags name in a kubeconfig, and lays the flags over it.
    ///
    /// # Errors
    /// Something that is named is not there.
    pub fn choose(kubeconfig: &Kubeconfig, flags: &ConnectionOptions) -> Result<Self, Error> {
        let name = set(flags.context.as_deref()).unwrap_or(&kubeconfig.current_context);
        let context = match name {
            "" => None,
            name => Some(find_context(kubeconfig, name)?),
        };
        let is_elsewhere = set(flags.server.as_deref()).is_some();
        if context.is_none() && set(flags.cluster.as_deref()).is_none() && !is_elsewhere {
            return Err(no_context(kubeconfig));
        }
        let none = Context::default();
        let context = context.unwrap_or(&none);
        let cluster_name = set(flags.cluster.as_deref()).unwrap_or(&context.cluster);
        let cluster = match Named::find(&kubeconfig.clusters, cluster_name) {
            Some(cluster) => cluster.clone(),
            None if is_elsewhere && set(flags.cluster.as_deref()).is_none() => Cluster::default(),
            None => return Err(missing("cluster", cluster_name)),
        };
        let user_name = set(flags.user.as_deref()).unwrap_or(&context.user);
        let user = match Named::find(&kubeconfig.users, user_name) {
            Some(user) => user.clone(),
            None if set(flags.user.as_deref()).is_some() => return Err(missing("user", user_name)),
            // kubectl sends requests without credentials then.
            None => User::default(),
        };
        let mut target = Self {
            context: (!name.is_empty()).then(|| name.to_owned()),
            cluster_name: cluster_name.to_owned(),
            cluster,
            user_name: (!user_name.is_empty()).then(|| user_name.to_owned()),
            user,
            namespace: context.namespace.clone(),
        };
        target.override_cluster(flags);
        target.override_user(flags);
        target.validate()?;
        Ok(target)
    }

    /// The user's name, in words.
    pub fn user_in_words(&self) -> &str {
        self.user_name.as_deref().unwrap_or("of the flags")
    }

    /// Lays the flags of a cluster over it.
    pub fn override_cluster(&mut self, flags: &ConnectionOptions) {
        let path = |path: &Option<std::path::PathBuf>| {
            path.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let cluster = &mut self.cluster;
        let authority = path(&flags.certificate_authority);
        if flags.insecure || !authority.is_empty() {
            cluster.insecure_skip_tls_verify = flags.insecure;
            cluster.certificate_authority = authority;
            cluster.certificate_authority_data.clear();
        }
        let name = set(flags.tls_server_name.as_deref());
        if let Some(server) = set(flags.server.as_deref()) {
            server.clone_into(&mut cluster.server);
            // The name in the kubeconfig is that of another server.
            name.unwrap_or_default().clone_into(&mut cluster.tls_server_name);
        } else if let Some(name) = name {
            name.clone_into(&mut cluster.tls_server_name);
        }
        cluster.disable_compression |= flags.disable_compression;
    }

    /// Lays the flags of a user over it.
    fn override_user(&mut self, flags: &ConnectionOptions) {
        let user = &mut self.user;
        if let Some(certificate) = &flags.client_certificate {
            user.client_certificate = certificate.to_string_lossy().into_owned();
            user.client_certificate_data.clear();
        }
        if let Some(key) = &flags.client_key {
            user.client_key = key.to_string_lossy().into_owned();
            user.client_key_data.clear();
        }
        for (text, flag) in [
            (&mut user.token, &flags.token),
            (&mut user.username, &flags.username),
            (&mut user.password, &flags.password),
            (&mut user.impersonate, &flags.impersonate),
            (&mut user.as_uid, &flags.impersonate_uid),
        ] {
            if let Some(flag) = set(flag.as_deref()) {
                flag.clone_into(text);
            }
        }
        if !flags.groups.is_empty() {
            user.as_groups.clone_from(&flags.groups);
        }
        let mut flagged: std::collections::BTreeMap<&str, Vec<String>> =
            std::collections::BTreeMap::new();
        for (key, value) in &flags.user_extra {
            flagged.entry(key).or_default().push(value.clone());
        }
        user.as_user_extra.extend(flagged.into_iter().map(|(key, all)| (key.to_owned(), all)));
    }

    /// Whether this can be used (client-go 0.36: clientcmd/validation.go).
    fn validate(&self) -> Result<(), Error> {
        let cluster = &self.cluster;
        let user = &self.user;
        let refused = |what: String| Err(Error::new(ErrorKind::Kubeconfig, what));
        let of_cluster = format!("cluster {:?} of the kubeconfig", self.cluster_name);
        let of_user = format!("user {:?} of the kubeconfig", self.user_in_words());
        let both = |path: &str, data: &[u8]| !path.is_empty() && !data.is_empty();
        if cluster.server.is_empty() {
            return refused(format!("{of_cluster} has no server"));
        }
        if both(&cluster.certificate_authority, &cluster.certificate_authority_data) {
            return refused(format!(
                "{of_cluster} has both certificate-authority and certificate-authority-data"
            ));
        }
        if both(&user.client_certificate, &user.client_certificate_data) {
            return refused(format!(
                "{of_user} has both client-certificate and client-certificate-data"
            ));
        }
        let has_certificate =
            !(user.client_certificate.is_empty() && user.client_certificate_data.is_empty());
        if has_certificate && both(&user.client_key, &user.client_key_data) {
            return refused(format!("{of_user} has both client-key and client-key-data"));
        }
        if has_certificate && user.client_key.is_empty() && user.client_key_data.is_empty() {
            return refused(format!("{of_user} has a client certificate without a client key"));
        }
        let has_password = !(user.username.is_empty() && user.password.is_empty());
        if !(user.token.is_empty() && user.token_file.is_empty()) && has_password {
            return refused(format!("{of_user} has both a token and a password"));
        }
        if user.exec.is_some() && user.auth_provider.is_some() {
            return refused(format!("{of_user} has both exec and auth-provider"));
        }
        let has_more =
            !(user.as_uid.is_empty() && user.as_groups.is_empty() && user.as_user_extra.is_empty());
        if has_more && user.impersonate.is_empty() {
            return refused(format!(
                "{of_user} impersonates a UID, groups or extras without a user (--as)"
            ));
        }
        Ok(())
    }
}

/// A value that is set: an empty one is not.
fn set(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

fn missing(kind: &str, name: &str) -> Error {
    let message = format!("the kubeconfig has no {kind} named {name:?}");
    Error::new(ErrorKind::Kubeconfig, message)
}

fn find_context<'k>(kubeconfig: &'k Kubeconfig, name: &str) -> Result<&'k Context, Error> {
    Named::find(&kubeconfig.contexts, name).ok_or_else(|| {
        let known = contexts(kubeconfig);
        missing("context", name).hint(format!("contexts there are: {known}"))
    })
}

fn no_context(kubeconfig: &Kubeconfig) -> Error {
    Error::new(ErrorKind::Kubeconfig, "the kubeconfig has no current context")
        .hint("name one with --context, or run kubectl config use-context NAME")
        .hint("or look at files: kubectl clbmigrate status -f FILE")
        .hint(format!("contexts there are: {}", contexts(kubeconfig)))
}

/// The names of all contexts, in words.
fn contexts(kubeconfig: &Kubeconfig) -> String {
    let names: Vec<&str> =
        kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
