//! Options of the client.

use std::{path::PathBuf, time::Duration};

/// Which CLB API is called, with which credentials, and for how long. With the defaults, profile,
/// region and endpoint are the ones that the `aliyun` CLI would use.
#[derive(Debug, Clone)]
pub struct Options {
    /// The profile of the CLI's configuration file; `None` for the one that environment or file
    /// name.
    pub profile: Option<String>,
    /// The region, such as `cn-hangzhou`; `None` for the one that profile, environment or instance
    /// metadata name.
    pub region: Option<String>,
    /// The CLB API's endpoint: `HOST[:PORT]` for https, or `http://HOST[:PORT]`. `None` for the
    /// region's own. With `http://` the host must be this machine or the metadata service, unless
    /// `CLBMIGRATE_ALLOW_HTTP` is `true`.
    pub endpoint: Option<String>,
    /// The endpoint of STS, in the same form; `None` for `CLBMIGRATE_STS_ENDPOINT`, and without
    /// that for the profile's `sts_endpoint`, `ALIBABA_CLOUD_STS_ENDPOINT` or the region's own.
    pub sts_endpoint: Option<String>,
    /// The endpoint of the instance metadata, in the same form; `None` for
    /// `CLBMIGRATE_METADATA_ENDPOINT`, and without that for `http://100.100.100.200`.
    pub metadata_endpoint: Option<String>,
    /// A PEM file of authorities that are trusted besides the system's.
    pub ca: Option<PathBuf>,
    /// Whether the instance metadata are asked for credentials when no other place has any. On a
    /// machine that is no ECS instance this costs up to two seconds.
    pub try_instance_metadata: bool,
    /// The time limit of one attempt of a call, connecting included.
    pub attempt_timeout: Duration,
    /// The time limit of one operation of [`crate::ClbClient`], with all attempts of its calls.
    pub operation_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: None,
            region: None,
            endpoint: None,
            sts_endpoint: None,
            metadata_endpoint: None,
            ca: None,
            try_instance_metadata: true,
            attempt_timeout: Duration::from_secs(20),
            operation_timeout: Duration::from_secs(90),
        }
    }
}
