//! Flags over a kubeconfig.

use anyhow::Context;
use clbmigrate_e2e::{Tools, User};
use serde_json::json;

use super::{
    Bench,
    Outcome::{Fails, Works},
    Row, config, row, with,
};

#[expect(clippy::too_many_lines, reason = "a table")]
pub fn compare(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let bench = Bench::new(user)?;
    let (cluster, admin, robot) = (bench.cluster(), bench.admin(), bench.robot());
    let server = bench.server();
    let folder = bench.user.kubeconfig().parent().context("a folder")?.to_owned();
    let path = |name: &str, text: &str| -> anyhow::Result<String> {
        Ok(folder.join(bench.file(name, text)?).display().to_string())
    };
    let authority = path("flag-ca.crt", &bench.ca)?;
    let (crt, key) =
        (path("flag.crt", &bench.identity.certificate)?, path("flag.key", &bench.identity.key)?);
    let whole = path("flag.kubeconfig", &config(&cluster, &admin).to_string())?;
    let wrong = with(&cluster, json!({"server": "https://127.0.0.1:9"}));
    let misnamed = with(&cluster, json!({"tls-server-name": "elsewhere"}));
    let nobody = json!({});
    let bare = json!({"server": server});
    let of = |name, cluster, user, flags: &str, kubectl| Row {
        flags: flags.to_owned(),
        kubectl,
        ..row(name, cluster, user)
    };
    let missing = |name, flags: String, kubectl| Row {
        paths: "/nonexistent/config",
        flags,
        kubectl,
        ..row(name, &cluster, &admin)
    };
    let host = bench.host();
    bench.compare(&[
        of("another server", &wrong, &admin, &format!("-s {server}"), Works),
        of(
            "another server takes the name away",
            &misnamed,
            &admin,
            &format!("--server={server}"),
            Works,
        ),
        of(
            "another server and a name",
            &cluster,
            &admin,
            &format!("--server={server} --tls-server-name=elsewhere"),
            Fails,
        ),
        of(
            "a server without scheme",
            &wrong,
            &admin,
            &format!("--server={}", server.trim_start_matches("https://")),
            Fails,
        ),
        of("a name", &misnamed, &admin, &format!("--tls-server-name={host}"), Works),
        of("a wrong name", &cluster, &admin, "--tls-server-name=elsewhere", Fails),
        of("an authority", &bare, &admin, &format!("--certificate-authority={authority}"), Works),
        of(
            "an authority ends insecure",
            &with(&bare, json!({"insecure-skip-tls-verify": true})),
            &admin,
            &format!("--certificate-authority={crt}"),
            Fails,
        ),
        of(
            "an authority that is not there",
            &bare,
            &admin,
            "--certificate-authority=/no/such",
            Fails,
        ),
        of(
            "insecure takes the authority away",
            &misnamed,
            &admin,
            "--insecure-skip-tls-verify",
            Works,
        ),
        of(
            "insecure and an authority",
            &bare,
            &admin,
            &format!("--insecure-skip-tls-verify --certificate-authority={authority}"),
            Fails,
        ),
        of(
            "a certificate",
            &cluster,
            &nobody,
            &format!("--client-certificate={crt} --client-key={key}"),
            Works,
        ),
        of(
            "a certificate over another",
            &cluster,
            &admin,
            &format!("--client-certificate={crt} --client-key={key}"),
            Works,
        ),
        of(
            "a certificate without a key",
            &cluster,
            &nobody,
            &format!("--client-certificate={crt}"),
            Fails,
        ),
        of("a token", &cluster, &nobody, &format!("--token={}", bench.token), Works),
        of("a wrong token", &cluster, &robot, "--token=wrong", Fails),
        of("a password", &cluster, &nobody, "--username=ann --password=secret", Fails),
        of(
            "a password beside a token",
            &cluster,
            &robot,
            "--username=ann --password=secret",
            Fails,
        ),
        of(
            "somebody else",
            &cluster,
            &admin,
            "--as=ann --as-group=system:masters --as-uid=7",
            Works,
        ),
        of(
            "somebody else with extras",
            &cluster,
            &admin,
            "--as=ann --as-group=system:masters --as-user-extra=a=b --as-user-extra=a=c",
            Works,
        ),
        of("groups of nobody", &cluster, &admin, "--as-group=system:masters", Fails),
        of(
            "groups of the kubeconfig's",
            &cluster,
            &with(&admin, json!({"as": "ann"})),
            "--as-group=system:masters",
            Works,
        ),
        of("no compression", &cluster, &admin, "--disable-compression", Works),
        of("no such user", &cluster, &admin, "--user=nobody", Fails),
        of("no such cluster", &cluster, &admin, "--cluster=nowhere", Fails),
        of("the same user and cluster", &cluster, &admin, "--user=x --cluster=x", Works),
        of("an empty context", &cluster, &admin, "--context=", Works),
        missing("no kubeconfig", String::new(), Fails),
        missing("a kubeconfig by a flag", format!("--kubeconfig={whole}"), Works),
        missing(
            "a kubeconfig that is not there, by a flag",
            "--kubeconfig=/no/such".to_owned(),
            Fails,
        ),
        missing(
            "everything by flags",
            format!(
                "--server={server} --certificate-authority={authority} --token={}",
                bench.token
            ),
            Works,
        ),
    ])
}
