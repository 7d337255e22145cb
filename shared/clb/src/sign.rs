//! The signature ACS3-HMAC-SHA256 (Alibaba Cloud: "Request syntax and signature method V3").

use std::collections::BTreeMap;

use ring::{digest, hmac};
use secrecy::ExposeSecret;

use crate::{credentials::Credentials, encode::hex};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// What is signed of a request whose parameters all stand in its query.
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a str,
    /// Sorted and encoded.
    pub(crate) query: &'a str,
    /// `host`, `content-type` if there is one, and every `x-acs-…`, in lower case.
    pub(crate) headers: &'a BTreeMap<&'static str, String>,
    pub(crate) body: &'a [u8],
}

impl Signable<'_> {
    /// The value of the header `Authorization`.
    pub(crate) fn authorization(&self, credentials: &Credentials) -> String {
        let names: Vec<&str> = self.headers.keys().copied().collect();
        let names = names.join(";");
        let signed = format!("{ALGORITHM}\n{}", sha256(self.canonical(&names).as_bytes()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, credentials.secret.expose_secret().as_bytes());
        let signature = hex(hmac::sign(&key, signed.as_bytes()).as_ref());
        format!(
            "{ALGORITHM} Credential={},SignedHeaders={names},Signature={signature}",
            credentials.id
        )
    }

    fn canonical(&self, names: &str) -> String {
        let headers: Vec<String> =
            self.headers.iter().map(|(name, value)| format!("{name}:{}", value.trim())).collect();
        let headers = headers.join("\n");
        // The path of all these APIs is `/`.
        format!("{}\n/\n{}\n{headers}\n\n{names}\n{}", self.method, self.query, sha256(self.body))
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::query;

    fn credentials(secret: &str) -> Credentials {
        Credentials::new("YourAccessKeyId", secret)
    }

    fn documented_headers() -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("host", "ecs.cn-shanghai.aliyuncs.com".to_owned()),
            ("x-acs-action", "RunInstances".to_owned()),
            ("x-acs-content-sha256", sha256(b"")),
            ("x-acs-date", "2023-10-26T10:22:32Z".to_owned()),
            ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d".to_owned()),
            ("x-acs-version", "2014-05-26".to_owned()),
        ])
    }

    /// The example of Alibaba Cloud's page on the signature, in which all values are fixed.
    #[test]
    fn the_documented_example_is_signed_as_documented() {
        let parameters = [
            ("RegionId".to_owned(), "cn-shanghai".to_owned()),
            (
                "ImageId".to_owned(),
                "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd".to_owned(),
            ),
        ];
        let query = query(&parameters);
        let headers = documented_headers();
        let signable = Signable { method: "POST", query: &query, headers: &headers, body: b"" };
        let names =
            "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";
        assert_eq!(
            sha256(signable.canonical(names).as_bytes()),
            "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
        );
        assert_eq!(
            signable.authorization(&credentials("YourAccessKeySecret")),
            format!(
                "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders={names},\
                 Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
            )
        );
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn the_order_of_parameters_does_not_change_the_signature(
                mut parameters in proptest::collection::vec((any::<String>(), any::<String>()), 0..6),
            ) {
                let headers = documented_headers();
                let sign = |parameters: &[(String, String)]| {
                    let query = query(parameters);
                    Signable { method: "POST", query: &query, headers: &headers, body: b"" }
                        .authorization(&credentials("s"))
                };
                let signed = sign(&parameters);
                parameters.reverse();
                prop_assert_eq!(sign(&parameters), signed);
            }

            #[test]
            fn secret_method_query_and_body_all_count(
                secret in "[a-z]{1,9}", query in "[a-z=&]{0,9}", body in "[a-z]{0,9}",
            ) {
                let headers = documented_headers();
                let sign = |secret: &str, method: &str, query: &str, body: &str| {
                    Signable { method, query, headers: &headers, body: body.as_bytes() }
                        .authorization(&credentials(secret))
                };
                let signed = sign(&secret, "POST", &query, &body);
                prop_assert_ne!(sign(&format!("{secret}x"), "POST", &query, &body), signed.clone());
                prop_assert_ne!(sign(&secret, "GET", &query, &body), signed.clone());
                prop_assert_ne!(sign(&secret, "POST", &format!("{query}x"), &body), signed.clone());
                prop_assert_ne!(sign(&secret, "POST", &query, &format!("{body}x")), signed);
            }
        }
    }
}
