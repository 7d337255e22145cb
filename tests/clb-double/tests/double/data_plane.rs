//! Servers behind a CLB whose data plane runs, and clients before it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clbmigrate_clb_double::state::{Group, Listener};
use clbmigrate_clb_double::{ClbDouble, ListenerReport, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::client::{Client, SignatureMethod};
use crate::fixture::read;

/// A second of the state.
pub const SECOND: Duration = Duration::from_millis(20);
const PORT: u16 = 18080;
const LONGEST: Duration = Duration::from_secs(30);

/// A CLB before some servers.
pub struct DataPlaneFixture {
    pub double: ClbDouble,
    pub client: Client,
    pub address: SocketAddr,
    servers: Vec<EchoServer>,
}

/// Tells every connection its name, then echoes lines.
struct EchoServer {
    address: SocketAddr,
    accepts: AbortHandle,
}

impl DataPlaneFixture {
    /// As many servers as weights, `i-1` and so on, all well, behind a listener with these settings.
    pub async fn new(weights: &[u8], listener: Value) -> Self {
        let fixture = Self::starting(weights, listener).await;
        fixture.until_health("normal", 0..weights.len()).await;
        fixture
    }

    /// The same, before the first health check.
    pub async fn starting(weights: &[u8], listener: Value) -> Self {
        let mut servers = Vec::new();
        for index in 0..weights.len() {
            servers.push(EchoServer::start(&name(index), free()).await);
        }
        let ip = own_ip();
        let backends = weights.iter().zip(&servers).enumerate().map(|(index, (weight, server))| {
            json!({"serverId": name(index), "port": server.address.port(), "weight": weight})
        });
        let instances = (0..weights.len()).map(|index| (name(index), "127.0.0.1".to_owned()));
        let mut listener = listener;
        listener["port"] = json!(PORT);
        listener["vServerGroupId"] = json!("rsp-a");
        // A server that is not there refuses at once; on a busy machine one that is may be slow.
        listener["healthCheck"]["connectTimeout"] = json!(300);
        let state = json!({
            "region": "cn-example",
            "accounts": [{"accessKeyId": "key-a", "accessKeySecret": "secret-a"}],
            "instances": instances.collect::<BTreeMap<_, _>>(),
            "loadBalancers": [{
                "id": "lb-1", "address": ip,
                "groups": [{"id": "rsp-a", "backends": backends.collect::<Vec<_>>()}],
                "listeners": [listener],
            }],
        });
        let mut options = Options::new(read(&state));
        options.data_plane = true;
        options.second = SECOND;
        let double = ClbDouble::start(options).await.expect("a double");
        let client = Client::new(double.http().expect("an address"), SignatureMethod::Acs3);
        let address = SocketAddr::new(ip.parse().expect("an IP"), PORT);
        Self { double, client, address, servers }
    }

    /// The server's listener is no more; its connections go on.
    pub fn stop(&self, index: usize) {
        self.servers[index].accepts.abort();
    }

    /// It listens again.
    pub async fn restart(&mut self, index: usize) {
        let address = self.servers[index].address;
        self.servers[index] = EchoServer::start(&name(index), address).await;
    }

    /// A weight, by the API.
    pub async fn set_weight(&self, index: usize, weight: u8) {
        let port = self.servers[index].address.port();
        let server = json!([{"ServerId": name(index), "Port": port, "Weight": weight}]);
        self.on_group("SetVServerGroupAttribute", &server).await;
    }

    /// Takes a server out of the group, by the API.
    pub async fn remove(&self, index: usize) {
        let port = self.servers[index].address.port();
        let server = json!([{"ServerId": name(index), "Port": port}]);
        self.on_group("RemoveVServerGroupBackendServers", &server).await;
    }

    async fn on_group(&self, action: &str, servers: &Value) {
        let servers = servers.to_string();
        let params = [("VServerGroupId", "rsp-a"), ("BackendServers", servers.as_str())];
        self.client.slb(action, &params).await.done();
    }

    /// What `DescribeHealthStatus` answers of each server.
    pub async fn health(&self) -> Vec<String> {
        let params = [("LoadBalancerId", "lb-1"), ("ListenerPort", &PORT.to_string())];
        let answer = self.client.slb("DescribeHealthStatus", &params).await.done();
        let list = answer["BackendServers"]["BackendServer"].as_array().expect("backends");
        list.iter()
            .map(|one| one["ServerHealthStatus"].as_str().expect("text").to_owned())
            .collect()
    }

    /// Waits until these servers are so.
    pub async fn until_health(&self, wanted: &str, servers: impl Iterator<Item = usize> + Clone) {
        until(&format!("health is {wanted}"), async || {
            let health = self.health().await;
            servers.clone().all(|index| health[index] == wanted)
        })
        .await;
    }

    /// Connections that each server got when so many were made, one after the other in each of a
    /// few tasks.
    pub async fn served(&self, connections: usize) -> Vec<u64> {
        const TASKS: usize = 16;
        let before = self.totals();
        let tasks = (0..TASKS).map(|task| {
            let address = self.address;
            tokio::spawn(async move {
                for _ in (task..connections).step_by(TASKS) {
                    Connection::new(address).await.expect("a server");
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("served");
        }
        let after = self.totals();
        after.iter().zip(before).map(|(after, before)| after - before).collect()
    }

    /// Connections that each server was ever given.
    pub fn totals(&self) -> Vec<u64> {
        let report = self.report();
        (0..self.servers.len())
            .map(|index| {
                let found = report.backends.iter().find(|one| one.key.server_id == name(index));
                found.map_or(0, |one| one.total)
            })
            .collect()
    }

    pub fn report(&self) -> ListenerReport {
        self.double.connections().remove(0)
    }

    /// Changes the listener behind the API's back.
    pub fn edit_listener(&self, change: impl FnOnce(&mut Listener)) {
        self.double.edit(|state| change(&mut state.load_balancers[0].listeners[0]));
    }

    /// Changes the group behind the API's back.
    pub fn edit_group(&self, change: impl FnOnce(&mut Group)) {
        self.double.edit(|state| change(&mut state.load_balancers[0].groups[0]));
    }
}

impl EchoServer {
    async fn start(name: &str, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let hello = format!("{name}\n");
        let accepts = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let hello = hello.clone();
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    // A health check reads no hello.
                    if to.write_all(hello.as_bytes()).await.is_ok() {
                        let _ = tokio::io::copy(&mut from, &mut to).await;
                    }
                });
            }
        });
        Self { address, accepts: accepts.abort_handle() }
    }
}

/// A connection to a server through the CLB.
pub struct Connection {
    stream: BufReader<TcpStream>,
    /// The server's name.
    pub server: String,
}

impl Connection {
    pub async fn new(address: SocketAddr) -> std::io::Result<Self> {
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { stream, server: line.trim().to_owned() })
    }

    /// Whether the server still answers.
    pub async fn is_alive(&mut self) -> bool {
        if self.stream.write_all(b"still there?\n").await.is_err() {
            return false;
        }
        let mut line = String::new();
        self.stream.read_line(&mut line).await.is_ok_and(|_| line == "still there?\n")
    }

    /// When it is cut.
    pub async fn until_cut(mut self) -> Instant {
        let mut line = String::new();
        let read = tokio::time::timeout(LONGEST, self.stream.read_line(&mut line)).await;
        let read = read.expect("the connection is not cut");
        assert!(read.is_err() || line.is_empty(), "the server said {line:?}");
        Instant::now()
    }
}

/// Waits for a condition, not longer than anybody would.
pub async fn until(what: &str, is: impl AsyncFn() -> bool) {
    let begin = Instant::now();
    while !is().await {
        assert!(begin.elapsed() < LONGEST, "{what}: not within {LONGEST:?}");
        tokio::time::sleep(SECOND / 4).await;
    }
}

fn name(index: usize) -> String {
    format!("i-{}", index + 1)
}

fn free() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// An address of this machine that no other test has.
fn own_ip() -> String {
    let mut bytes = [0; 3];
    getrandom::fill(&mut bytes).expect("randomness");
    format!("127.{}.{}.{}", 64 | bytes[0] >> 2, bytes[1], bytes[2].clamp(1, 254))
}
