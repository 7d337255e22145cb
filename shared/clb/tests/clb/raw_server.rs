//! A TCP server that answers requests with scripted bytes, for what no working server sends.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What a request is answered with.
#[derive(Debug, Clone)]
pub(crate) enum RawAnswer {
    /// These bytes, then the connection is closed.
    Bytes(String),
    /// Nothing; the connection stays open.
    Silence,
}

impl RawAnswer {
    /// The connection is closed without a byte.
    pub(crate) fn cut() -> Self {
        Self::Bytes(String::new())
    }

    /// A complete HTTP answer with this status line's code and body.
    pub(crate) fn http(status: u16, body: &str) -> Self {
        let length = body.len();
        Self::Bytes(format!(
            "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }
}

/// The server; it ends with the test's runtime.
pub(crate) struct RawServer {
    /// `127.0.0.1:PORT`.
    pub(crate) authority: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl RawServer {
    /// Gives one answer after the other, the last one for ever.
    pub(crate) async fn start(answers: Vec<RawAnswer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let authority = listener.local_addr().expect("an address").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                let number = {
                    let mut log = log.lock().expect("a log");
                    log.push(request);
                    log.len() - 1
                };
                match answers[number.min(answers.len() - 1)].clone() {
                    RawAnswer::Bytes(bytes) => {
                        stream.write_all(bytes.as_bytes()).await.expect("a client");
                    }
                    RawAnswer::Silence => {
                        // Held for as long as the client keeps it open.
                        tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await });
                    }
                }
            }
        });
        Self { authority, requests }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn http(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// All requests until now, each as its bytes came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("a log").clone()
    }
}

/// Reads a request to the end of its body.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.expect("a request"));
    }
    let head = String::from_utf8(bytes).expect("text");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().expect("a number"))
    });
    let mut body = vec![0; length.unwrap_or_default()];
    stream.read_exact(&mut body).await.expect("a body");
    head + std::str::from_utf8(&body).expect("text")
}
