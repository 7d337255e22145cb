//! What a kubeconfig may look like.

use std::fs;

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use clbmigrate_e2e::{Tools, User};
use serde_json::json;

use super::{
    Bench,
    Outcome::{Fails, Works},
    Row, config, openssl, row, with,
};

pub fn compare(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let bench = Bench::new(user)?;
    let mut rows = servers(&bench)?;
    rows.extend(texts(&bench)?);
    rows.extend(certificates(&bench)?);
    bench.compare(&rows)
}

fn servers(bench: &Bench<'_>) -> anyhow::Result<Vec<Row>> {
    let admin = bench.admin();
    let (cluster, server) = (bench.cluster(), bench.server());
    let address = server.strip_prefix("https://").context("an address")?;
    let at = |name, server: &str, kubectl| Row {
        kubectl,
        ..row(name, &with(&cluster, json!({"server": server})), &admin)
    };
    Ok(vec![
        at("a URL", &server, Works),
        at("a slash at its end", &format!("{server}/"), Works),
        at("a query", &format!("{server}/?a=b"), Works),
        at("capitals", &format!("HTTPS://{address}"), Works),
        at("no scheme", address, Fails),
        at("no scheme and no port", "127.0.0.1", Fails),
        at("no scheme, but a path", &format!("{address}/prefix"), Fails),
        at("an IPv6 address without scheme", "[::1]:6443", Fails),
        at("another scheme", &format!("ftp://{address}"), Fails),
        at("a bracket", "https://[::1", Fails),
        at("a large port", "https://127.0.0.1:99999", Fails),
        at("a blank", "https://127.0.0.1 :1", Fails),
        at("nothing", "", Fails),
    ])
}

fn texts(bench: &Bench<'_>) -> anyhow::Result<Vec<Row>> {
    let (cluster, admin) = (bench.cluster(), bench.admin());
    let usual = config(&cluster, &admin);
    let text =
        |name, kubeconfig: String, kubectl| Row { name, kubeconfig, kubectl, ..Row::default() };
    let unknown = with(&usual, json!({"house": {"colour": 1}, "preferences": {"colors": true}}));
    let unnamed = with(&usual, json!({"kind": "", "apiVersion": ""}));
    let twice = with(
        &usual,
        json!({"users": [{"name": "x", "user": admin}, {"name": "x", "user": admin}]}),
    );
    let number = config(&cluster, &json!({"token": 12345}));
    let server = bench.server();
    let users = json!([{"name": "x", "user": admin}]);
    let contexts = json!([{"name": "x", "context": {"cluster": "x", "user": "x"}}]);
    let rest = format!("users: {users}\ncontexts: {contexts}\ncurrent-context: x\n");
    let insecure = |value: &str| {
        format!(
            "clusters: [{{name: x, cluster: {{server: '{server}', insecure-skip-tls-verify: {value}}}}}]\n{rest}"
        )
    };
    let anchored = format!(
        "shared: &c {{server: '{server}', insecure-skip-tls-verify: true}}\nclusters: [{{name: x, cluster: {{<<: *c}}}}]\n{rest}"
    );
    let empty = json!({"token": "", "tokenFile": "", "as": "", "username": "", "password": "",
        "client-certificate": "", "client-key": "", "as-groups": []});
    let unset = json!({"certificate-authority": "", "tls-server-name": "", "proxy-url": ""});
    let other = bench
        .file("current", "apiVersion: v1\nkind: Config\ncurrent-context: ''\nclusters: null\n")?;
    let folder = bench.user.kubeconfig().parent().context("a folder")?.to_owned();
    let before: &'static str = Box::leak(
        format!("{}:/nonexistent/config::{{}}:{{}}", folder.join(other).display()).into(),
    );
    Ok(vec![
        text("unknown fields", unknown.to_string(), Works),
        text("no kind", unnamed.to_string(), Works),
        text("another kind", with(&usual, json!({"kind": "Pod"})).to_string(), Fails),
        text("a name twice", twice.to_string(), Fails),
        text("a number for a token", number.to_string(), Fails),
        text("true", insecure("true"), Works),
        text("yes", insecure("yes"), Works),
        text("quoted true", insecure("'true'"), Fails),
        text("anchors and merge keys", anchored, Works),
        text("two documents", format!("{}\n---\n{usual}", insecure("true")), Works),
        text("a byte order mark", format!("\u{feff}{usual}"), Works),
        text("JSON with tabs", format!("{usual:#}").replace("  ", "\t"), Works),
        text("nothing", String::new(), Fails),
        text("a comment", "# nothing\n".to_owned(), Fails),
        text("a word", "hello".to_owned(), Fails),
        text("empty texts of a user", config(&cluster, &with(&admin, empty)).to_string(), Works),
        text("empty texts of a cluster", config(&with(&cluster, unset), &admin).to_string(), Works),
        Row { paths: before, ..text("an empty current context before", usual.to_string(), Works) },
        Row {
            flags: "--context=nowhere".to_owned(),
            ..text("no such context", usual.to_string(), Fails)
        },
        text("no such cluster", with(&usual, json!({"clusters": []})).to_string(), Fails),
        text("no such user", with(&usual, json!({"users": []})).to_string(), Fails),
    ])
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn certificates(bench: &Bench<'_>) -> anyhow::Result<Vec<Row>> {
    let (cluster, admin) = (bench.cluster(), bench.admin());
    let server = bench.server();
    let lines = |text: &str| {
        let packed = BASE64.encode(text);
        packed.as_bytes().chunks(76).fold(String::new(), |lines, line| {
            lines + "      " + &String::from_utf8_lossy(line) + "\n"
        })
    };
    let yaml = |name, tag: &str, authority: String, kubectl| Row {
        name,
        kubeconfig: format!(
            "clusters:\n- name: x\n  cluster:\n    server: {server}\n    certificate-authority-data: {tag}\n{authority}\
             users:\n- name: x\n  user:\n    client-certificate-data: |\n{}    client-key-data: |\n{}\
             contexts: [{{name: x, context: {{cluster: x, user: x}}}}]\ncurrent-context: x\n",
            lines(&bench.identity.certificate),
            lines(&bench.identity.key),
        ),
        kubectl,
        ..Row::default()
    };
    let of = |name, fields, kubectl| Row { kubectl, ..row(name, &fields, &admin) };
    let as_user = |name, fields, kubectl| Row { kubectl, ..row(name, &cluster, &fields) };
    let bare = json!({"server": server});
    let authority = bench.file("ca.crt", &bench.ca)?;
    let mixed = bench.file("mixed.crt", format!("hello\n{}{}", bench.identity.key, bench.ca))?;
    let no_pem = bench.file("no.crt", "hello")?;
    let (certificate, key) = (&bench.identity.certificate, &bench.identity.key);
    let both = bench.file("both.pem", format!("{certificate}{key}"))?;
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let with_parameters = bench.file("parameters.pem", format!("{parameters}{key}"))?;
    // What `openssl x509 -req` makes without extensions: X.509 version 1.
    let folder = bench.user.kubeconfig().parent().context("a folder")?.to_owned();
    openssl(
        &folder,
        "req -new -newkey rsa:2048 -nodes -keyout kc-one.key -out kc-one.csr -subj /O=system:masters/CN=one",
    )?;
    openssl(
        &folder,
        "x509 -req -in kc-one.csr -CA pki/ca.crt -CAkey pki/ca.key -set_serial 7 -days 2 -out kc-one.crt",
    )?;
    let other_key = fs::read_to_string(folder.join("kc-one.key"))?;
    let wrapped = lines(&bench.ca);
    let twice = format!("      {}\n", BASE64.encode(BASE64.encode(&bench.ca)));
    let blanks = wrapped.replace('\n', " \n");
    Ok(vec![
        yaml("an authority in lines", "|", wrapped.clone(), Works),
        yaml("an authority in folded lines", ">", wrapped.clone(), Fails),
        yaml("an authority with blanks", "|", blanks, Fails),
        yaml("a binary authority, encoded twice", "!!binary |", twice, Works),
        Row {
            differs: Some((
                Works,
                "kubectl decodes !!binary twice; here the certificate itself may stand there",
            )),
            ..yaml("a binary authority", "!!binary |", wrapped, Fails)
        },
        of(
            "an authority of a file",
            with(&bare, json!({"certificate-authority": authority})),
            Works,
        ),
        of(
            "an authority among other things",
            with(&bare, json!({"certificate-authority": mixed})),
            Works,
        ),
        of(
            "an authority that is no PEM text",
            with(&bare, json!({"certificate-authority": no_pem})),
            Fails,
        ),
        of(
            "an authority that is not there",
            with(&bare, json!({"certificate-authority": "no/such"})),
            Fails,
        ),
        of("two authorities", with(&cluster, json!({"certificate-authority": authority})), Fails),
        of("no authority", bare.clone(), Fails),
        of(
            "the server's own certificate",
            with(&bare, json!({"certificate-authority": "pki/server.crt"})),
            Works,
        ),
        of("insecure", with(&bare, json!({"insecure-skip-tls-verify": true})), Works),
        of(
            "insecure with an authority",
            with(&cluster, json!({"insecure-skip-tls-verify": true})),
            Fails,
        ),
        of("another name", with(&cluster, json!({"tls-server-name": "elsewhere"})), Fails),
        of(
            "an address that the certificate lacks",
            with(&bench.elsewhere(), json!({"tls-server-name": ""})),
            Fails,
        ),
        of("the name of the certificate", bench.elsewhere(), Works),
        as_user("a file of both", json!({"client-certificate": both, "client-key": both}), Works),
        as_user("a certificate twice", with(&admin, json!({"client-certificate": both})), Fails),
        as_user("a certificate without a key", json!({"client-certificate": both}), Fails),
        as_user(
            "parameters before the key",
            json!({"client-certificate": both, "client-key": with_parameters}),
            Works,
        ),
        as_user(
            "the key of another",
            with(&admin, json!({"client-key-data": BASE64.encode(other_key)})),
            Fails,
        ),
        as_user(
            "version 1",
            json!({"client-certificate": "kc-one.crt", "client-key": "kc-one.key"}),
            Works,
        ),
    ])
}
