//! What runs on a node: containerd and kubelet, in the node's network and a view of its own of the
//! folders that they share with others of their kind.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde_json::json;

use super::cgroups;
use super::control_plane::write_kubeconfig;
use super::process::{Process, ProcessSpec, run};
use crate::image;
use crate::layout::{ClusterLayout, Layout, Node};
use crate::netns::command_in;
use crate::pki::{CertificateAuthority, Validity};

const PRIVATE: &str = include_str!("private.sh");

fn socket(node: &Node) -> PathBuf {
    node.folder.join("containerd.sock")
}

/// Writes everything that the processes of the node read.
pub(super) fn write_files(
    layout: &Layout,
    cluster: &ClusterLayout,
    node: &Node,
) -> anyhow::Result<()> {
    cgroups::create(layout.number, &node.name)?;
    let folder = &node.folder;
    fs::create_dir_all(folder.join("cni")).with_context(|| format!("{}", folder.display()))?;
    let pki = cluster.pki();
    let authority = CertificateAuthority::open(&pki)?;
    let address = node.address.to_string();
    authority
        .server_certificate(&node.name, &[&node.name, &address], Validity::Valid)?
        .write(folder, "server")?;
    let user = format!("system:node:{}", node.name);
    let identity = authority.client_certificate(&user, &["system:nodes"], Validity::Valid)?;
    let kubeconfig = folder.join("kubelet.kubeconfig");
    write_kubeconfig(cluster, &kubeconfig, Some(&authority.certificate), &user, &identity)?;

    let pods = json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{
            "type": "ptp",
            // Pods are known by their own addresses everywhere, as with Terway.
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "dataDir": folder.join("addresses"),
                "ranges": [[{"subnet": node.pods}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    });
    fs::write(folder.join("cni").join("pods.conflist"), pods.to_string())?;
    fs::write(folder.join("containerd.toml"), containerd_config(layout, node)?)?;
    // A testbed has no name server.
    fs::write(folder.join("resolv.conf"), "")?;
    fs::write(folder.join("kubelet.json"), kubelet_config(layout, cluster, node).to_string())?;
    Ok(())
}

fn containerd_config(layout: &Layout, node: &Node) -> anyhow::Result<String> {
    let runc = found_on_path("runc").context("runc is not on PATH; run make deps")?;
    let folder = node.folder.display();
    Ok(format!(
        r#"version = 3
root = "{folder}/containerd"
state = "{folder}/containerd-state"

[grpc]
address = "{socket}"

[ttrpc]
address = "{socket}.ttrpc"

[plugins.'io.containerd.internal.v1.opt']
path = "{folder}/opt"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{pause}"

[plugins.'io.containerd.cri.v1.runtime']
# Machines without CAP_SYS_RESOURCE cannot lower it.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["{programs}"]
conf_dir = "{folder}/cni"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "{runc}"
"#,
        socket = socket(node).display(),
        pause = image::PAUSE,
        programs = layout.binaries.tool("").display(),
        runc = runc.display(),
    ))
}

fn kubelet_config(layout: &Layout, cluster: &ClusterLayout, node: &Node) -> serde_json::Value {
    let folder = &node.folder;
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "providerID": node.provider_id(),
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": cluster.pki().join("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": folder.join("server.crt"),
        "tlsPrivateKeyFile": folder.join("server.key"),
        "containerRuntimeEndpoint": format!("unix://{}", socket(node).display()),
        "resolvConf": folder.join("resolv.conf"),
        "volumePluginDir": folder.join("volume-plugins"),
        "makeIPTablesUtilChains": false,
        // Every kubelet removes pods that it does not know from its own, and by that of the testbed
        // their processes are found.
        "cgroupRoot": cgroups::path(layout.number, &node.name),
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": true,
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        // The machine's disk and memory are not the node's: a full disk must not evict pods.
        "evictionHard": {"memory.available": "10Mi"},
        "imageGCHighThresholdPercent": 100,
        "localStorageCapacityIsolation": false,
    })
}

pub(super) fn containerd(layout: &Layout, node: &Node) -> anyhow::Result<ProcessSpec> {
    let program = layout.binaries.tool("containerd");
    let mut spec =
        ProcessSpec::new(format!("{}-containerd", node.name), Some(&node.namespace), program);
    spec.prefix = ["unshare", "--mount", "--propagation", "slave", "--", "sh", "-c", PRIVATE]
        .map(OsString::from)
        .to_vec();
    // The first one is the name of the script in its own messages.
    spec.prefix.push("private.sh".into());
    spec.prefix.push(node.folder.join("private").into());
    spec.prefix.push(layout.folder.clone().into());
    spec.flag("config", node.folder.join("containerd.toml"));
    // containerd looks there for its shim.
    let mut path = vec![layout.binaries.tool("")];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    spec.environment.push(("PATH".to_owned(), env::join_paths(path)?));
    Ok(spec)
}

/// Words that make a program see the files of a node.
fn mounts(containerd: &Process) -> Vec<OsString> {
    let mount = format!("--mount=/proc/{}/ns/mnt", containerd.pid());
    vec!["nsenter".into(), mount.into(), "--".into()]
}

pub(super) fn kubelet(
    layout: &Layout,
    cluster: &ClusterLayout,
    node: &Node,
    containerd: &Process,
) -> ProcessSpec {
    let folder = &node.folder;
    let program = layout.binaries.kubernetes(cluster.version).join("kubelet");
    let name = format!("{}-kubelet", node.name);
    let mut spec = ProcessSpec::new(name, Some(&node.namespace), program);
    spec.prefix = mounts(containerd);
    spec.flag("config", folder.join("kubelet.json"))
        .flag("kubeconfig", folder.join("kubelet.kubeconfig"))
        .flag("hostname-override", &node.name)
        .flag("node-ip", node.address.to_string())
        .flag("root-dir", folder.join("kubelet"))
        .flag("cert-dir", folder.join("kubelet-certificates"));
    spec
}

/// Whether containerd takes requests.
pub(super) fn containerd_answers(layout: &Layout, node: &Node) -> bool {
    socket(node).exists() && run(ctr(layout, node, None).args(["version"])).is_ok()
}

/// Gives the node the images of an archive.
pub(super) fn import_image(
    layout: &Layout,
    node: &Node,
    containerd: &Process,
    archive: &Path,
) -> anyhow::Result<()> {
    let mut command = ctr(layout, node, Some(containerd));
    run(command.args(["images", "import"]).arg(archive))
        .with_context(|| format!("import of an image on {}", node.name))?;
    Ok(())
}

fn ctr(layout: &Layout, node: &Node, containerd: Option<&Process>) -> Command {
    let program = OsString::from(layout.binaries.tool("ctr"));
    let mut words = containerd.map(mounts).unwrap_or_default();
    words.push(program);
    let mut words = words.into_iter();
    let mut command = command_in(Some(&node.namespace), words.next().unwrap_or_default());
    command.args(words).arg("--address").arg(socket(node)).args(["--namespace", "k8s.io"]);
    command
}

fn found_on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
