//! Connecting: from options to a client.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::{ClbClient, Inner, TimeLimit};
use crate::{
    Environment, Error, ErrorKind, Options, SystemEnvironment,
    endpoint::{self, Endpoint},
    net::{HttpClient, HyperClient},
    provider::{CredentialsCache, CredentialsResolver, DiscoveredConfig, Sts, discover, not_found},
    rpc::RpcClient,
};

/// Variables that name other endpoints of STS and instance metadata than Alibaba Cloud's public
/// ones: for private clouds and tests.
const STS_ENDPOINT: &str = "CLBMIGRATE_STS_ENDPOINT";
const METADATA_ENDPOINT: &str = "CLBMIGRATE_METADATA_ENDPOINT";

impl ClbClient {
    /// Finds credentials, region and endpoint in the environment of this process, and asks the
    /// provider for credentials. The CLB API is not called yet.
    ///
    /// # Errors
    /// No credentials are found, the provider fails, or the region is unknown.
    pub async fn connect(options: Options) -> Result<Self, Error> {
        Self::connect_in_environment(options, Arc::new(SystemEnvironment)).await
    }

    /// Like [`ClbClient::connect`], in an environment other than this process's.
    ///
    /// # Errors
    /// As [`ClbClient::connect`].
    pub async fn connect_in_environment(
        options: Options,
        environment: Arc<dyn Environment>,
    ) -> Result<Self, Error> {
        let http = HyperClient::new(Arc::clone(&environment), options.ca.clone());
        Self::connect_over_http(options, environment, Arc::new(http)).await
    }

    pub(crate) async fn connect_over_http(
        options: Options,
        environment: Arc<dyn Environment>,
        http: Arc<dyn HttpClient>,
    ) -> Result<Self, Error> {
        let DiscoveredConfig { provider, place, region, endpoint, vpc, sts, searched } =
            discover(&options, environment.as_ref())?;
        let deadline = Instant::now() + options.operation_timeout;
        let sts_endpoint =
            configured_endpoint(options.sts_endpoint, STS_ENDPOINT, environment.as_ref())?;
        let metadata = configured_endpoint(
            options.metadata_endpoint,
            METADATA_ENDPOINT,
            environment.as_ref(),
        )?;
        let rpc = Arc::new(RpcClient { http, environment, timeout: options.attempt_timeout });
        let resolver = CredentialsResolver {
            rpc: Arc::clone(&rpc),
            sts: sts_endpoint,
            metadata: metadata.unwrap_or_else(Endpoint::metadata),
        };
        let of_instance = provider.uses_instance_role();
        let cache = CredentialsCache::new(provider, place, resolver);
        cache.credentials(deadline).await.map_err(|error| match searched {
            Some(searched) => instance_role_failed(searched, &error),
            None => error,
        })?;
        let region = match region {
            Some(region) => region,
            None if of_instance => {
                let region = cache.resolver.region_of_instance(deadline).await?;
                endpoint::region(&region, "metadata of this ECS instance")?
            }
            None => {
                return Err(Error::new(ErrorKind::Usage, "the CLB's region is unknown").hint(
                    "give --clb-region, set ALIBABA_CLOUD_REGION_ID, or region_id in the profile",
                ));
            }
        };
        let endpoint = match endpoint {
            Some(endpoint) => endpoint,
            None => Endpoint::slb(&region, vpc),
        };
        // Inside a VPC the central STS may be out of reach.
        let own = Sts {
            region: sts.region.or_else(|| vpc.then(|| region.clone())),
            vpc: sts.vpc || vpc,
            ..sts
        };
        let sts = cache.resolver.sts(&own);
        let limit = TimeLimit::PerOperation(options.operation_timeout);
        let last_call = Mutex::default();
        let inner = Inner { rpc, cache, endpoint, sts, region, last_call };
        Ok(Self { shared: Arc::new(inner), limit })
    }
}

/// The endpoint that the option names, or the environment variable.
fn configured_endpoint(
    option: Option<String>,
    variable: &str,
    environment: &dyn Environment,
) -> Result<Option<Endpoint>, Error> {
    let text = option.or_else(|| environment.value(&[variable]));
    text.map(|text| Endpoint::parse(&text, &format!("for {variable}"), environment)).transpose()
}

/// The error for the case that the instance's role, the last resort, has failed as well.
fn instance_role_failed(mut searched: Vec<String>, error: &Error) -> Error {
    searched.push(error.message.clone());
    not_found(&searched)
}
