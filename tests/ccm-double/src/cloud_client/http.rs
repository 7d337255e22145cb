//! Sends requests over HTTP as CCM's SDK does: POST, every parameter in the query string, an empty body.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpStream;

use super::request::{ApiError, ApiRequest, Transport};
use super::signature;

/// CCM 2.14: the SDK's timeout, and no second try.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The access key that signs requests.
#[derive(Debug, Clone)]
pub struct AccessKey {
    /// The key's id, which is no secret.
    pub id: String,
    /// The secret that signs.
    pub secret: SecretString,
    /// The security token of a temporary key.
    pub token: Option<SecretString>,
}

/// A cloud API at an HTTP endpoint.
#[derive(Debug)]
pub struct HttpTransport {
    host: String,
    port: u16,
    authority: String,
    region: String,
    cluster_id: String,
    key: AccessKey,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody {
    code: String,
    message: String,
    #[serde(default)]
    request_id: String,
}

impl HttpTransport {
    /// A transport to `http://HOST:PORT`, for all products. Connects at the first request. Fails if `endpoint` is
    /// anything else than such a URL.
    pub fn new(
        endpoint: &str,
        region: &str,
        cluster_id: &str,
        key: AccessKey,
    ) -> anyhow::Result<Self> {
        let uri: Uri = endpoint.parse().with_context(|| format!("endpoint {endpoint}"))?;
        let wrong = || format!("endpoint {endpoint}: give http://HOST:PORT, without a path");
        ensure!(uri.scheme_str() == Some("http") && uri.path() == "/", wrong());
        let authority = uri.authority().with_context(wrong)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self {
            host,
            port: authority.port_u16().unwrap_or(80),
            authority: authority.to_string(),
            region: region.to_owned(),
            cluster_id: cluster_id.to_owned(),
            key,
        })
    }

    /// All parameters of a call, those of the signature included.
    fn signed(&self, call: &ApiRequest) -> anyhow::Result<Vec<(String, String)>> {
        let mut nonce = [0_u8; 16];
        getrandom::fill(&mut nonce).context("no random bytes for a nonce")?;
        let nonce = format!("{:032x}", u128::from_be_bytes(nonce));
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut parameters = call.parameters.clone();
        let common = [
            ("Action", call.action),
            ("Version", call.product.version()),
            ("Format", "JSON"),
            ("RegionId", &self.region),
            ("AccessKeyId", &self.key.id),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureVersion", "1.0"),
            ("SignatureType", ""),
            ("SignatureNonce", &nonce),
            ("Timestamp", &now),
        ];
        parameters.extend(common.map(|(name, value)| (name.to_owned(), value.to_owned())));
        if let Some(token) = &self.key.token {
            parameters.push(("SecurityToken".to_owned(), token.expose_secret().to_owned()));
        }
        let signature = signature::signature("POST", &parameters, self.key.secret.expose_secret());
        parameters.push(("Signature".to_owned(), signature));
        Ok(parameters)
    }

    async fn send(&self, call: &ApiRequest) -> anyhow::Result<(u16, Bytes)> {
        let place = || format!("connect to {}", self.authority);
        let stream =
            TcpStream::connect((self.host.as_str(), self.port)).await.with_context(place)?;
        stream.set_nodelay(true).with_context(place)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.with_context(place)?;
        // It ends by itself once the answer is read or dropped; errors show in the answer.
        tokio::spawn(connection);
        let request = Request::post(format!("/?{}", signature::query(&self.signed(call)?)))
            .header(header::HOST, &self.authority)
            .header(header::ACCEPT, "application/json")
            // Go writes it, hyper leaves it out.
            .header(header::CONTENT_LENGTH, 0)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(
                header::USER_AGENT,
                format!("ack.ccm/v2.14.0 ClusterId/{} ccm-double", self.cluster_id),
            )
            .header("x-acs-action", call.action)
            .header("x-acs-version", call.product.version())
            .header("x-sdk-core-version", "1.63.22")
            .body(Empty::<Bytes>::new())?;
        let answer = sender.send_request(request).await.context("no answer")?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.context("the answer was cut off")?;
        Ok((status, body.to_bytes()))
    }

    async fn send_with_timeout(&self, call: ApiRequest) -> Result<Value, ApiError> {
        let action = call.action;
        let unanswered = |why: String| ApiError::NoAnswer { action, why };
        let (status, body) = match tokio::time::timeout(TIMEOUT, self.send(&call)).await {
            Ok(sent) => sent.map_err(|error| unanswered(format!("{error:#}")))?,
            Err(_) => return Err(unanswered(format!("no answer within {} s", TIMEOUT.as_secs()))),
        };
        if (200..300).contains(&status) {
            return serde_json::from_slice(&body)
                .map_err(|error| unanswered(format!("the answer is no JSON: {error}")));
        }
        let ErrorBody { code, message, request_id } = serde_json::from_slice(&body)
            .map_err(|_| unanswered(format!("the answer is status {status} without a reason")))?;
        Err(ApiError::ErrorAnswer { action, code, request_id, message })
    }
}

impl Transport for HttpTransport {
    fn call(&self, call: ApiRequest) -> BoxFuture<'_, Result<Value, ApiError>> {
        self.send_with_timeout(call).boxed()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn cloud(endpoint: &str) -> anyhow::Result<HttpTransport> {
        let key = AccessKey { id: "id".into(), secret: "hidden".into(), token: None };
        HttpTransport::new(endpoint, "cn-example", "c1", key)
    }

    #[test]
    fn an_endpoint_is_a_host_over_http() {
        assert!(cloud("http://127.0.0.1:7100").is_ok());
        for wrong in ["127.0.0.1:7100", "https://example.com", "http://example.com/slb", "http://"]
        {
            let error = format!("{:#}", cloud(wrong).expect_err(wrong));
            assert!(error.contains("endpoint"), "{error}");
        }
    }

    #[test]
    fn the_secret_is_neither_sent_nor_shown() {
        let cloud = cloud("http://127.0.0.1:7100").expect("a cloud");
        let signed = cloud.signed(&ApiRequest::slb("DescribeVServerGroups")).expect("parameters");
        assert!(!format!("{cloud:?}{signed:?}").contains("hidden"));
        let named = |name: &str| signed.iter().any(|(key, _)| key == name);
        assert!(named("Signature") && named("SignatureNonce") && !named("SecurityToken"));
    }

    /// Answers one request, and gives its head and what follows it.
    async fn asked(answer: &'static str) -> (Result<Value, ApiError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let served = async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut seen = Vec::new();
            while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
                stream.read_buf(&mut seen).await.expect("a request");
            }
            stream.write_all(answer.as_bytes()).await.expect("an answer");
            // Cuts off what is missing.
            stream.shutdown().await.expect("an end");
            String::from_utf8(seen).expect("text")
        };
        let cloud = cloud(&format!("http://{address}")).expect("a cloud");
        let call =
            ApiRequest::slb("TagResources").with("ResourceId.1", "lb-a").with("Tag.1.Value", "a b");
        tokio::join!(cloud.call(call), served)
    }

    #[tokio::test]
    async fn all_parameters_are_in_the_query_and_the_body_is_empty() {
        let (answer, head) =
            asked("HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"RequestId\": \"1\"}").await;
        assert_eq!(answer.expect("an answer"), serde_json::json!({"RequestId": "1"}));
        assert!(head.starts_with("POST /?AccessKeyId=id&Action=TagResources&"), "{head}");
        for part in [
            "Format=JSON",
            "RegionId=cn-example",
            "ResourceId.1=lb-a",
            "SignatureMethod=HMAC-SHA1",
            "SignatureType=&",
            "SignatureVersion=1.0",
            "Tag.1.Value=a%20b",
            "Version=2014-05-15",
            "x-acs-action: TagResources",
            "x-acs-version: 2014-05-15",
            "content-length: 0",
            "ClusterId/c1",
        ] {
            assert!(head.contains(part), "no {part} in {head}");
        }
        assert!(head.ends_with("\r\n\r\n"), "a body: {head}");
    }

    #[tokio::test]
    async fn an_error_of_the_cloud_is_told_in_ccms_words() {
        let (answer, _) = asked(
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n\
             {\"RequestId\": \"R\", \"HostId\": \"h\", \"Code\": \"Throttling.User\", \"Message\": \"slower\"}",
        )
        .await;
        assert_eq!(
            answer.expect_err("an error").to_string(),
            "[SDKError] API: TagResources, ErrorCode: Throttling.User, RequestId: R, Message: slower"
        );
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_off_or_no_json_is_no_answer() {
        for (answer, why) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", "cut off"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "no JSON"),
            ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "status 502"),
        ] {
            let error = asked(answer).await.0.expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[tokio::test]
    async fn a_cloud_that_is_not_there_is_named() {
        let cloud = cloud("http://127.0.0.1:1").expect("a cloud");
        let error =
            cloud.call(ApiRequest::slb("DescribeVServerGroups")).await.expect_err("no cloud");
        assert!(error.to_string().contains("connect to 127.0.0.1:1"), "{error}");
    }
}
