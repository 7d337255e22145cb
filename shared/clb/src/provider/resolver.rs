//! From means to keys.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use tokio::time::Instant;

use super::{Keys, Means, Sts, metadata::Metadata, process, sts, uri};
use crate::{
    Error,
    endpoint::Endpoint,
    rpc::{Caller, Signer},
};

/// Gets keys from whoever has them.
#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) caller: Arc<Caller>,
    /// STS, where an option names it.
    pub(crate) sts: Option<Endpoint>,
    pub(crate) metadata: Endpoint,
}

impl Issuer {
    /// The endpoint of STS.
    pub(crate) fn sts(&self, wanted: &Sts) -> Endpoint {
        self.sts.clone().unwrap_or_else(|| Endpoint::sts(wanted.region.as_deref(), wanted.vpc))
    }

    /// Gets keys. `place` says in errors where the means come from.
    pub(crate) fn obtain<'a>(
        &'a self,
        means: &'a Means,
        place: &'a str,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Keys, Error>> {
        async move {
            match means {
                Means::Written(keys) => Ok(keys.clone()),
                Means::Role { from, role } => {
                    let keys = self.obtain(from, place, deadline).await?;
                    let signer = Signer::Keys { keys: &keys, source: place };
                    sts::assume(&self.caller, &self.sts(&role.sts), role, signer, deadline).await
                }
                Means::Oidc { provider, token_file, role } => {
                    let token = (provider.as_str(), token_file.as_str());
                    let endpoint = self.sts(&role.sts);
                    sts::assume_with_oidc(&self.caller, &endpoint, token, role, deadline).await
                }
                Means::Instance { role, v1 } => self.instance(*v1).keys(role.as_deref()).await,
                Means::Uri(address) => {
                    uri::keys(self.caller.http.as_ref(), address, self.caller.timeout).await
                }
                Means::Process(command) => {
                    process::keys(self.caller.surroundings.as_ref(), command).await
                }
            }
        }
        .boxed()
    }

    /// The region of the instance that this runs on.
    pub(crate) async fn region_of_instance(&self) -> Result<String, Error> {
        self.instance(true).region().await
    }

    fn instance(&self, v1: bool) -> Metadata<'_> {
        Metadata { http: self.caller.http.as_ref(), endpoint: &self.metadata, v1 }
    }
}
