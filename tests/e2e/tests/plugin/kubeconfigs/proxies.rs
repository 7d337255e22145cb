//! Proxies. The API server of the bed is on this machine, which Go never looks for behind a proxy of
//! the environment; `0.0.0.0` is this machine too, and Go does not know.

use clbmigrate_e2e::{Tools, User};
use serde_json::{Value, json};

use super::{
    Bench,
    Outcome::{self, Fails, Proxied, Works},
    Row,
    relay::with_tls,
    row, with,
};

#[expect(clippy::too_many_lines, reason = "a table")]
pub fn compare(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let bench = Bench::new(user)?;
    let (near, far, admin) = (bench.cluster(), bench.elsewhere(), bench.admin());
    let address = bench.proxy.address();
    let url = format!("http://{address}");
    let url_with = |scheme: &str, user: &str| format!("{scheme}://{user}@{address}");
    let named = with(&far, json!({"server": "https://api.example.invalid:6443"}));
    let of = |name, cluster: &Value, kubectl| Row { kubectl, ..row(name, cluster, &admin) };
    let through = |name, cluster: &Value, proxy: &str, kubectl| {
        of(name, &with(cluster, json!({"proxy-url": proxy})), kubectl)
    };
    let env = |name, cluster: &Value, variables: &[(&'static str, &str)], kubectl: Outcome| Row {
        environment: variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        ..of(name, cluster, kubectl)
    };
    let except = |name, list: &str, kubectl| {
        env(name, &far, &[("HTTPS_PROXY", &url), ("NO_PROXY", list)], kubectl)
    };
    let port = bench.door.port();
    // kubectl expects of the proxy the name that it expects of the server.
    let identity = bench.user.cluster.server_certificate(&["127.0.0.1", &bench.host()])?;
    let tls = with_tls(&address, &identity)?;
    bench.compare(&[
        of("none", &far, Works),
        // The kubeconfig's.
        through("of the kubeconfig", &near, &url, Proxied),
        through("of the kubeconfig, by name", &named, &url, Proxied),
        through("with TLS", &near, &format!("https://{tls}"), Proxied),
        env(
            "with TLS, of the environment",
            &far,
            &[("HTTPS_PROXY", &format!("https://{tls}"))],
            Proxied,
        ),
        through("SOCKS", &near, &format!("socks5://{address}"), Proxied),
        through("SOCKS, by name", &named, &format!("socks5://{address}"), Proxied),
        through("SOCKS with a password", &near, &url_with("socks5", "ann:s%40cret"), Proxied),
        through("SOCKS with a wrong password", &near, &url_with("socks5", "ann:wrong"), Fails),
        through("with a password", &near, &url_with("http", "ann:s%40cret"), Proxied),
        through("with a wrong password", &near, &url_with("http", "ann:wrong"), Fails),
        through("without a scheme", &near, &address, Fails),
        through("socks5h in a kubeconfig", &near, &format!("socks5h://{address}"), Fails),
        through("no URL", &near, "http://[::1", Fails),
        env(
            "of the kubeconfig, whatever NO_PROXY says",
            &with(&near, json!({"proxy-url": url})),
            &[("NO_PROXY", "*")],
            Proxied,
        ),
        env(
            "of the kubeconfig before the environment's",
            &with(&near, json!({"proxy-url": url})),
            &[("HTTPS_PROXY", "http://127.0.0.1:9")],
            Proxied,
        ),
        // The environment's.
        env("HTTPS_PROXY", &far, &[("HTTPS_PROXY", &url)], Proxied),
        env("https_proxy", &far, &[("https_proxy", &url)], Proxied),
        env(
            "both, of which the capitals count",
            &far,
            &[("HTTPS_PROXY", &url), ("https_proxy", "http://127.0.0.1:9")],
            Proxied,
        ),
        env(
            "an empty one does not count",
            &far,
            &[("HTTPS_PROXY", ""), ("https_proxy", &url)],
            Proxied,
        ),
        env("by name", &named, &[("HTTPS_PROXY", &url)], Proxied),
        env("this machine", &near, &[("HTTPS_PROXY", &url)], Works),
        env("HTTP_PROXY", &far, &[("HTTP_PROXY", &url)], Works),
        env("ALL_PROXY", &far, &[("ALL_PROXY", &url), ("all_proxy", &url)], Works),
        env("without a scheme, of the environment", &far, &[("HTTPS_PROXY", &address)], Proxied),
        env(
            "SOCKS of the environment",
            &far,
            &[("HTTPS_PROXY", &format!("socks5h://{address}"))],
            Proxied,
        ),
        env("another scheme", &far, &[("HTTPS_PROXY", &format!("house://{address}"))], Proxied),
        env(
            "a password of the environment",
            &far,
            &[("HTTPS_PROXY", &url_with("http", "ann:s%40cret"))],
            Proxied,
        ),
        env("no port", &far, &[("HTTPS_PROXY", "http://127.0.0.1:x")], Fails),
        env("nobody there", &far, &[("HTTPS_PROXY", "http://127.0.0.1:9")], Fails),
        env("a CGI program", &far, &[("HTTPS_PROXY", &url), ("REQUEST_METHOD", "GET")], Proxied),
        // NO_PROXY.
        except("the address", "0.0.0.0", Works),
        except("the address and the port", &format!("0.0.0.0:{port}"), Works),
        except("another port", "0.0.0.0:1", Proxied),
        except("the network", "10.0.0.0/8, 0.0.0.0/8", Works),
        except("another network", "10.0.0.0/8", Proxied),
        except("everything", "*", Works),
        except("nothing", ",", Proxied),
        except("a name", "example.com", Proxied),
        except("a URL", &bench.door.url(), Proxied),
        env("no_proxy", &far, &[("HTTPS_PROXY", &url), ("no_proxy", "0.0.0.0")], Works),
        env(
            "NO_PROXY before no_proxy",
            &far,
            &[("HTTPS_PROXY", &url), ("NO_PROXY", "a"), ("no_proxy", "*")],
            Proxied,
        ),
        env(
            "a part of the name",
            &named,
            &[("HTTPS_PROXY", &url), ("NO_PROXY", "ample.invalid")],
            Proxied,
        ),
        env(
            "the end of the name",
            &named,
            &[("HTTPS_PROXY", &url), ("NO_PROXY", "example.invalid")],
            Fails,
        ),
    ])
}
