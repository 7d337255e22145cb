//! A client that blocks and keeps nothing to itself: one connection, bytes as they come.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use clbmigrate_fault_proxy::FaultProxy;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

use crate::certificates::trusting;

/// No wait in these tests may be longer; none should be near it.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub struct Client {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

impl Client {
    pub fn of_proxy(proxy: &FaultProxy) -> Self {
        Self::connect(&proxy.url(), trusting(proxy.ca_pem()))
    }

    pub fn connect(url: &str, config: ClientConfig) -> Self {
        let address = url.strip_prefix("https://").expect("an https URL");
        let socket = TcpStream::connect(address).expect("a connection to the proxy");
        socket.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        let name = "127.0.0.1".try_into().expect("a server name");
        let tls = ClientConnection::new(Arc::new(config), name).expect("a TLS client");
        Self { stream: BufReader::new(StreamOwned::new(tls, socket)) }
    }

    /// Sends a request with this body.
    pub fn send(&mut self, method: &str, target: &str, headers: &str, body: &str) {
        let length = body.len();
        self.write(&format!(
            "{method} {target} HTTP/1.1\r\nhost: proxy\r\n{headers}content-length: {length}\r\n\r\n{body}"
        ));
    }

    pub fn write(&mut self, text: &str) {
        let stream = self.stream.get_mut();
        stream.write_all(text.as_bytes()).expect("a request sent");
        stream.flush().expect("a request sent");
    }

    /// Sends a request without a body and takes the answer.
    pub fn request(&mut self, method: &str, target: &str) -> Answer {
        self.send(method, target, "", "");
        self.answer()
    }

    pub fn answer(&mut self) -> Answer {
        let (status, headers) = self.head();
        let mut body = Vec::new();
        if let Some(length) = headers.get("content-length") {
            body.resize(length.parse().expect("a length"), 0);
            self.stream.read_exact(&mut body).expect("a whole body");
        } else {
            while let Some(chunk) = self.chunk() {
                body.extend(chunk);
            }
        }
        Answer { status, headers, body }
    }

    /// The status and the headers, without the body.
    pub fn head(&mut self) -> (u16, BTreeMap<String, String>) {
        let line = self.line();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").expect("a header");
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        (status.unwrap_or_else(|| panic!("no status in {line:?}")), headers)
    }

    /// The next chunk of a chunked body; `None` at its end.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let length = usize::from_str_radix(&self.line(), 16).expect("a chunk's length");
        let mut chunk = vec![0; length];
        self.stream.read_exact(&mut chunk).expect("a whole chunk");
        assert_eq!(self.line(), "");
        (length > 0).then_some(chunk)
    }

    /// Everything up to the end of the connection, however it ends.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let end = self.stream.read_to_end(&mut rest);
        let timeout = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
        if let Err(error) = end {
            assert!(!timeout.contains(&error.kind()), "the connection did not end");
        }
        rest
    }

    /// Whether nothing at all comes for a moment.
    pub fn is_waiting(&mut self) -> bool {
        let moment = Some(Duration::from_millis(150));
        self.stream.get_ref().sock.set_read_timeout(moment).expect("a read timeout");
        let waiting = matches!(
            self.stream.fill_buf(),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
        );
        self.stream.get_ref().sock.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        waiting
    }

    pub fn protocol(&self) -> Option<&[u8]> {
        self.stream.get_ref().conn.alpn_protocol()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        assert!(line.ends_with("\r\n"), "the connection ended in {line:?}");
        line.trim_end().to_owned()
    }
}
