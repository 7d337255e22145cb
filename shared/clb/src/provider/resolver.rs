//! Asking providers for credentials.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use tokio::time::Instant;

use super::{
    Credentials, Provider, Sts, metadata::Metadata, process, sts, switches::imds_v1_is_allowed, uri,
};
use crate::{
    Error,
    endpoint::Endpoint,
    rpc::{Authentication, RpcClient},
};

/// Asks providers for credentials.
#[derive(Clone)]
pub(crate) struct CredentialsResolver {
    pub(crate) rpc: Arc<RpcClient>,
    /// The endpoint of STS for all profiles; `None` for what each profile or its region has.
    pub(crate) sts: Option<Endpoint>,
    pub(crate) metadata: Endpoint,
}

impl CredentialsResolver {
    /// The endpoint of STS that `wanted` is about.
    pub(crate) fn sts(&self, wanted: &Sts) -> Endpoint {
        let configured = self.sts.as_ref().or(wanted.endpoint.as_ref());
        configured.cloned().unwrap_or_else(|| Endpoint::sts(wanted.region.as_deref(), wanted.vpc))
    }

    /// Gets fresh credentials from a provider, by `deadline`. `place` says in errors where the
    /// provider was found.
    pub(crate) fn resolve<'a>(
        &'a self,
        provider: &'a Provider,
        place: &'a str,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Credentials, Error>> {
        async move {
            match provider {
                Provider::Static(credentials) => Ok(credentials.clone()),
                Provider::AssumeRole { from, role } => {
                    let credentials = self.resolve(from, place, deadline).await?;
                    let authentication =
                        Authentication::Signature { credentials: &credentials, source: place };
                    sts::assume(&self.rpc, &self.sts(&role.sts), role, authentication, deadline)
                        .await
                }
                Provider::AssumeRoleWithOidc { provider, token_file, role } => {
                    let token = (provider.as_str(), token_file.as_str());
                    let endpoint = self.sts(&role.sts);
                    sts::assume_with_oidc(&self.rpc, &endpoint, token, role, deadline).await
                }
                Provider::InstanceRole { role, v1 } => {
                    self.instance(*v1, deadline).credentials(role.as_deref()).await
                }
                Provider::Uri(address) => {
                    let RpcClient { http, environment, .. } = self.rpc.as_ref();
                    uri::credentials(http.as_ref(), environment.as_ref(), address, deadline).await
                }
                Provider::Process(command) => {
                    process::credentials(self.rpc.environment.as_ref(), command, deadline).await
                }
            }
        }
        .boxed()
    }

    /// The region of the ECS instance that this program runs on, from its metadata.
    pub(crate) async fn region_of_instance(&self, deadline: Instant) -> Result<String, Error> {
        let v1 = imds_v1_is_allowed(self.rpc.environment.as_ref());
        self.instance(v1, deadline).region().await
    }

    fn instance(&self, v1: bool, deadline: Instant) -> Metadata<'_> {
        Metadata { http: self.rpc.http.as_ref(), endpoint: &self.metadata, v1, deadline }
    }
}
