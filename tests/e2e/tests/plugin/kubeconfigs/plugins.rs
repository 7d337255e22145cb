//! Credential plugins.

use std::fs;

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Tools, User};
use clbmigrate_testkit::run;
use serde_json::{Value, json};

use super::{
    Bench,
    Outcome::{Fails, Works},
    Row, config, row, with,
};

const V1: &str = "client.authentication.k8s.io/v1";
const V1BETA1: &str = "client.authentication.k8s.io/v1beta1";

/// A user with a plugin that is a script.
fn script(version: &str, script: &str) -> Value {
    json!({"apiVersion": version, "command": "sh", "args": ["-c", script], "interactiveMode": "Never"})
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub fn compare(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let bench = Bench::new(user)?;
    let cluster = bench.cluster();
    let answer = |version: &str, status: Value| {
        json!({"apiVersion": version, "kind": "ExecCredential", "status": status}).to_string()
    };
    let prints = |version: &str, status: Value| {
        script(version, &format!("printf %s '{}'", answer(version, status)))
    };
    let (certificate, key) = (&bench.identity.certificate, &bench.identity.key);
    let pair = json!({"clientCertificateData": certificate, "clientKeyData": key});
    let token = json!({"token": bench.token});
    let of =
        |name, exec: Value, kubectl| Row { kubectl, ..row(name, &cluster, &json!({"exec": exec})) };
    let good = prints(V1, token.clone());
    // What both learn of the cluster.
    let learns = format!(
        "case \"$KUBERNETES_EXEC_INFO\" in *'\"server\":\"{}\"'*'\"interactive\":false'*) echo '{}';; *) exit 9;; esac",
        bench.server(),
        answer(V1, token.clone()),
    );
    let ignorant = format!(
        "case \"$KUBERNETES_EXEC_INFO\" in *server*) exit 9;; *) echo '{}';; esac",
        answer(V1, token.clone()),
    );
    bench.compare(&[
        of("a token", good.clone(), Works),
        of("a token of v1beta1", prints(V1BETA1, token.clone()), Works),
        of("a certificate", prints(V1, pair), Works),
        of(
            "a token that has expired by its own words",
            prints(V1, with(&token, json!({"expirationTimestamp": "2020-01-01T00:00:00Z"}))),
            Works,
        ),
        of(
            "a token that lasts",
            prints(V1, with(&token, json!({"expirationTimestamp": "2120-01-01T00:00:00Z"}))),
            Works,
        ),
        of(
            "a certificate without a key",
            prints(V1, json!({"clientCertificateData": certificate})),
            Fails,
        ),
        of("nothing", prints(V1, json!({})), Fails),
        of(
            "another version",
            script(V1, &format!("echo '{}'", answer(V1BETA1, token.clone()))),
            Fails,
        ),
        of(
            "a version that is gone",
            prints("client.authentication.k8s.io/v1alpha1", token.clone()),
            Fails,
        ),
        of("no version", with(&good, json!({"apiVersion": ""})), Fails),
        of("no mode", with(&good, json!({"interactiveMode": ""})), Fails),
        of(
            "no mode of v1beta1",
            with(&prints(V1BETA1, token.clone()), json!({"interactiveMode": ""})),
            Works,
        ),
        of("a mode that is none", with(&good, json!({"interactiveMode": "Maybe"})), Fails),
        of(
            "a mode that needs a terminal",
            with(&good, json!({"interactiveMode": "Always"})),
            Fails,
        ),
        of(
            "a mode that takes a terminal",
            with(&good, json!({"interactiveMode": "IfAvailable"})),
            Works,
        ),
        of("a failure", script(V1, "exit 7"), Fails),
        of("a program that is not there", with(&good, json!({"command": "no-such-login"})), Fails),
        of("no program", with(&good, json!({"command": ""})), Fails),
        of(
            "a variable",
            with(
                &script(
                    V1,
                    &format!("test \"$HOUSE\" = red && echo '{}'", answer(V1, token.clone())),
                ),
                json!({"env": [{"name": "HOUSE", "value": "red"}]}),
            ),
            Works,
        ),
        of(
            "a variable without a name",
            with(&good, json!({"env": [{"name": "", "value": "red"}]})),
            Fails,
        ),
        of(
            "what it may learn",
            with(&script(V1, &learns), json!({"provideClusterInfo": true})),
            Works,
        ),
        of("what it may not learn", script(V1, &ignorant), Works),
        Row {
            kubectl: Works,
            ..row(
                "a token beside it",
                &cluster,
                &with(&bench.robot(), json!({"exec": script(V1, "exit 7")})),
            )
        },
        Row {
            kubectl: Works,
            ..row(
                "a certificate beside it",
                &cluster,
                &with(&bench.admin(), json!({"exec": script(V1, "exit 7")})),
            )
        },
        Row {
            kubectl: Fails,
            ..row(
                "an auth-provider beside it",
                &cluster,
                &json!({"exec": good, "auth-provider": {"name": "oidc"}}),
            )
        },
    ])?;

    // How often it runs.
    let runs = bench.file("runs", "")?;
    let folder = bench.user.kubeconfig().parent().context("a folder")?.to_owned();
    let runs = folder.join(runs);
    let counted =
        script(V1, &format!("echo run >> {}; echo '{}'", runs.display(), answer(V1, token)));
    let file =
        bench.user.file("counted", &config(&cluster, &json!({"exec": counted})).to_string())?;
    let counted = bench.user.with_kubeconfig(file);
    run(&mut counted.kubectl("get svc"))?.expect_code(0)?;
    counted.run("status")?.expect_code(0)?;
    counted.run("set web 30 --yes")?.expect_code(0)?;
    ensure!(fs::read_to_string(&runs)?.lines().count() == 3, "it ran more than once a command");

    // What is said of it.
    let said = |exec: Value, texts: &[&str]| -> anyhow::Result<()> {
        let file =
            bench.user.file("told", &config(&cluster, &json!({"exec": exec})).to_string())?;
        let mut told = bench.user.with_kubeconfig(file).run("status")?.expect_code(1)?;
        for text in texts {
            told = told.expect_stderr(text)?;
        }
        Ok(())
    };
    let absent = json!({"apiVersion": V1, "command": "no-such-login", "interactiveMode": "Never", "installHint": "get it at\nhttps://example.com/login"});
    said(
        absent,
        &[
            "credential plugin no-such-login of user \"x\" cannot be started",
            "get it at",
            "https://example.com/login",
        ],
    )?;
    let failing = script(V1, "echo 'the session\nhas ended' >&2; exit 7");
    said(
        failing,
        &[
            "the session\nhas ended",
            "credential plugin sh of user \"x\" failed with exit code 7: has ended",
        ],
    )
}
