//! Connections from a hostile Pod that are idle, slow or full of nonsense.

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use clbmigrate_testbed::suite::is_full;
use clbmigrate_testkit::manifests::key;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
    time::{interval, timeout},
};

use crate::{
    Case,
    ClusterUse::Exclusive,
    bindings::Group,
    clients::{Clients, Ended, Outcome, Write, write_with_retry},
    hostile::{Attacker, HostilePod, head},
    pods::Pod,
    test_cluster::{TestCluster, TestNamespace},
};

pub const CASES: &[Case] = &[(
    "idle, slow and broken requests from a Pod stop no review and leave no memory behind",
    Exclusive,
    attacked,
)];

/// Idle connections to each replica, as many as it takes at all: half of them have sent nothing, the others
/// have ended their handshake.
const IDLE: usize = 1024;
/// Of each kind of slow client, to each replica.
const SLOW: usize = 32;
/// Handshakes on their way at once.
const AT_ONCE: usize = 16;
/// Writes through the API server in each round.
const WRITES: usize = 60;
/// How much more memory a replica may have at the end than after the first round, in KiB.
const GROWTH: u64 = 32 * 1024;

fn attacked(cluster: &TestCluster<'_>) -> Result<()> {
    let hostile = cluster.namespace("attack-hostile")?;
    let free = cluster.namespace("attack-free")?;
    let group = Group::new("attack", 0);
    let service = group.service("web", &group.binding(80)).to_string();
    cluster.kubectl_ok(&format!("create -n {}", free.name), &service)?;
    let pod = HostilePod::start(cluster, &hostile.name)?;
    let replicas = Pod::replicas(cluster)?;
    let memory = || replicas.iter().map(Pod::memory).collect::<Result<Vec<_>>>();
    let before = memory()?;
    let mut after = Vec::new();
    for round in 0..if is_full() { 10 } else { 3 } {
        let slowest = attack(cluster, &pod, &replicas, &free)?;
        after.push(memory()?);
        println!(
            "round {round}: {WRITES} writes were judged, the slowest in {:.2} s; the replicas have {:?} KiB, before {before:?}",
            slowest.as_secs_f64(),
            after.last(),
        );
    }
    for (first, last) in after[0].iter().zip(after.last().context("a round")?) {
        ensure!(*last <= first + GROWTH, "memory grows: {after:?}");
    }
    for (replica, known) in Pod::replicas(cluster)?.iter().zip(&replicas) {
        ensure!(replica.name == known.name, "a replica was replaced");
    }
    Ok(())
}

/// Attacks both replicas as long as it takes to write through the API server. Returns the time of the
/// slowest write.
fn attack(
    cluster: &TestCluster<'_>,
    pod: &HostilePod,
    replicas: &[Pod; 2],
    free: &TestNamespace<'_>,
) -> Result<Duration> {
    let (ready, is_ready) = oneshot::channel();
    let (done, is_done) = oneshot::channel::<()>();
    thread::scope(|scope| {
        let attack = scope.spawn(|| {
            pod.run(|attacker| async move {
                let mut held = Vec::new();
                let mut slow = JoinSet::new();
                for replica in replicas {
                    held.push(idle(&attacker, replica.reviews()).await?);
                    be_slow(&attacker, replica.reviews(), &mut slow).await?;
                }
                let _ = ready.send(());
                tokio::pin!(is_done);
                loop {
                    for replica in replicas {
                        send_nonsense(&attacker, replica.reviews()).await?;
                    }
                    // An error says that the writer has failed, which it tells itself.
                    if timeout(Duration::from_millis(1), &mut is_done).await.is_ok() {
                        return Ok(());
                    }
                }
            })
        });
        let slowest = Clients::run(cluster, |clients| async move {
            is_ready.await.context("the attack has failed")?;
            let slowest = write(&clients, &free.name).await;
            drop(done);
            slowest
        });
        let attack = attack.join().expect("the attack");
        attack.and(slowest)
    })
}

/// Good and bad changes of a Service, one after another.
async fn write(clients: &Clients, namespace: &str) -> Result<Duration> {
    let mut slowest = Duration::ZERO;
    for number in 0..WRITES {
        let is_bad = number % 5 == 4;
        let weight = if is_bad { "101".to_owned() } else { (10 + number).to_string() };
        let patch = json!({"metadata": {"annotations": {key("weight"): weight}}});
        let write = Write::Patch { name: "web".to_owned(), patch };
        let ended = write_with_retry(&clients.services(namespace, number), &write).await?;
        let Ended { outcome, time, .. } = ended;
        match &outcome {
            Outcome::Stored if !is_bad => {}
            Outcome::Refused(words) if is_bad && words.contains("CLB001") => {}
            outcome => anyhow::bail!("weight {weight}: {outcome:?}"),
        }
        slowest = slowest.max(time);
    }
    Ok(slowest)
}

/// What is held open.
struct Idle {
    _silent: Vec<TcpStream>,
    _greeted: Vec<tokio_rustls::client::TlsStream<TcpStream>>,
}

async fn idle(attacker: &Attacker, to: SocketAddr) -> Result<Idle> {
    let half = || stream::iter(0..IDLE / 2);
    let silent = half().map(|_| TcpStream::connect(to)).buffer_unordered(AT_ONCE);
    let silent = silent.try_collect().await?;
    let greeted = half().map(|_| attacker.connect(to)).buffer_unordered(AT_ONCE);
    Ok(Idle { _silent: silent, _greeted: greeted.try_collect().await? })
}

/// Clients that send a byte at a time: a body, or a handshake.
async fn be_slow(attacker: &Attacker, to: SocketAddr, tasks: &mut JoinSet<()>) -> Result<()> {
    for _ in 0..SLOW {
        let mut body = attacker.connect(to).await?;
        body.write_all(head(1 << 20).as_bytes()).await?;
        tasks.spawn(trickle(body, b'{'));
        let mut handshake = TcpStream::connect(to).await?;
        // The beginning of a record with a ClientHello.
        handshake.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await?;
        tasks.spawn(trickle(handshake, 7));
    }
    Ok(())
}

/// Sends the same byte again and again until the webhook has had enough.
async fn trickle(mut stream: impl AsyncRead + AsyncWrite + Unpin, byte: u8) {
    let mut ticks = interval(Duration::from_millis(200));
    let mut answer = [0; 256];
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
            }
            read = stream.read(&mut answer) => {
                if !read.is_ok_and(|bytes| bytes > 0) {
                    return;
                }
            }
        }
    }
}

/// Bodies that are no reviews: none may be answered as one.
async fn send_nonsense(attacker: &Attacker, to: SocketAddr) -> Result<()> {
    let deep = |depth: usize| {
        format!(
            r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{}"#,
            "[".repeat(depth)
        )
    };
    let bodies: [Arc<[u8]>; 5] = [
        vec![b' '; 8 << 20].into(),
        deep(1_000_000).into_bytes().into(),
        deep(100).into_bytes().into(),
        b"{\"kind\":".to_vec().into(),
        vec![0xff; 1 << 16].into(),
    ];
    for body in bodies {
        // At the cap a connection may be closed for another one.
        let Ok(answer) = attacker.post(to, &body).await else { continue };
        ensure!(matches!(answer.status, 400..500 | 503), "{answer:?}");
    }
    Ok(())
}
