//! What a user may say about the connection.

use std::{path::PathBuf, time::Duration};

/// Which CLB API, as whom, and how patiently. The default is what the `aliyun` CLI would use.
#[derive(Debug, Clone)]
pub struct Options {
    /// The profile of the CLI's configuration file.
    pub profile: Option<String>,
    /// The region, such as `cn-hangzhou`.
    pub region: Option<String>,
    /// The CLB API's endpoint: `HOST[:PORT]` for https, or with `http://` before it.
    pub endpoint: Option<String>,
    /// STS's endpoint, written alike; else what `CLBMIGRATE_STS_ENDPOINT` says.
    pub sts_endpoint: Option<String>,
    /// The endpoint of the instance metadata, written alike; else what
    /// `CLBMIGRATE_METADATA_ENDPOINT` says.
    pub metadata_endpoint: Option<String>,
    /// A file of certificates (PEM) that are trusted besides the system's.
    pub ca: Option<PathBuf>,
    /// Whether the metadata of an ECS instance are asked where nothing else gives credentials.
    /// Elsewhere than on an instance that takes two seconds, for nothing.
    pub try_instance_metadata: bool,
    /// How long one call may take, connecting included.
    pub attempt_timeout: Duration,
    /// How long an operation may take with its repetitions, where no deadline is given.
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
