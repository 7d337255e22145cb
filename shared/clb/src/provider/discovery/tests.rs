use rstest::rstest;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::*;
use crate::testing::FakeEnvironment;

const CONFIG: &str = "/home/ann/.aliyun/config.json";
const SHARED: &str = "/home/ann/.alibabacloud/credentials";

/// What was found, in short.
pub(super) fn summary(provider: &Provider) -> String {
    match provider {
        Provider::Static(credentials) if credentials.token.is_some() => {
            format!("sts {}", credentials.id)
        }
        Provider::Static(credentials) => format!("ak {}", credentials.id),
        Provider::AssumeRole { from, role } => format!("{} of ({})", role.arn, summary(from)),
        Provider::AssumeRoleWithOidc { role, token_file, .. } => {
            format!("{} of {token_file}", role.arn)
        }
        Provider::InstanceRole { role, v1 } => {
            format!("instance {} v1={v1}", role.as_deref().unwrap_or("?"))
        }
        Provider::Uri(uri) => format!("uri {}", uri.expose_secret()),
        Provider::Process(command) => format!("run {}", command.expose_secret()),
    }
}

fn discovered(environment: &FakeEnvironment, options: &Options) -> Result<(String, String), Error> {
    discover(options, environment).map(|found| (summary(&found.provider), found.place))
}

fn config(profiles: &Value) -> String {
    json!({"current": "prod", "profiles": profiles}).to_string()
}

/// A profile of that mode, with all that any mode needs.
fn full(mode: &str) -> Value {
    json!({
        "name": "prod", "mode": mode, "access_key_id": "id", "access_key_secret": "secret",
        "sts_token": "token", "ram_role_arn": "role", "ram_session_name": "s",
        "ram_role_name": "ecs-role", "source_profile": "base", "process_command": "get keys",
        "credentials_uri": "http://keys/", "oidc_provider_arn": "p", "oidc_token_file": "/token",
        "sts_expiration": 4_000_000_000_u32,
    })
}

#[rstest]
#[case("AK", "ak id")]
#[case("ak", "ak id")]
#[case("StsToken", "sts id")]
#[case("RamRoleArn", "role of (sts id)")]
#[case("ChainableRamRoleArn", "role of (ak base-id)")]
#[case("EcsRamRole", "instance ecs-role v1=true")]
#[case("RamRoleArnWithRoleName", "role of (instance ecs-role v1=true)")]
#[case("OIDC", "role of /token")]
#[case("CredentialsURI", "uri http://keys/")]
#[case("External", "run get keys")]
#[case("CloudSSO", "sts id")]
#[case("OAuth", "sts id")]
#[case("", "sts id")]
fn every_mode_of_the_cli_is_understood(#[case] mode: &str, #[case] wanted: &str) {
    let base = json!({
        "name": "base", "mode": "AK", "access_key_id": "base-id", "access_key_secret": "b",
    });
    let environment = FakeEnvironment::new().file(CONFIG, config(&json!([full(mode), base])));
    let (provider, place) = discovered(&environment, &Options::default()).expect("credentials");
    assert_eq!(provider, wanted);
    assert_eq!(place, "profile \"prod\" of ~/.aliyun/config.json");
}

#[rstest]
#[case("RsaKeyPair", "Alibaba Cloud has given it up")]
#[case("BearerToken", "needs a signature")]
#[case("Anonymous", "needs a signature")]
#[case("Magic", "modes that work")]
fn a_mode_that_cannot_work_is_named_with_what_to_do(#[case] mode: &str, #[case] hint: &str) {
    let environment = FakeEnvironment::new().file(CONFIG, config(&json!([full(mode)])));
    let error = discovered(&environment, &Options::default()).expect_err("not supported");
    assert!(error.message.ends_with(&format!("mode {mode:?} is not supported")), "{error}");
    assert!(error.hints[0].contains(hint), "{:?}", error.hints);
}

#[rstest]
#[case("AK", "access_key_secret")]
#[case("StsToken", "sts_token")]
#[case("RamRoleArn", "ram_role_arn")]
#[case("ChainableRamRoleArn", "source_profile")]
#[case("OIDC", "oidc_token_file")]
#[case("CredentialsURI", "credentials_uri")]
#[case("External", "process_command")]
fn a_field_that_is_missing_is_named_with_the_command_that_sets_it(
    #[case] mode: &str,
    #[case] field: &str,
) {
    let mut profile = full(mode);
    profile[field] = json!("");
    let environment = FakeEnvironment::new().file(CONFIG, config(&json!([profile])));
    let error = discovered(&environment, &Options::default()).expect_err("missing");
    assert_eq!(
        error.message,
        format!("profile \"prod\" of ~/.aliyun/config.json: {field} is missing")
    );
    assert_eq!(error.hints, [format!("set it with aliyun configure --profile prod --mode {mode}")]);
}

#[test]
fn profiles_that_name_each_other_as_source_are_an_error() {
    let a = json!({"name": "prod", "mode": "ChainableRamRoleArn", "ram_role_arn": "r", "source_profile": "b"});
    let b = json!({"name": "b", "mode": "ChainableRamRoleArn", "ram_role_arn": "r", "source_profile": "prod"});
    let environment = FakeEnvironment::new().file(CONFIG, config(&json!([a, b])));
    let error = discovered(&environment, &Options::default()).expect_err("a circle");
    assert!(error.message.ends_with("in a circle: prod -> b -> prod"), "{error}");
}

#[test]
fn a_log_in_that_has_expired_says_how_to_renew_it() {
    let mut profile = full("CloudSSO");
    profile["sts_expiration"] = json!(1_000_000_000);
    let environment = FakeEnvironment::new().file(CONFIG, config(&json!([profile])));
    let error = discovered(&environment, &Options::default()).expect_err("expired");
    assert_eq!(error.kind, ErrorKind::Expired);
    assert_eq!(error.hints[0], "renew it: aliyun sts GetCallerIdentity --profile prod");
}

#[test]
fn the_end_of_an_old_log_in_is_no_end_of_an_access_key() {
    let mut profile = full("AK");
    profile["sts_expiration"] = json!(1_000_000_000);
    let environment = FakeEnvironment::new().file(CONFIG, config(&json!([profile])));
    let found = discover(&Options::default(), &environment).expect("credentials");
    let Provider::Static(credentials) = found.provider else { panic!("{:?}", found.provider) };
    assert_eq!((credentials.expires, credentials.token.is_none()), (None, true));
}

/// One place after the other is taken away; the next one is found.
#[test]
fn places_are_looked_at_in_the_cli_s_order() {
    let all = || {
        FakeEnvironment::new()
            .variable("ALIBABACLOUD_ACCESS_KEY_ID", "env-id")
            .variable("ALIBABACLOUD_ACCESS_KEY_SECRET", "s")
    };
    let pod = |environment: FakeEnvironment| {
        environment
            .variable("ALIBABA_CLOUD_ROLE_ARN", "pod-role")
            .variable("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "p")
            .variable("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/token")
    };
    let uri = |environment: FakeEnvironment| {
        environment.variable("ALIBABA_CLOUD_CREDENTIALS_URI", "http://keys/")
    };
    let shared = |environment: FakeEnvironment| {
        environment.file(
            SHARED,
            "[default]\ntype = access_key\naccess_key_id = ini-id\naccess_key_secret = s\n",
        )
    };
    let profile = json!([{"name": "prod", "mode": "AK", "access_key_id": "file-id", "access_key_secret": "s"}]);
    let cases = [
        (shared(uri(pod(all()))).file(CONFIG, config(&profile)), "ak file-id"),
        (shared(uri(all())), "ak env-id"),
        (pod(all()), "pod-role of (ak env-id)"),
        (shared(uri(pod(FakeEnvironment::new()))), "pod-role of /token"),
        (shared(uri(FakeEnvironment::new())), "uri http://keys/"),
        (shared(FakeEnvironment::new()), "ak ini-id"),
        (
            FakeEnvironment::new().variable("ALIBABA_CLOUD_ECS_METADATA", "node"),
            "instance node v1=true",
        ),
        (
            FakeEnvironment::new().variable("ALIBABA_CLOUD_IMDSV1_DISABLED", "True"),
            "instance ? v1=false",
        ),
    ];
    for (environment, wanted) in cases {
        assert_eq!(discovered(&environment, &Options::default()).expect("credentials").0, wanted);
    }
}

#[test]
fn where_nothing_is_found_all_places_are_told() {
    let environment =
        FakeEnvironment::new().variable("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    let error = discovered(&environment, &Options::default()).expect_err("nothing");
    assert_eq!(error.kind, ErrorKind::NoCredentials);
    assert_eq!(
        error.message,
        "no credentials for the CLB API (~/.aliyun/config.json: no such file; \
         environment: no ALIBABA_CLOUD_ACCESS_KEY_ID; ~/.alibabacloud/credentials: no such file)"
    );
}

#[test]
fn the_instance_is_not_guessed_at_where_nobody_wants_that() {
    let options = Options { try_instance_metadata: false, ..Options::default() };
    let error = discovered(&FakeEnvironment::new(), &options).expect_err("nothing");
    assert_eq!(error.kind, ErrorKind::NoCredentials);
    let environment = FakeEnvironment::new().variable("ALIBABA_CLOUD_ECS_METADATA", "node");
    assert_eq!(
        discovered(&environment, &options).expect("a role that is named").0,
        "instance node v1=true"
    );
}

#[rstest]
#[case(None, None, "ak prod")]
#[case(None, Some("ALIBABA_CLOUD_PROFILE"), "ak test")]
#[case(None, Some("ALICLOUD_PROFILE"), "ak test")]
#[case(Some("dev"), Some("ALIBABA_CLOUD_PROFILE"), "ak dev")]
fn the_flag_beats_the_environment_and_that_the_file(
    #[case] flag: Option<&str>,
    #[case] variable: Option<&str>,
    #[case] wanted: &str,
) {
    let profile =
        |name| json!({"name": name, "mode": "AK", "access_key_id": name, "access_key_secret": "s"});
    let profiles = json!([profile("test"), profile("prod"), profile("dev")]);
    let mut environment = FakeEnvironment::new().file(CONFIG, config(&profiles));
    if let Some(name) = variable {
        environment = environment.variable(name, "test");
    }
    let options = Options { profile: flag.map(str::to_owned), ..Options::default() };
    assert_eq!(discovered(&environment, &options).expect("credentials").0, wanted);
}

#[test]
fn who_names_a_profile_that_does_not_exist_never_acts_as_somebody_else() {
    let profiles = json!([{"name": "prod"}, {"name": "dev"}]);
    let environment = FakeEnvironment::new()
        .file(CONFIG, config(&profiles))
        .variable("ALIBABA_CLOUD_ACCESS_KEY_ID", "env-id")
        .variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s");
    let options = Options { profile: Some("live".to_owned()), ..Options::default() };
    let error = discovered(&environment, &options).expect_err("no such profile");
    assert_eq!(
        error.message,
        "there is no profile \"live\" (--clb-profile): ~/.aliyun/config.json: profiles prod, dev; \
         ~/.alibabacloud/credentials: no such file"
    );
    let environment = environment.variable("ALIBABA_CLOUD_PROFILE", "live");
    let error = discovered(&environment, &Options::default()).expect_err("no such profile");
    assert!(error.message.contains("\"live\" (ALIBABA_CLOUD_PROFILE)"), "{error}");
}

#[test]
fn a_current_profile_that_does_not_exist_is_told_with_those_that_do() {
    let profiles = json!([{"name": "test"}, {"name": "dev"}]);
    let environment = FakeEnvironment::new().file(CONFIG, config(&profiles));
    let error = discovered(&environment, &Options::default()).expect_err("no such profile");
    assert_eq!(
        error.message,
        "~/.aliyun/config.json has no profile \"prod\", which it calls current"
    );
    assert_eq!(error.hints[0], "profiles there are: test, dev");
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let environment =
        FakeEnvironment::new().variable("ALIBABA_CLOUD_CONFIG_FILE", "/etc/keys.json");
    let error = discovered(&environment, &Options::default()).expect_err("no file");
    assert!(error.message.starts_with("/etc/keys.json cannot be read"), "{error}");
}

#[test]
fn profiles_can_be_ignored() {
    let environment = FakeEnvironment::new()
        .file(CONFIG, config(&json!([full("AK")])))
        .variable("ALIBABA_CLOUD_IGNORE_PROFILE", "TRUE")
        .variable("ACCESS_KEY_ID", "env-id")
        .variable("ACCESS_KEY_SECRET", "s")
        .variable("SECURITY_TOKEN", "t");
    assert_eq!(discovered(&environment, &Options::default()).expect("credentials").0, "sts env-id");
}

#[test]
fn a_profile_without_keys_takes_the_environment_s_and_keeps_its_region() {
    let profiles = json!([{"name": "prod", "mode": "", "region_id": "cn-chengdu"}]);
    let environment = FakeEnvironment::new()
        .file(CONFIG, config(&profiles))
        .variable("ALIBABA_CLOUD_ACCESS_KEY_ID", "env-id")
        .variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s")
        .variable("ALIBABA_CLOUD_REGION_ID", "cn-beijing");
    let found = discover(&Options::default(), &environment).expect("credentials");
    assert_eq!(summary(&found.provider), "ak env-id");
    assert_eq!(found.place, "environment ALIBABA_CLOUD_ACCESS_KEY_ID");
    assert_eq!(found.region.as_deref(), Some("cn-chengdu"));
}

#[test]
fn a_token_of_the_environment_never_joins_a_key_of_the_file() {
    let profiles = json!([{
        "name": "prod", "mode": "StsToken", "access_key_id": "file-id", "access_key_secret": "s",
    }]);
    let environment = FakeEnvironment::new()
        .file(CONFIG, config(&profiles))
        .variable("ALIBABA_CLOUD_SECURITY_TOKEN", "t");
    let error = discovered(&environment, &Options::default()).expect_err("no token");
    assert!(error.message.ends_with("sts_token is missing"), "{error}");
}

#[test]
fn an_access_key_without_its_secret_is_an_error_that_names_both() {
    let environment = FakeEnvironment::new().variable("ALICLOUD_ACCESS_KEY_ID", "id");
    let error = discovered(&environment, &Options::default()).expect_err("half a key");
    assert_eq!(
        error.message,
        "environment ALICLOUD_ACCESS_KEY_ID is set, but no ALICLOUD_ACCESS_KEY_SECRET"
    );
}

#[test]
fn flags_beat_the_profile_s_region_and_endpoint() {
    let mut profile = full("AK");
    profile["region_id"] = json!("cn-chengdu");
    profile["endpoint"] = json!("slb.example.com");
    profile["endpoint_type"] = json!("VPC");
    let environment = FakeEnvironment::new()
        .file(CONFIG, config(&json!([profile])))
        .variable("ALIBABA_CLOUD_ENDPOINT", "slb.elsewhere.com");
    let of_file = discover(&Options::default(), &environment).expect("credentials");
    assert_eq!(of_file.region.as_deref(), Some("cn-chengdu"));
    assert_eq!(of_file.endpoint.expect("an endpoint").host(), "slb.example.com");
    assert!(of_file.vpc);
    let options = Options {
        region: Some("cn-beijing".to_owned()),
        endpoint: Some("http://127.0.0.1:1".to_owned()),
        ..Options::default()
    };
    let of_flags = discover(&options, &environment).expect("credentials");
    assert_eq!(of_flags.region.as_deref(), Some("cn-beijing"));
    let endpoint = of_flags.endpoint.expect("an endpoint");
    assert_eq!(endpoint.to_string(), "http://127.0.0.1:1");
}

#[test]
fn a_region_that_is_none_is_refused_with_where_it_stands() {
    let environment = FakeEnvironment::new()
        .variable("ALIBABA_CLOUD_ACCESS_KEY_ID", "id")
        .variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s")
        .variable("ALICLOUD_REGION_ID", "Hangzhou!");
    let error = discover(&Options::default(), &environment).expect_err("no region");
    assert_eq!(error.message, "\"Hangzhou!\" is no region (environment ALICLOUD_REGION_ID)");
}

#[test]
fn a_section_of_the_shared_file_may_be_meant_by_the_profile_s_variable() {
    let environment = FakeEnvironment::new()
        .variable("ALIBABA_CLOUD_PROFILE", "live")
        .file(SHARED, "[live]\ntype = ecs_ram_role\nrole_name = node\n");
    let (provider, place) = discovered(&environment, &Options::default()).expect("credentials");
    assert_eq!(provider, "instance node v1=true");
    assert_eq!(place, "section [live] of ~/.alibabacloud/credentials");
}
