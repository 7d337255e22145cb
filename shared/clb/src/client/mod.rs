//! The client.

mod connect;
mod listener;
mod page;
mod read;
mod weights;
mod write;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    Error,
    credentials::Keeper,
    endpoint::Endpoint,
    rpc::{Api, Call, Caller, Signer, parse},
};

pub use listener::Listener;
pub use weights::{BackendKey, Weight, WeightError};
pub use write::{BATCH, Change, Interrupted};

/// The CLB API of one region, as one account. Clones share connections and credentials.
#[derive(Clone)]
pub struct Clb {
    shared: Arc<Shared>,
    limit: Limit,
}

struct Shared {
    caller: Arc<Caller>,
    keeper: Keeper,
    endpoint: Endpoint,
    sts: Endpoint,
    region: String,
}

/// How long operations may take.
#[derive(Debug, Clone, Copy)]
enum Limit {
    Each(Duration),
    Until(Instant),
}

/// Whose CLBs they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account's number.
    pub id: String,
    /// Who calls: a user, or a role's session.
    pub arn: String,
    /// The region, such as `cn-hangzhou`.
    pub region: String,
    /// Where the credentials are from, such as `profile "prod" of ~/.aliyun/config.json`.
    pub source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    account_id: String,
    #[serde(default)]
    arn: String,
}

impl Clb {
    /// The same client, each of whose operations may take so long, its repetitions included.
    #[must_use]
    pub fn patient(&self, each: Duration) -> Self {
        Self { limit: Limit::Each(each), ..self.clone() }
    }

    /// The same client, whose operations end by then.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self { limit: Limit::Until(deadline), ..self.clone() }
    }

    /// The region, such as `cn-hangzhou`.
    pub fn region(&self) -> &str {
        &self.shared.region
    }

    /// The API's address.
    pub fn endpoint(&self) -> String {
        self.shared.endpoint.to_string()
    }

    /// Where the credentials are from, such as `profile "prod" of ~/.aliyun/config.json`.
    pub fn source(&self) -> &str {
        &self.shared.keeper.place
    }

    /// Whether the credentials still hold `time` from now; `None` where nobody can say, which is so
    /// for an STS token that was given without its end. Those of roles are renewed in time.
    pub async fn outlives(&self, time: Duration) -> Option<bool> {
        self.shared.keeper.outlives(time).await
    }

    /// Whose credentials they are (STS: `GetCallerIdentity`).
    pub async fn account(&self) -> Result<Account, Error> {
        const WHO: Api = Api::sts("GetCallerIdentity");
        let answer = self.call_at(&self.shared.sts, WHO, Vec::new(), self.deadline()).await?;
        let who: Identity = parse(&answer).map_err(|error| error.of(WHO.name))?;
        Ok(Account {
            id: who.account_id,
            arn: who.arn,
            region: self.shared.region.clone(),
            source: self.source().to_owned(),
        })
    }

    /// When an operation that begins now must have ended.
    fn deadline(&self) -> Instant {
        match self.limit {
            Limit::Each(time) => Instant::now() + time,
            Limit::Until(deadline) => deadline,
        }
    }

    /// A call of the CLB API.
    async fn call(
        &self,
        api: Api,
        parameters: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        let own = [("RegionId", self.shared.region.as_str())];
        let parameters = own.iter().chain(parameters);
        let parameters =
            parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.call_at(&self.shared.endpoint, api, parameters, deadline).await
    }

    /// A call, made once more with other keys where the first are refused and others can be had.
    async fn call_at(
        &self,
        endpoint: &Endpoint,
        api: Api,
        parameters: Vec<(String, String)>,
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        let Shared { caller, keeper, .. } = &*self.shared;
        let keys = keeper.keys(deadline).await?;
        let signer = Signer::Keys { keys: &keys, source: &keeper.place };
        let mut call = Call { api, endpoint, parameters, signer };
        let error = match caller.call(&call, deadline).await {
            Err(error) if error.is_about_keys() && keeper.forget(&keys).await => error,
            result => return result,
        };
        let fresh = keeper.keys(deadline).await?;
        if fresh.id == keys.id {
            return Err(error);
        }
        call.signer = Signer::Keys { keys: &fresh, source: &keeper.place };
        caller.call(&call, deadline).await
    }
}

impl fmt::Debug for Clb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clb")
            .field("endpoint", &self.endpoint())
            .field("region", &self.region())
            .field("source", &self.source())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
