//! One kept-alive connection to a server.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::http1::Head;

/// More than an answer to a review may have.
const LARGEST: usize = 1024 * 1024;
/// Holds the answers that are usual.
const USUAL: usize = 16 * 1024;

/// A server over TLS.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where it listens. Its certificate must be valid for this address.
    pub address: SocketAddr,
    /// The TLS configuration of the client.
    pub tls: Arc<ClientConfig>,
}

/// Status and body of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

/// A connection that sends one request after the other.
#[derive(Debug)]
pub struct Connection {
    server: Server,
    stream: TlsStream<TcpStream>,
    arrived: Vec<u8>,
    closing: bool,
}

impl Connection {
    /// Connects to a server. An error says whether TCP or TLS has failed.
    pub async fn open(server: &Server) -> Result<Self> {
        let stream = connect(server).await?;
        Ok(Self {
            server: server.clone(),
            stream,
            arrived: Vec::with_capacity(USUAL),
            closing: false,
        })
    }

    /// Sends a request and reads its answer. Connects again if the server has closed the connection with
    /// its last answer. What is no complete HTTP/1.1 answer of at most 1 MiB is an error.
    pub async fn send(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        if self.closing {
            self.stream = connect(&self.server).await?;
        }
        self.stream.write_all(request).await.context("send a request")?;
        self.stream.flush().await.context("send a request")?;
        self.arrived.clear();
        let head = loop {
            if self.stream.read_buf(&mut self.arrived).await.context("read an answer")? == 0 {
                bail!("the server closed the connection instead of answering");
            }
            if self.arrived.len() > LARGEST {
                bail!("an answer has more than {LARGEST} bytes");
            }
            if let Some(head) =
                Head::read(&self.arrived)?.filter(|head| head.end() <= self.arrived.len())
            {
                break head;
            }
        };
        self.closing = head.close;
        let body = self.arrived.get(head.body_at..head.end()).unwrap_or_default();
        if head.end() < self.arrived.len() {
            bail!("the server sent more than its answer");
        }
        Ok(Answer { status: head.status, body })
    }
}

async fn connect(server: &Server) -> Result<TlsStream<TcpStream>> {
    let address = server.address;
    let stream =
        TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
    stream.set_nodelay(true).with_context(|| format!("connect to {address}"))?;
    TlsConnector::from(Arc::clone(&server.tls))
        .connect(ServerName::from(address.ip()), stream)
        .await
        .with_context(|| format!("TLS with {address}"))
}
