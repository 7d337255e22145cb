//! Who the user is.

use clbmigrate_e2e::{Tools, User};
use serde_json::json;

use super::{
    Bench,
    Outcome::{Fails, Works},
    Row, row, with,
};

pub fn compare(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let bench = Bench::new(user)?;
    let (cluster, admin, robot) = (bench.cluster(), bench.admin(), bench.robot());
    let of = |name, fields, kubectl| Row { kubectl, ..row(name, &cluster, &fields) };
    let token = &bench.token;
    let plain = bench.file("token", token)?;
    let ended = bench.file("token-ended", format!("{token}\n"))?;
    let blanks = bench.file("token-blanks", format!(" {token} \r\n\n"))?;
    let (empty, wrong) = (bench.file("token-empty", "\n")?, bench.file("token-wrong", "wrong")?);
    let flag = |name, fields, flags: String, kubectl| Row { flags, ..of(name, fields, kubectl) };
    let ann = json!({"as": "ann", "as-groups": ["system:masters"], "as-uid": "7", "as-user-extra": {"a/b": ["c", "d"]}});
    let http = with(&cluster, json!({"server": bench.server().replace("https", "http")}));
    bench.compare(&[
        of("a token", robot.clone(), Works),
        of("a token of two lines", json!({"token": format!("{token}\n")}), Fails),
        of("a token file", json!({"tokenFile": plain}), Works),
        of("a token file that ends in a line break", json!({"tokenFile": ended}), Works),
        of("a token file with blanks", json!({"tokenFile": blanks}), Works),
        of("an empty token file", json!({"tokenFile": empty}), Fails),
        of("a token file that is not there", json!({"tokenFile": "no/such"}), Fails),
        of("a wrong token and a token file", json!({"token": "wrong", "tokenFile": plain}), Works),
        of("a token and a wrong token file", json!({"token": token, "tokenFile": wrong}), Fails),
        of(
            "a token and a token file that is not there",
            json!({"token": token, "tokenFile": "no/such"}),
            Works,
        ),
        of("a token and a certificate", with(&admin, robot.clone()), Works),
        of("a password", json!({"username": "ann", "password": "secret"}), Fails),
        of(
            "a certificate and a wrong password",
            with(&admin, json!({"username": "ann", "password": "secret"})),
            Works,
        ),
        of(
            "a token and a password",
            with(&robot, json!({"username": "ann", "password": "secret"})),
            Fails,
        ),
        of("nobody", json!({}), Fails),
        of("somebody else", with(&admin, ann), Works),
        of("somebody else without rights", with(&admin, json!({"as": "ann"})), Fails),
        of("groups of nobody", with(&admin, json!({"as-groups": ["system:masters"]})), Fails),
        of("gcp", json!({"auth-provider": {"name": "gcp"}}), Fails),
        of("azure", json!({"auth-provider": {"name": "azure"}}), Fails),
        of("an unknown provider", json!({"auth-provider": {"name": "house"}}), Fails),
        of(
            "oidc",
            json!({"auth-provider": {"name": "oidc", "config": {
            "id-token": token, "client-id": "c", "idp-issuer-url": "https://127.0.0.1:9"}}}),
            Works,
        ),
        Row { kubectl: Fails, ..row("no TLS", &http, &robot) },
        flag("a token of a flag", json!({}), format!("--token={token}"), Works),
        flag(
            "a token file against a token of a flag",
            json!({"tokenFile": wrong}),
            format!("--token={token}"),
            Fails,
        ),
    ])
}
