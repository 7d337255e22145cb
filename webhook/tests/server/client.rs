//! A client that writes every byte itself.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc};

use clbmigrate_webhook::tls::CaBundle;
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    version,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::test_server::{NAME, TestServer, within};

pub type Tls = TlsStream<TcpStream>;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A certificate and its key, with which a client shows who it is.
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

pub async fn connect(
    address: SocketAddr,
    bundle: &CaBundle,
    version: &'static SupportedProtocolVersion,
    protocols: &[&str],
) -> io::Result<Tls> {
    connect_as(None, address, bundle, version, protocols).await
}

/// Connects as a client with a certificate.
pub async fn connect_as(
    identity: Option<&Identity>,
    address: SocketAddr,
    bundle: &CaBundle,
    version: &'static SupportedProtocolVersion,
    protocols: &[&str],
) -> io::Result<Tls> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(bundle.certificates());
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("known versions")
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(Identity { chain, key }) => builder
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .expect("a certificate with its key"),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let tcp = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(NAME.try_into().expect("a name"), tcp).await
}

/// A connection of HTTP/1.1.
pub struct Client(pub Tls);

impl Client {
    pub async fn new(server: &TestServer) -> Self {
        Self::at(server, &version::TLS13).await.expect("a connection")
    }

    pub async fn at(
        server: &TestServer,
        version: &'static SupportedProtocolVersion,
    ) -> io::Result<Self> {
        let connecting = connect(server.address, server.bundle(), version, &["http/1.1"]);
        within("a connection", connecting).await.map(Self)
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("written");
        self.0.flush().await.expect("written");
    }

    /// Posts a body as API servers do, and reads the answer.
    pub async fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send(request("POST", path, body)).await;
        self.answer().await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        self.answer().await
    }

    pub async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer")
    }

    /// The next answer; an error where the connection has ended.
    pub async fn try_answer(&mut self) -> io::Result<Answer> {
        within("an answer", read(&mut self.0)).await
    }

    /// Waits until the server has closed the connection, and gives what it sent before.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // However it ends.
        let _ = within("the end of the connection", self.0.read_to_end(&mut rest)).await;
        rest
    }
}

/// Asks the port for probes.
pub async fn probe(server: &TestServer, path: &str) -> Answer {
    let mut tcp = TcpStream::connect(server.probes).await.expect("connected");
    let sent = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    tcp.write_all(sent.as_bytes()).await.expect("written");
    within("an answer", read(&mut tcp)).await.expect("an answer")
}

pub fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).expect("ASCII");
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.and_then(|status| status.parse().ok()).expect("a status");
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok(Answer { status, headers, body: String::from_utf8(body).expect("text") })
}
