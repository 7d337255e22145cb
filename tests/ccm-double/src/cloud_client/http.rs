//! Sends requests over HTTP as CCM's SDK does: POST, every parameter in the query string, an empty body.

use std::error::Error as _;
use std::io;
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

/// What Go says after that time.
const TIMED_OUT: &str =
    "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";

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
        let nonce = signature::nonce().context("no random bytes for a nonce")?;
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

    /// What a call sends, and the URL of which it is the end.
    fn request(&self, call: &ApiRequest) -> anyhow::Result<(Request<Empty<Bytes>>, String)> {
        let path = format!("/?{}", signature::query(&self.signed(call)?));
        let url = format!("http://{}{path}", self.authority);
        let request = Request::post(path)
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
        Ok((request, url))
    }

    /// Sends a request and reads the answer. What goes wrong is told in Go's words.
    async fn send(
        &self,
        request: Request<Empty<Bytes>>,
        url: &str,
    ) -> Result<(u16, Bytes), String> {
        let of_post = |why: String| format!("Post \"{url}\": {why}");
        let unconnected = |error: io::Error| {
            of_post(format!("dial tcp {}: connect: {}", self.authority, connection_error(&error)))
        };
        let address = (self.host.as_str(), self.port);
        let stream = TcpStream::connect(address).await.map_err(unconnected)?;
        stream.set_nodelay(true).map_err(unconnected)?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| of_post(exchange_error(&error)))?;
        // It ends by itself once the answer is read or dropped; errors show in the answer.
        tokio::spawn(connection);
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| of_post(exchange_error(&error)))?;
        let status = answer.status().as_u16();
        // Go tells of the URL no more once it has the head of the answer.
        let body = answer.into_body().collect().await.map_err(|_| "unexpected EOF".to_owned())?;
        Ok((status, body.to_bytes()))
    }

    async fn send_with_timeout(&self, call: ApiRequest) -> Result<Value, ApiError> {
        let action = call.action;
        let unanswered = |why: String| ApiError::NoAnswer { why };
        let (request, url) =
            self.request(&call).map_err(|error| unanswered(format!("{action}: {error:#}")))?;
        let sent = tokio::time::timeout(TIMEOUT, self.send(request, &url)).await;
        let (status, body) = sent
            .unwrap_or_else(|_| Err(format!("Post \"{url}\": {TIMED_OUT}")))
            .map_err(unanswered)?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(&body)
                .map_err(|error| unanswered(format!("{action}: the answer is no JSON: {error}")));
        }
        // What is no answer of the cloud's is the message.
        let read = serde_json::from_slice(&body).unwrap_or_else(|_| ErrorBody {
            code: String::new(),
            message: String::from_utf8_lossy(&body).into_owned(),
            request_id: String::new(),
        });
        let ErrorBody { code, message, request_id } = read;
        Err(ApiError::ErrorAnswer { action, code, request_id, message })
    }
}

/// Go's words for an error of the connection.
fn connection_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        _ => error.to_string(),
    }
}

/// Go's words for an error between the connection and the head of the answer.
fn exchange_error(error: &hyper::Error) -> String {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause {
        Some(cause) => format!("read: {}", connection_error(cause)),
        None => "EOF".to_owned(),
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
            ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", "unexpected EOF"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "no JSON"),
        ] {
            let error = asked(answer).await.0.expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[tokio::test]
    async fn what_a_gateway_says_in_html_is_the_message() {
        let answer = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>";
        let error = asked(answer).await.0.expect_err("an error").to_string();
        let told = "[SDKError] API: TagResources, ErrorCode: , RequestId: , Message: <html>";
        assert_eq!(error, told);
    }

    /// The text of Go's `url.Error`, with which CCM's SDK answers: the whole URL that was sent, signature included.
    #[tokio::test]
    async fn a_connection_that_is_cut_is_told_with_the_signed_url() {
        let (answer, head) = asked("").await;
        let url = head.split(' ').nth(1).expect("a path");
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
        let error = answer.expect_err("an error").to_string();
        assert_eq!(error, format!("Post \"http://{host}{url}\": EOF"));
        for part in ["AccessKeyId=id&", "&Signature=", "&SignatureNonce="] {
            assert!(url.contains(part), "no {part} in {url}");
        }
    }

    #[tokio::test]
    async fn a_cloud_that_is_not_there_is_told_with_the_signed_url() {
        let cloud = cloud("http://127.0.0.1:1").expect("a cloud");
        let error =
            cloud.call(ApiRequest::slb("DescribeVServerGroups")).await.expect_err("no cloud");
        let error = error.to_string();
        assert!(error.starts_with("Post \"http://127.0.0.1:1/?AccessKeyId=id&"), "{error}");
        let why = "\": dial tcp 127.0.0.1:1: connect: connection refused";
        assert!(error.ends_with(why), "{error}");
    }
}
