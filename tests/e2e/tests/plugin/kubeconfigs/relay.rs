//! The API server at another address, and a proxy before it that counts.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use clbmigrate_testbed::Identity;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

/// The user and the password of a proxy's URL, which the proxy demands where one is sent.
pub const LOGIN: &str = "ann:s@cret";

/// The API server's port on `0.0.0.0`, which Linux takes for this machine, and no rule of proxies does.
pub struct Door {
    port: u16,
}

impl Door {
    /// Opens a port that leads to the API server. It is open until the test ends.
    pub fn open(upstream: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let upstream = upstream.to_owned();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let upstream = upstream.clone();
                thread::spawn(move || join(client, TcpStream::connect(upstream)?));
            }
        });
        Ok(Self { port })
    }

    pub fn url(&self) -> String {
        format!("https://0.0.0.0:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A proxy, by `CONNECT` and by SOCKS 5, for whatever is wanted: the API server.
pub struct Proxy {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    pub fn start(upstream: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counter, upstream) = (Arc::clone(&connections), upstream.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (counter, upstream) = (Arc::clone(&counter), upstream.clone());
                thread::spawn(move || serve(client, &upstream, &counter));
            }
        });
        Ok(Self { port, connections })
    }

    /// Its address without a scheme.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many connections it has let through.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// TLS before a server, with this certificate. It is there until the test ends.
pub fn with_tls(server: &str, identity: &Identity) -> anyhow::Result<SocketAddr> {
    let certificates = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
    let certificates = certificates.collect::<Result<Vec<_>, _>>().context("certificates")?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).context("a key")?;
    let config = ServerConfig::builder().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(certificates, key)?));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let server = server.to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || -> io::Result<()> {
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            loop {
                let (client, _) = listener.accept().await?;
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await?;
                    let mut server = tokio::net::TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        })
    });
    Ok(address)
}

fn serve(client: TcpStream, upstream: &str, counter: &AtomicUsize) -> anyhow::Result<()> {
    let mut first = [0];
    client.peek(&mut first)?;
    if first == [5] {
        socks(&client)?;
    } else {
        connect(&client)?;
    }
    counter.fetch_add(1, Ordering::SeqCst);
    join(client, TcpStream::connect(upstream)?)?;
    Ok(())
}

fn connect(mut client: &TcpStream) -> anyhow::Result<()> {
    let mut head = Vec::new();
    let mut reader = BufReader::with_capacity(1, client);
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "no request");
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    ensure!(head.first().is_some_and(|line| line.starts_with("CONNECT ")), "{head:?}");
    let login = head.iter().find_map(|line| line.strip_prefix("Proxy-Authorization: Basic "));
    if login.is_some_and(|login| login != BASE64.encode(LOGIN)) {
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")?;
        anyhow::bail!("a wrong password");
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    Ok(())
}

/// RFC 1928 and RFC 1929.
fn socks(mut client: &TcpStream) -> anyhow::Result<()> {
    take(client, 1)?;
    let wants_login = field(client)?.contains(&2);
    client.write_all(&[5, if wants_login { 2 } else { 0 }])?;
    if wants_login {
        take(client, 1)?;
        let login = [field(client)?, field(client)?].join(&b':');
        let is_right = login == LOGIN.as_bytes();
        client.write_all(&[1, u8::from(!is_right)])?;
        ensure!(is_right, "a wrong password");
    }
    match take(client, 4)?.last() {
        Some(1) => take(client, 4)?,
        Some(4) => take(client, 16)?,
        _ => field(client)?,
    };
    take(client, 2)?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    Ok(())
}

fn take(mut client: &TcpStream, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Bytes with their number before them.
fn field(client: &TcpStream) -> io::Result<Vec<u8>> {
    let size = take(client, 1)?;
    take(client, usize::from(size[0]))
}

/// Copies both ways until both have ended.
fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let there = thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (server, client);
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = there.join();
    Ok(())
}
