//! From options to a client.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Clb, Limit, Shared};
use crate::{
    Error, ErrorKind, Machine, Options, Surroundings,
    credentials::{Found, Issuer, Keeper, Sts, find, nothing},
    endpoint::{self, Endpoint},
    net::{Http, Wire},
    rpc::Caller,
};

/// Where STS and the instance metadata are if not where Alibaba Cloud has them: in its private
/// clouds, and in tests.
const STS_ENDPOINT: &str = "CLBMIGRATE_STS_ENDPOINT";
const METADATA_ENDPOINT: &str = "CLBMIGRATE_METADATA_ENDPOINT";

impl Clb {
    /// Finds credentials, region and endpoint, and gets the keys where others give them. The CLB
    /// API is not asked yet.
    ///
    /// # Errors
    /// Where there are no credentials, they cannot be used, or the region is unknown.
    pub async fn connect(options: Options) -> Result<Self, Error> {
        Self::connect_in(options, Arc::new(Machine)).await
    }

    /// The same with other surroundings than the machine's.
    ///
    /// # Errors
    /// As [`Clb::connect`].
    pub async fn connect_in(
        options: Options,
        surroundings: Arc<dyn Surroundings>,
    ) -> Result<Self, Error> {
        let http = Wire::new(Arc::clone(&surroundings), options.ca.clone());
        Self::connect_over(options, surroundings, Arc::new(http)).await
    }

    pub(crate) async fn connect_over(
        options: Options,
        surroundings: Arc<dyn Surroundings>,
        http: Arc<dyn Http>,
    ) -> Result<Self, Error> {
        let Found { means, place, region, endpoint, vpc, sts, looked } =
            find(&options, surroundings.as_ref())?;
        let sts_given = given(options.sts_endpoint, STS_ENDPOINT, surroundings.as_ref())?;
        let metadata = given(options.metadata_endpoint, METADATA_ENDPOINT, surroundings.as_ref())?;
        let caller = Arc::new(Caller { http, surroundings, timeout: options.timeout });
        let issuer = Issuer {
            caller: Arc::clone(&caller),
            sts: sts_given,
            metadata: metadata.unwrap_or_else(Endpoint::metadata),
        };
        let of_instance = means.is_of_instance();
        let keeper = Keeper::new(means, place, issuer);
        keeper.keys(Instant::now() + options.patience).await.map_err(|error| match looked {
            Some(looked) => guessed_wrong(looked, &error),
            None => error,
        })?;
        let region = match region {
            Some(region) => region,
            None if of_instance => {
                let region = keeper.issuer.region_of_instance().await?;
                endpoint::region(&region, "metadata of this ECS instance")?
            }
            None => {
                return Err(Error::new(ErrorKind::Usage, "the CLB's region is unknown").hint(
                    "give --clb-region, set ALIBABA_CLOUD_REGION_ID, or region_id in the profile",
                ));
            }
        };
        let endpoint = match endpoint {
            Some((text, origin)) => Endpoint::parse(&text, &origin)?,
            None => Endpoint::slb(&region, vpc),
        };
        // Inside a VPC the central STS may be out of reach.
        let own =
            Sts { region: sts.region.or_else(|| vpc.then(|| region.clone())), vpc: sts.vpc || vpc };
        let sts = keeper.issuer.sts(&own);
        let limit = Limit::Each(options.patience);
        Ok(Self { shared: Arc::new(Shared { caller, keeper, endpoint, sts, region }), limit })
    }
}

/// An endpoint of the options, else of the environment.
fn given(
    option: Option<String>,
    variable: &str,
    surroundings: &dyn Surroundings,
) -> Result<Option<Endpoint>, Error> {
    let text = option.or_else(|| surroundings.value(&[variable]));
    text.map(|text| Endpoint::parse(&text, &format!("for {variable}"))).transpose()
}

/// The last resort has failed as well: what helps is to say what was looked at.
fn guessed_wrong(mut looked: Vec<String>, error: &Error) -> Error {
    looked.push(error.message.clone());
    nothing(&looked)
}
