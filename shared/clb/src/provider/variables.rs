//! The environment variables that the `aliyun` CLI and Alibaba Cloud's SDKs read, in their order.

pub(super) const ID: [&str; 4] = [
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABACLOUD_ACCESS_KEY_ID",
    "ALICLOUD_ACCESS_KEY_ID",
    "ACCESS_KEY_ID",
];
pub(super) const SECRET: [&str; 4] = [
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABACLOUD_ACCESS_KEY_SECRET",
    "ALICLOUD_ACCESS_KEY_SECRET",
    "ACCESS_KEY_SECRET",
];
pub(super) const TOKEN: [&str; 4] = [
    "ALIBABA_CLOUD_SECURITY_TOKEN",
    "ALIBABACLOUD_SECURITY_TOKEN",
    "ALICLOUD_SECURITY_TOKEN",
    "SECURITY_TOKEN",
];
pub(super) const REGION: [&str; 5] = [
    "ALIBABA_CLOUD_REGION_ID",
    "ALIBABACLOUD_REGION_ID",
    "ALICLOUD_REGION_ID",
    "REGION_ID",
    "REGION",
];
pub(super) const ENDPOINT: [&str; 1] = ["ALIBABA_CLOUD_ENDPOINT"];
pub(super) const ENDPOINT_TYPE: [&str; 4] = [
    "ALIBABA_CLOUD_ENDPOINT_TYPE",
    "ALIBABACLOUD_ENDPOINT_TYPE",
    "ALICLOUD_ENDPOINT_TYPE",
    "ENDPOINT_TYPE",
];

pub(super) const PROFILE: [&str; 3] =
    ["ALIBABACLOUD_PROFILE", "ALIBABA_CLOUD_PROFILE", "ALICLOUD_PROFILE"];
pub(super) const IGNORE_PROFILE: [&str; 2] =
    ["ALIBABA_CLOUD_IGNORE_PROFILE", "ALIBABACLOUD_IGNORE_PROFILE"];
pub(super) const PROFILE_DISABLED: [&str; 1] = ["ALIBABA_CLOUD_CLI_PROFILE_DISABLED"];
pub(super) const CONFIG_FILE: [&str; 1] = ["ALIBABA_CLOUD_CONFIG_FILE"];
pub(super) const SHARED_FILE: [&str; 1] = ["ALIBABA_CLOUD_CREDENTIALS_FILE"];

pub(super) const ROLE_ARN: [&str; 2] = ["ALIBABACLOUD_ROLE_ARN", "ALIBABA_CLOUD_ROLE_ARN"];
pub(super) const ROLE_SESSION: [&str; 2] =
    ["ALIBABA_CLOUD_ROLE_SESSION_NAME", "ALIBABACLOUD_ROLE_SESSION_NAME"];
pub(super) const EXTERNAL_ID: [&str; 2] = ["ALIBABACLOUD_EXTERNAL_ID", "ALIBABA_CLOUD_EXTERNAL_ID"];
pub(super) const OIDC_PROVIDER: [&str; 2] =
    ["ALIBABACLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"];
pub(super) const OIDC_TOKEN_FILE: [&str; 2] =
    ["ALIBABACLOUD_OIDC_TOKEN_FILE", "ALIBABA_CLOUD_OIDC_TOKEN_FILE"];
pub(super) const STS_REGION: [&str; 1] = ["ALIBABA_CLOUD_STS_REGION"];
pub(super) const VPC_ENDPOINTS: [&str; 1] = ["ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"];
pub(super) const STS_ENDPOINT: [&str; 1] = ["ALIBABA_CLOUD_STS_ENDPOINT"];
pub(super) const URI: [&str; 1] = ["ALIBABA_CLOUD_CREDENTIALS_URI"];

/// `1` or `true` forbids programs and credentials URIs.
pub(super) const EXTERNAL_DISABLED: &str = "ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS";
/// `Anonymous` asks for calls without credentials.
pub(super) const MODE: [&str; 1] = ["ALIBABA_CLOUD_PROFILE_MODE"];

pub(super) const INSTANCE_ROLE: [&str; 1] = ["ALIBABA_CLOUD_ECS_METADATA"];
pub(super) const INSTANCE_DISABLED: [&str; 1] = ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"];
pub(super) const IMDS_V1_DISABLED: [&str; 1] = ["ALIBABA_CLOUD_IMDSV1_DISABLED"];
