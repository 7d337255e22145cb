//! The client.

mod connect;
mod page;
mod read;
mod weights;
mod write;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    Error,
    endpoint::Endpoint,
    provider::CredentialsCache,
    rpc::{Action, Authentication, Call, RpcClient, parse},
};

pub use weights::{BackendKey, Weight, WeightError};
pub use write::{MAX_BACKENDS_PER_CALL, SetWeightsError, WeightChange};

/// A client of the CLB API, for one region and one account. Clones share connections and
/// credentials.
///
/// Every operation ends within [`crate::Options::operation_timeout`], unless
/// [`ClbClient::with_operation_timeout`] or [`ClbClient::with_deadline`] say otherwise. That holds for
/// the credentials too: a provider that takes longer is given up.
#[derive(Clone)]
pub struct ClbClient {
    shared: Arc<Inner>,
    limit: TimeLimit,
}

struct Inner {
    rpc: Arc<RpcClient>,
    cache: CredentialsCache,
    endpoint: Endpoint,
    sts: Endpoint,
    region: String,
    /// When the last answer of the CLB API came, or the last call to it failed.
    last_call: Mutex<Option<Instant>>,
}

/// The time limit of operations.
#[derive(Debug, Clone, Copy)]
enum TimeLimit {
    PerOperation(Duration),
    Deadline(Instant),
}

/// Who calls, where, and with credentials from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account's id, a number of 16 digits.
    pub id: String,
    /// The ARN of the caller: an account, a user or a role's session.
    pub arn: String,
    /// The region, such as `cn-hangzhou`.
    pub region: String,
    /// Where the credentials are from, such as `profile "prod" of ~/.aliyun/config.json`.
    pub source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CallerIdentity {
    account_id: String,
    #[serde(default)]
    arn: String,
}

impl ClbClient {
    /// This client with another time limit for each operation, all attempts included.
    #[must_use]
    pub fn with_operation_timeout(&self, each: Duration) -> Self {
        Self { limit: TimeLimit::PerOperation(each), ..self.clone() }
    }

    /// This client with one deadline for all its operations. An operation that begins later fails
    /// with [`crate::ErrorKind::Deadline`] and sends nothing.
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        Self { limit: TimeLimit::Deadline(deadline), ..self.clone() }
    }

    /// The region, such as `cn-hangzhou`.
    pub fn region(&self) -> &str {
        &self.shared.region
    }

    /// The URL of the CLB API, without path.
    pub fn endpoint(&self) -> String {
        self.shared.endpoint.to_string()
    }

    /// Where the credentials are from, such as `profile "prod" of ~/.aliyun/config.json`.
    pub fn source(&self) -> &str {
        &self.shared.cache.place
    }

    /// When the last call to the CLB API ended, of this client and its clones; `None` before the first.
    pub fn last_call(&self) -> Option<Instant> {
        *self.shared.last_call.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the client can still sign calls `time` from now. Credentials of roles are renewed in
    /// time. `None` for an STS token whose expiry is unknown.
    pub fn credentials_valid_for(&self, time: Duration) -> Option<bool> {
        self.shared.cache.credentials_valid_for(time)
    }

    /// The account that the credentials belong to (STS: `GetCallerIdentity`).
    pub async fn account(&self) -> Result<Account, Error> {
        const WHO: Action = Action::sts("GetCallerIdentity");
        let answer = self.call_at(&self.shared.sts, WHO, Vec::new(), self.deadline()).await?;
        let who: CallerIdentity = parse(&answer).map_err(|error| error.with_action(WHO.name))?;
        Ok(Account {
            id: who.account_id,
            arn: who.arn,
            region: self.shared.region.clone(),
            source: self.source().to_owned(),
        })
    }

    /// The deadline of an operation that begins now.
    fn deadline(&self) -> Instant {
        match self.limit {
            TimeLimit::PerOperation(time) => Instant::now() + time,
            TimeLimit::Deadline(deadline) => deadline,
        }
    }

    /// Calls the CLB API; the parameter `RegionId` is added.
    async fn call(
        &self,
        action: Action,
        parameters: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        let own = [("RegionId", self.shared.region.as_str())];
        let parameters = own.iter().chain(parameters);
        let parameters =
            parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answer = self.call_at(&self.shared.endpoint, action, parameters, deadline).await;
        let mut last = self.shared.last_call.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Instant::now());
        answer
    }

    /// Makes a call. If the credentials are refused and the provider gives others, it is made once
    /// more with these.
    async fn call_at(
        &self,
        endpoint: &Endpoint,
        action: Action,
        parameters: Vec<(String, String)>,
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        let Inner { rpc, cache, .. } = &*self.shared;
        let credentials = cache.credentials(deadline).await?;
        let authentication =
            Authentication::Signature { credentials: &credentials, source: &cache.place };
        let mut call = Call { action, endpoint, parameters, authentication };
        let error = match rpc.call(&call, deadline).await {
            Err(error) if error.is_about_credentials() && cache.invalidate(&credentials) => error,
            result => return result,
        };
        let fresh = cache.credentials(deadline).await?;
        if fresh.id == credentials.id {
            return Err(error);
        }
        call.authentication =
            Authentication::Signature { credentials: &fresh, source: &cache.place };
        rpc.call(&call, deadline).await
    }
}

impl fmt::Debug for ClbClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClbClient")
            .field("endpoint", &self.endpoint())
            .field("region", &self.region())
            .field("source", &self.source())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
