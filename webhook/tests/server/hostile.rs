//! A Pod that means harm, against the program as a process: real reviews go on, and its memory does
//! not grow.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use clbmigrate_fault_proxy::FaultProxy;
use clbmigrate_testbed::try_wait_for;
use clbmigrate_webhook::Webhook;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde_json::Value;

use crate::{
    client::request,
    process::{DEADLINE, WebhookProcess},
    program::{Files, NAME},
    startup::{api_server, conflict},
};

/// As many connections as the program has places for.
const CONNECTIONS: usize = 1024;

/// The program with a cluster in which one Service is.
struct Target {
    process: WebhookProcess,
    files: Files,
    tls: Arc<ClientConfig>,
    _api_server: FaultProxy,
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Target {
    fn start() -> Result<Self> {
        let files = Files::new()?;
        let (proxy, gate) = api_server()?;
        gate.remove();
        std::fs::write(files.path("kubeconfig"), proxy.kubeconfig("a"))?;
        let process = WebhookProcess::start(files.command(&[]))?;
        try_wait_for("it to be ready", DEADLINE, || {
            Ok((process.probe("/readyz")?.0 == 200).then_some(()))
        })?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(files.certificate.as_bytes())?)?;
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { process, files, tls: Arc::new(tls), _api_server: proxy })
    }

    fn tcp(&self) -> Result<TcpStream> {
        let tcp = TcpStream::connect(self.process.address)?;
        tcp.set_read_timeout(Some(DEADLINE))?;
        Ok(tcp)
    }

    fn connect(&self) -> Result<Tls> {
        let name = NAME.try_into()?;
        let mut tcp = self.tcp()?;
        let mut connection = ClientConnection::new(Arc::clone(&self.tls), name)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        Ok(StreamOwned::new(connection, tcp))
    }

    /// Posts a body and gives the answer's status, if the program answers.
    fn post(&self, path: &str, body: &str) -> Result<Option<u16>> {
        let mut stream = self.connect()?;
        let sent = request("POST", path, body).replace("Host: x", "Host: x\r\nConnection: close");
        let mut answer = Vec::new();
        // A body that is too large may meet a connection that is closed already.
        let _ = stream.write_all(sent.as_bytes());
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        Ok(answer.split(' ').nth(1).and_then(|status| status.parse().ok()))
    }

    /// A real review is judged, by what is known of the cluster.
    fn judges(&self) -> Result<()> {
        let trusted = &self.files.certificate;
        let (status, body) = self.process.post("/validate-services", &conflict(), trusted, NAME)?;
        ensure!(status == 200, "{status}: {body}");
        let answer: Value = serde_json::from_str(&body)?;
        ensure!(answer["response"]["allowed"] == false && body.contains("CLB102"), "{answer}");
        Ok(())
    }

    /// Its resident memory in bytes.
    fn memory(&self) -> Result<i64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no RSS")?;
        let kilobytes: i64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024)
    }
}

/// This process has as many files open as the program under test, which inherits the limit.
fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it is not allowed, the program has fewer places, which it deals with, too.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[test]
fn idle_connections_in_any_number_keep_nobody_out() -> Result<()> {
    allow_many_files();
    let target = Target::start()?;
    target.judges()?;
    let before = target.memory()?;

    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS {
        silent.push(target.connect()?);
    }
    let each = (target.memory()? - before) / i64::try_from(CONNECTIONS)?;
    println!("an idle connection occupies {each} bytes");
    ensure!(each < 64 * 1024, "{each} bytes for an idle connection");
    target.judges()?;
    ensure!(target.process.probe("/healthz")?.0 == 200);

    // As many again that never shake hands, and as many that begin and stop.
    let mut halves = Vec::new();
    for number in 0..CONNECTIONS {
        let mut tcp = target.tcp()?;
        if number % 2 == 0 {
            // The beginning of a record of a handshake of 512 bytes.
            tcp.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252])?;
        }
        halves.push(tcp);
    }
    target.judges()?;
    ensure!(target.process.probe("/readyz")?.0 == 200);
    Ok(())
}

#[test]
fn slow_bodies_on_every_connection_keep_nobody_out() -> Result<()> {
    allow_many_files();
    let target = Target::start()?;
    target.judges()?;
    let body = "x".repeat(2000);
    let mut slow = Vec::new();
    for number in 0..CONNECTIONS {
        let path = Webhook::ALL[number % Webhook::ALL.len()].path();
        let mut stream = target.connect()?;
        let sent = request("POST", &format!("{path}?timeout=30s"), &body);
        stream.write_all(&sent.as_bytes()[..sent.len() - 1])?;
        slow.push(stream);
        if number % 100 == 99 {
            target.judges()?;
        }
    }
    target.judges()?;
    ensure!(target.process.probe("/readyz")?.0 == 200);
    Ok(())
}

/// Reviews with JSON that is nested so deep that a parser which calls itself would end the process.
fn deep() -> Vec<String> {
    const DEPTH: usize = 200_000;
    let review = conflict();
    let lists = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let objects = format!("{}1{}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH));
    let mut all = vec![lists.clone(), objects.clone(), "[".repeat(DEPTH), "{\"a\":".repeat(DEPTH)];
    for value in [lists, objects] {
        for place in [
            "\"uid\":",
            "\"object\":",
            "\"oldObject\":",
            "\"options\":",
            "\"userInfo\":",
            "\"metadata\":",
        ] {
            all.push(review.replacen(place, &format!("{place}{value},\"other\":"), 1));
        }
        for place in
            ["\"annotations\":{", "\"spec\":{", "\"ports\":[{", "\"selector\":{", "\"request\":{"]
        {
            all.push(review.replacen(place, &format!("{place}\"deep\":{value},"), 1));
        }
        all.push(review.replacen(
            "\"annotations\":{",
            &format!("\"managedFields\":{value},\"annotations\":{{"),
            1,
        ));
    }
    all
}

/// Reviews that end too early, or are none.
fn broken() -> Vec<String> {
    let review = conflict();
    let mut all: Vec<String> =
        (1..20).map(|part| review[..review.len() * part / 20].to_owned()).collect();
    let others = [
        "null",
        "5",
        "\"\"",
        "{}",
        "[]",
        "{\"request\":null}",
        "{\"request\":{\"uid\":5}}",
        "\u{0}",
    ];
    all.extend(others.map(str::to_owned));
    all.push(review.replace("\"annotations\":{", "\"annotations\":5,\"x\":{"));
    all.push(review.replace("\"spec\":{", "\"spec\":[],\"x\":{"));
    all
}

#[test]
fn deep_and_broken_json_is_answered_and_costs_nothing_else() -> Result<()> {
    let target = Target::start()?;
    for body in deep().into_iter().chain(broken()) {
        for webhook in Webhook::ALL {
            let status = target.post(webhook.path(), &body)?;
            let start: String = body.chars().take(60).collect();
            ensure!(matches!(status, Some(200 | 400)), "{webhook:?}: {status:?} for {start}");
        }
    }
    ensure!(target.process.metric("panics_total")? < 1.0);
    target.judges()
}

/// One round of everything that is not as it should be.
fn harm(target: &Target) -> Result<()> {
    let mut open = Vec::new();
    for number in 0..200 {
        let mut stream = target.connect()?;
        let length = if number % 20 == 0 { 1_000_000 } else { 2_000 };
        let sent = request("POST", "/validate-services", &"x".repeat(length));
        stream.write_all(&sent.as_bytes()[..sent.len() - 1])?;
        open.push(stream);
    }
    let halves: Vec<TcpStream> = (0..200).map(|_| target.tcp()).collect::<Result<_>>()?;
    let too_large = target.post("/validate-services", &"x".repeat(8 * 1024 * 1024))?;
    ensure!(too_large.is_none_or(|status| status == 413), "{too_large:?}");
    for body in deep().iter().chain(&broken()) {
        target.post("/validate-services", body)?;
        target.post("/mutate-workloads", body)?;
    }
    drop((open, halves));
    target.judges()
}

/// One round of as many large reviews as they should be.
fn use_well(target: &Target) -> Result<()> {
    for _ in 0..200 {
        target.connect()?;
    }
    let large = conflict().replacen(
        "\"options\":null",
        &format!("\"options\":{{\"x\":\"{}\"}}", "x".repeat(6_000_000)),
        1,
    );
    for _ in 0..10 {
        ensure!(target.post("/validate-services", &large)? == Some(200));
    }
    target.judges()
}

#[test]
fn memory_grows_no_more_by_harm_than_by_use() -> Result<()> {
    const ROUNDS: usize = 4;
    // The first round of either fills what the allocator keeps for the next.
    let growth = |round: fn(&Target) -> Result<()>| -> Result<i64> {
        let target = Target::start()?;
        let mut memory = Vec::new();
        for _ in 0..ROUNDS {
            round(&target)?;
            memory.push(target.memory()?);
        }
        println!("resident memory after each round: {memory:?}");
        Ok(memory[ROUNDS - 1] - memory[0])
    };
    let by_use = growth(use_well)?;
    let by_harm = growth(harm)?;
    // What the largest body that is read occupies.
    let margin = 16 * 1024 * 1024;
    ensure!(by_harm <= by_use.max(0) + margin, "{by_harm} bytes by harm, {by_use} by use");
    Ok(())
}
