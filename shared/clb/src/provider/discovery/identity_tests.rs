//! Which identity profile and environment give, by the CLI's rules (aliyun-cli:
//! `config/profile.go`, `OverwriteWithFlags` and `AutoModeRecognition`).

use rstest::rstest;
use serde_json::{Value, json};

use super::{tests::summary, *};
use crate::testing::FakeEnvironment;

const KEY: [(&str, &str); 2] =
    [("ALIBABA_CLOUD_ACCESS_KEY_ID", "env-id"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s")];
const TOKEN: (&str, &str) = ("ALIBABA_CLOUD_SECURITY_TOKEN", "t");
const ROLE: (&str, &str) = ("ALIBABA_CLOUD_ROLE_ARN", "env-role");
const POD: [(&str, &str); 3] = [
    ROLE,
    ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "env-p"),
    ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/env-token"),
];
const URI: (&str, &str) = ("ALIBABA_CLOUD_CREDENTIALS_URI", "http://env-keys/");
const SHARED: &str =
    "[default]\ntype = access_key\naccess_key_id = ini-id\naccess_key_secret = s\n";

/// The file with this profile as its current one, these variables, and somebody else's key in the
/// SDKs' shared file.
fn environment(profile: &Value, variables: &[(&str, &str)]) -> FakeEnvironment {
    let mut profile = profile.clone();
    profile["name"] = json!("prod");
    let others = json!({"name": "base", "access_key_id": "base-id", "access_key_secret": "s"});
    let keyless = json!({"name": "keyless", "mode": "AK", "access_key_secret": "s"});
    let file = json!({"current": "prod", "profiles": [profile, others, keyless]});
    let environment = FakeEnvironment::new()
        .file("/home/ann/.aliyun/config.json", file.to_string())
        .file("/home/ann/.alibabacloud/credentials", SHARED);
    variables
        .iter()
        .fold(environment, |environment, (name, value)| environment.variable(name, value))
}

/// The identity in short, or the error's message.
fn identity(profile: &Value, variables: &[(&str, &str)]) -> String {
    match discover(&Options::default(), &environment(profile, variables)) {
        Ok(found) => summary(&found.provider),
        Err(error) => error.message,
    }
}

/// Fields of a profile that names no mode.
fn fields(names: &[&str]) -> Value {
    let all = json!({
        "access_key_id": "id", "access_key_secret": "s", "sts_token": "t", "ram_role_arn": "role",
        "private_key": "k", "key_pair_name": "n", "ram_role_name": "ecs-role",
        "process_command": "get keys", "oidc_provider_arn": "p", "oidc_token_file": "/token",
        "cloud_sso_sign_in_url": "https://sso", "bearer_token": "b", "credentials_uri": "http://keys/",
        "source_profile": "base",
    });
    names.iter().map(|name| ((*name).to_owned(), all[*name].clone())).collect()
}

#[rstest]
#[case(&["access_key_id", "access_key_secret"], "ak id")]
#[case(&["access_key_id", "access_key_secret", "sts_token"], "sts id")]
#[case(&["access_key_id", "access_key_secret", "sts_token", "ram_role_arn"], "sts id")]
#[case(&["access_key_id", "access_key_secret", "ram_role_arn"], "role of (ak id)")]
#[case(&["access_key_id", "access_key_secret", "ram_role_name", "process_command"], "ak id")]
#[case(&["private_key", "key_pair_name", "ram_role_name"], "mode \"RsaKeyPair\" is not supported")]
#[case(&["ram_role_name", "process_command"], "instance ecs-role v1=true")]
#[case(&["access_key_id", "ram_role_name"], "instance ecs-role v1=true")]
#[case(&["process_command", "oidc_provider_arn", "oidc_token_file", "ram_role_arn"], "run get keys")]
#[case(&["oidc_provider_arn", "oidc_token_file", "ram_role_arn", "cloud_sso_sign_in_url"], "role of /token")]
#[case(&["cloud_sso_sign_in_url", "bearer_token"], "the log-in (CloudSSO) has expired")]
#[case(&["bearer_token"], "mode \"BearerToken\" is not supported")]
// What follows tells no mode: it is an error, and never somebody else's identity.
#[case(&["access_key_id"], "access_key_secret is missing")]
#[case(&["access_key_secret"], "mode is missing")]
#[case(&["sts_token"], "mode is missing")]
#[case(&["ram_role_arn"], "mode is missing")]
#[case(&["private_key"], "mode is missing")]
#[case(&["oidc_provider_arn", "oidc_token_file"], "mode is missing")]
#[case(&["credentials_uri"], "mode is missing")]
#[case(&["source_profile", "ram_role_arn"], "mode is missing")]
fn a_profile_without_mode_is_known_by_its_fields(#[case] names: &[&str], #[case] wanted: &str) {
    let identity = identity(&fields(names), &[]);
    let place = "profile \"prod\" of ~/.aliyun/config.json: ";
    assert_eq!(identity.strip_prefix(place).unwrap_or(&identity), wanted);
}

#[rstest]
// The environment fills what the profile lacks, and what the profile has beats it.
#[case(json!({}), &[KEY[0], KEY[1]], "ak env-id")]
#[case(json!({}), &[KEY[0], KEY[1], TOKEN], "sts env-id")]
#[case(json!({}), &[KEY[0], KEY[1], ROLE], "env-role of (ak env-id)")]
#[case(json!({}), &POD, "env-role of /env-token")]
#[case(json!({}), &[URI], "uri http://env-keys/")]
#[case(json!({}), &[], "ak ini-id")]
#[case(json!({"mode": "AK"}), &[KEY[0], KEY[1], TOKEN], "ak env-id")]
#[case(json!({"mode": "StsToken"}), &[KEY[0], KEY[1], TOKEN], "sts env-id")]
#[case(json!({"mode": "RamRoleArn"}), &[KEY[0], KEY[1], ROLE], "env-role of (ak env-id)")]
#[case(json!({"mode": "RamRoleArn", "ram_role_arn": "role"}), &[KEY[0], KEY[1], ROLE], "role of (ak env-id)")]
#[case(json!({"mode": "OIDC"}), &POD, "env-role of /env-token")]
#[case(json!({"mode": "CredentialsURI"}), &[URI], "uri http://env-keys/")]
#[case(json!({"mode": "CredentialsURI", "credentials_uri": "http://keys/"}), &[URI], "uri http://keys/")]
#[case(json!({"ram_role_arn": "role"}), &[KEY[0], KEY[1]], "role of (ak env-id)")]
#[case(json!({"ram_role_arn": "role"}), &[KEY[0], KEY[1], TOKEN], "sts env-id")]
#[case(json!({"ram_role_name": "ecs-role"}), &[KEY[0], KEY[1]], "ak env-id")]
#[case(json!({"process_command": "get keys"}), &POD, "run get keys")]
#[case(json!({"oidc_token_file": "/token"}), &POD, "env-role of /token")]
#[case(json!({"access_key_id": "id", "access_key_secret": "s"}), &[TOKEN], "ak id")]
#[case(json!({"access_key_id": "id", "access_key_secret": "s"}), &[ROLE], "env-role of (ak id)")]
#[case(json!({"access_key_id": "id"}), &[KEY[1]], "ak id")]
fn the_environment_adds_to_a_profile_what_it_lacks(
    #[case] profile: Value,
    #[case] variables: &[(&str, &str)],
    #[case] wanted: &str,
) {
    assert_eq!(identity(&profile, variables), wanted);
}

#[rstest]
#[case(json!({"mode": "AK"}), "environment ALIBABA_CLOUD_ACCESS_KEY_ID")]
#[case(
    json!({"ram_role_arn": "role"}),
    "profile \"prod\" of ~/.aliyun/config.json, with the key of environment ALIBABA_CLOUD_ACCESS_KEY_ID"
)]
#[case(
    json!({"mode": "AK", "access_key_id": "id", "access_key_secret": "s"}),
    "profile \"prod\" of ~/.aliyun/config.json"
)]
fn whose_key_it_is_is_told(#[case] profile: Value, #[case] place: &str) {
    let found = discover(&Options::default(), &environment(&profile, &KEY)).expect("credentials");
    assert_eq!(found.place, place);
}

#[test]
fn the_environment_adds_nothing_to_a_profile_that_another_one_is_based_on() {
    let chain = |source| json!({"mode": "ChainableRamRoleArn", "ram_role_arn": "role", "source_profile": source});
    assert_eq!(identity(&chain("base"), &KEY), "role of (ak base-id)");
    assert_eq!(
        identity(&chain("keyless"), &KEY),
        "profile \"keyless\" of ~/.aliyun/config.json: access_key_id is missing"
    );
}

#[test]
fn a_profile_that_was_named_and_says_nothing_takes_the_environment_s_identity_or_none() {
    let options = Options { profile: Some("prod".to_owned()), ..Options::default() };
    let found = discover(&options, &environment(&json!({}), &KEY)).expect("the environment's");
    assert_eq!(summary(&found.provider), "ak env-id");
    let error = discover(&options, &environment(&json!({}), &[])).expect_err("not ini-id");
    assert_eq!(
        error.message,
        "profile \"prod\" of ~/.aliyun/config.json has no credentials, nor has the environment"
    );
}

const FORBIDDEN: &str = "ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS";

#[rstest]
#[case(json!({"mode": "External", "process_command": "get keys"}), &[], "credential programs")]
#[case(json!({"process_command": "get keys"}), &[], "credential programs")]
#[case(json!({"mode": "CredentialsURI", "credentials_uri": "http://keys/"}), &[], "credentials URIs")]
#[case(json!({"mode": "CredentialsURI"}), &[URI], "credentials URIs")]
#[case(json!({}), &[URI], "credentials URIs")]
fn programs_and_credentials_uris_can_be_forbidden(
    #[case] profile: Value,
    #[case] variables: &[(&str, &str)],
    #[case] what: &str,
) {
    for value in ["1", "true", "TRUE"] {
        let mut variables = variables.to_vec();
        variables.push((FORBIDDEN, value));
        let message = identity(&profile, &variables);
        assert!(message.ends_with(&format!(": {FORBIDDEN} forbids {what}")), "{message}");
    }
    for value in ["0", "false", "", "no"] {
        let mut variables = variables.to_vec();
        variables.push((FORBIDDEN, value));
        let identity = identity(&profile, &variables);
        assert!(identity.starts_with("run ") || identity.starts_with("uri "), "{identity}");
    }
}

#[test]
fn a_program_that_is_forbidden_is_not_run_for_a_chain_of_roles_either() {
    let file = json!({"current": "prod", "profiles": [
        {"name": "prod", "mode": "ChainableRamRoleArn", "ram_role_arn": "r", "source_profile": "get"},
        {"name": "get", "mode": "External", "process_command": "get keys"},
    ]});
    let environment = FakeEnvironment::new()
        .file("/home/ann/.aliyun/config.json", file.to_string())
        .variable(FORBIDDEN, "1");
    let error = discover(&Options::default(), &environment).expect_err("forbidden");
    assert_eq!(
        error.message,
        format!(
            "profile \"get\" of ~/.aliyun/config.json: {FORBIDDEN} forbids credential programs"
        )
    );
    assert!(error.hints[0].contains(FORBIDDEN), "{:?}", error.hints);
}

#[rstest]
#[case(json!({"mode": "EcsRamRole"}))]
#[case(json!({"mode": "RamRoleArnWithRoleName", "ram_role_arn": "role"}))]
#[case(json!({"ram_role_name": "ecs-role"}))]
fn the_instance_s_role_can_be_forbidden(#[case] profile: Value) {
    let message = identity(&profile, &[("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")]);
    assert_eq!(
        message,
        "profile \"prod\" of ~/.aliyun/config.json: ALIBABA_CLOUD_ECS_METADATA_DISABLED forbids the \
         role of this ECS instance"
    );
}

#[test]
fn who_asks_for_anonymous_calls_is_nobody() {
    let keys = json!({"mode": "AK", "access_key_id": "id", "access_key_secret": "s"});
    let variables = [("ALIBABA_CLOUD_PROFILE_MODE", "anonymous")];
    let error = discover(&Options::default(), &environment(&keys, &variables)).expect_err("nobody");
    assert_eq!(error.kind, ErrorKind::NoCredentials);
    assert!(error.message.contains("ALIBABA_CLOUD_PROFILE_MODE is anonymous"), "{error}");
}

/// The STS that the role of the current profile is asked from.
fn sts_of_role(profile: Value, variables: &[(&str, &str)]) -> Sts {
    let mut profile = profile;
    for (name, value) in [
        ("mode", "RamRoleArn"),
        ("access_key_id", "id"),
        ("access_key_secret", "s"),
        ("ram_role_arn", "r"),
    ] {
        profile[name] = json!(value);
    }
    let found = discover(&Options::default(), &environment(&profile, variables)).expect("a role");
    let Provider::AssumeRole { role, .. } = found.provider else { panic!("{:?}", found.provider) };
    assert_eq!(role.sts, found.sts, "the caller's identity is asked for at the same place");
    role.sts
}

const OF_ENVIRONMENT: (&str, &str) = ("ALIBABA_CLOUD_STS_ENDPOINT", "sts-vpc.cn-env.aliyuncs.com");

#[rstest]
#[case(json!({}), &[], None)]
#[case(json!({}), &[OF_ENVIRONMENT], Some("https://sts-vpc.cn-env.aliyuncs.com"))]
#[case(json!({"sts_region": "cn-a"}), &[OF_ENVIRONMENT], Some("https://sts-vpc.cn-env.aliyuncs.com"))]
#[case(json!({"sts_endpoint": "sts.example.com"}), &[OF_ENVIRONMENT], Some("https://sts.example.com"))]
#[case(json!({"sts_endpoint": " http://sts.example.com/ "}), &[], Some("https://sts.example.com"))]
fn the_profile_s_sts_endpoint_beats_the_environment_s(
    #[case] profile: Value,
    #[case] variables: &[(&str, &str)],
    #[case] wanted: Option<&str>,
) {
    let sts = sts_of_role(profile, variables);
    assert_eq!(sts.endpoint.map(|endpoint| endpoint.to_string()).as_deref(), wanted);
}

#[test]
fn a_region_of_sts_that_is_none_is_refused() {
    let profile = json!({"mode": "AK", "access_key_id": "id", "access_key_secret": "s", "sts_region": "x.evil/"});
    let message = identity(&profile, &[]);
    assert_eq!(message, "\"x.evil/\" is no region (profile \"prod\" of ~/.aliyun/config.json)");
}
