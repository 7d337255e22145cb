//! What runs in pods of test clusters. As the first process of a container it gets no signal that
//! it has not asked for, so it asks.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, thread};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Where the web server listens if it is told nothing else.
const PORT: u16 = 8080;
/// How long a connection or an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments = env::args().skip(1).collect::<Vec<_>>();
    let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
    let done = match arguments.as_slice() {
        ["pause"] => wait(),
        ["serve"] => serve(PORT),
        ["serve", port] => match port.parse() {
            Ok(port) => serve(port),
            Err(_) => Err(io::Error::other(format!("{port:?} is no port; take 1 to 65535"))),
        },
        ["fetch", server] => fetch(server),
        _ => Err(io::Error::other("usage: app pause | serve [PORT] | fetch ADDRESS:PORT")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody else can be told if stderr is closed.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Until the container shall end.
fn wait() -> io::Result<()> {
    Signals::new([SIGINT, SIGTERM])?.forever().next();
    Ok(())
}

/// Answers every request with the name of the pod. At its end it drops what it is doing, as
/// programs do that were not made for Kubernetes.
fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away ends its own connection only.
            thread::spawn(move || drop(answer(&stream)));
        }
    });
    wait()
}

/// Prints what a server answers. The error is the kind of it, `ConnectionRefused` or `TimedOut`.
fn fetch(server: &str) -> io::Result<()> {
    let kind = |error: io::Error| match error.kind() {
        // Of a read that takes too long.
        io::ErrorKind::WouldBlock => io::Error::other("TimedOut"),
        kind => io::Error::other(format!("{kind:?}")),
    };
    let address = server.parse().map_err(|_| io::Error::other("write ADDRESS:PORT"))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(kind)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET / HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(kind)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(kind)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
    let body = body.ok_or_else(|| io::Error::other("an answer without an end of its head"))?;
    io::stdout().write_all(body.as_bytes())
}

/// Answers requests without a body until the client has had enough.
fn answer(stream: &TcpStream) -> io::Result<()> {
    let name = env::var("HOSTNAME").unwrap_or_default();
    let mut reader = BufReader::new(stream);
    loop {
        let mut close = false;
        let mut lines = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            lines += 1;
            close |= line.eq_ignore_ascii_case("connection: close");
        }
        if lines == 0 {
            continue;
        }
        let connection = if close { "close" } else { "keep-alive" };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8";
        let length = name.len() + 1;
        let mut stream = stream;
        stream.write_all(
            format!(
                "{head}\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n{name}\n"
            )
            .as_bytes(),
        )?;
        if close {
            return Ok(());
        }
    }
}
