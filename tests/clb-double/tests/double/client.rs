//! A client that signs by itself, well or badly.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use ring::{digest, hmac};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub const SLB: &str = "2014-05-15";

/// What a client is told.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The answer of a call that was carried out.
    pub fn done(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        let json = self.json();
        assert!(json["RequestId"].is_string(), "{json}");
        json
    }

    /// Status and code of a call that was refused.
    pub fn refused(&self) -> (u16, String) {
        let json = self.json();
        for key in ["RequestId", "HostId", "Code", "Message"] {
            assert!(json[key].is_string(), "{key} is missing: {json}");
        }
        (self.status, json["Code"].as_str().expect("a code").to_owned())
    }
}

/// How calls are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureMethod {
    HmacSha1,
    Acs3,
}

/// Where the parameters of a call stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterLocation {
    Query,
    Form,
}

/// Somebody who calls.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub signature: SignatureMethod,
    pub method: Method,
    pub parameters_in: ParameterLocation,
    pub key: String,
    pub secret: String,
    pub token: Option<String>,
    /// How far its clock is ahead.
    pub ahead: SignedDuration,
    /// Always this nonce.
    pub nonce: Option<String>,
}

impl Client {
    pub fn new(address: SocketAddr, signature: SignatureMethod) -> Self {
        Self {
            address,
            signature,
            method: Method::POST,
            parameters_in: ParameterLocation::Query,
            key: "key-a".to_owned(),
            secret: "secret-a".to_owned(),
            token: None,
            ahead: SignedDuration::ZERO,
            nonce: None,
        }
    }

    /// A call of the SLB that is answered.
    pub async fn slb(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        self.call(SLB, action, params).await.expect("an answer")
    }

    pub async fn call(
        &self,
        version: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let stream = TcpStream::connect(self.address).await?;
        send(stream, self.request(version, action, params)).await
    }

    pub fn request(
        &self,
        version: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> Request<Full<Bytes>> {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let params = params.iter().copied().map(own).collect::<Vec<_>>();
        match self.signature {
            SignatureMethod::HmacSha1 => self.hmac_sha1(version, action, params),
            SignatureMethod::Acs3 => self.acs3(version, action, params),
        }
    }

    fn time(&self) -> String {
        (Timestamp::now() + self.ahead).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn nonce(&self) -> String {
        self.nonce.clone().unwrap_or_else(|| {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).expect("randomness");
            hex(&bytes)
        })
    }

    /// As CCM and the classic SDKs do it.
    fn hmac_sha1(
        &self,
        version: &str,
        action: &str,
        mut params: Vec<(String, String)>,
    ) -> Request<Full<Bytes>> {
        for (name, value) in [
            ("AccessKeyId", self.key.as_str()),
            ("Action", action),
            ("Format", "JSON"),
            ("RegionId", "cn-example"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", &self.nonce()),
            ("SignatureType", ""),
            ("SignatureVersion", "1.0"),
            ("Timestamp", &self.time()),
            ("Version", version),
        ] {
            params.push((name.to_owned(), value.to_owned()));
        }
        if let Some(token) = &self.token {
            params.push(("SecurityToken".to_owned(), token.clone()));
        }
        params.sort();
        let query = encode(&params);
        let string_to_sign = format!("{}&%2F&{}", self.method, percent(&query));
        let key = hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            format!("{}&", self.secret).as_bytes(),
        );
        let signature = STANDARD.encode(hmac::sign(&key, string_to_sign.as_bytes()));
        let signed = format!("{query}&Signature={}", percent(&signature));
        let (uri, body) = match self.parameters_in {
            ParameterLocation::Query => (format!("/?{signed}"), String::new()),
            ParameterLocation::Form => ("/".to_owned(), signed),
        };
        Request::builder()
            .method(self.method.clone())
            .uri(uri)
            .header(header::HOST, "slb.cn-example.aliyuncs.com")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(body))
            .expect("a request")
    }

    /// As the newer SDKs do it.
    fn acs3(
        &self,
        version: &str,
        action: &str,
        mut params: Vec<(String, String)>,
    ) -> Request<Full<Bytes>> {
        params.sort();
        let encoded = encode(&params);
        let (query, body) = match self.parameters_in {
            ParameterLocation::Query => (encoded, String::new()),
            ParameterLocation::Form => (String::new(), encoded),
        };
        let hash = sha256(body.as_bytes());
        let mut headers = vec![
            ("host", "slb.cn-example.aliyuncs.com".to_owned()),
            ("x-acs-action", action.to_owned()),
            ("x-acs-content-sha256", hash.clone()),
            ("x-acs-date", self.time()),
            ("x-acs-signature-nonce", self.nonce()),
            ("x-acs-version", version.to_owned()),
        ];
        if self.parameters_in == ParameterLocation::Form {
            headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        }
        if let Some(token) = &self.token {
            headers.push(("x-acs-security-token", token.clone()));
        }
        headers.sort();
        let lines = headers.iter().map(|(name, value)| format!("{name}:{value}\n"));
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let canonical =
            format!("{}\n/\n{query}\n{}\n{names}\n{hash}", self.method, lines.collect::<String>());
        let string_to_sign = format!("ACS3-HMAC-SHA256\n{}", sha256(canonical.as_bytes()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let signature = hex(hmac::sign(&key, string_to_sign.as_bytes()).as_ref());
        let authorization = format!(
            "ACS3-HMAC-SHA256 Credential={},SignedHeaders={names},Signature={signature}",
            self.key
        );
        let uri = if query.is_empty() { "/".to_owned() } else { format!("/?{query}") };
        let mut request = Request::builder().method(self.method.clone()).uri(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.header("authorization", authorization).body(Full::from(body)).expect("a request")
    }
}

/// Sends one request over a connection.
pub async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    drop(sender);
    connection.await??;
    Ok(Answer { status, text: String::from_utf8(body.to_vec())? })
}

/// A request without a signature.
pub async fn plain(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .body(Full::from(body.to_owned()))
        .expect("a request");
    send(TcpStream::connect(address).await.expect("a connection"), request)
        .await
        .expect("an answer")
}

fn encode(params: &[(String, String)]) -> String {
    let pairs = params.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

fn digit(number: u8) -> char {
    char::from_digit(number.into(), 16).expect("a digit")
}
