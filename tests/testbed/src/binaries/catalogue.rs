//! Which programs a testbed consists of and from which Go module each is built.

use std::path::{Path, PathBuf};

use crate::version::Version;

/// A program that is built from a Go module.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The folder of the module below `tests/testbed/go`.
    pub module: String,
    pub package: String,
    /// Where it is below the folder of programs.
    pub path: PathBuf,
    pub tags: &'static str,
    pub ldflags: String,
    /// How to check its version.
    pub version_check: VersionCheck,
}

/// How to check that a file is the right version of a program: what it prints with these arguments
/// contains `expected`.
#[derive(Clone, Debug)]
pub(crate) struct VersionCheck {
    pub arguments: &'static [&'static str],
    pub environment: Option<(&'static str, &'static str)>,
    pub expected: String,
}

/// Which programs a testbed needs, for [`crate::Binaries::provide`].
#[derive(Clone, Debug, Default)]
pub struct RequiredBinaries {
    /// The versions of Kubernetes whose control plane and kubectl are needed.
    pub versions: Vec<Version>,
    /// Whether kubelet, kube-proxy, containerd and CNI plugins are needed too.
    pub nodes: bool,
    /// Whether Helm 4 and Helm 3 are needed too.
    pub helm: bool,
}

/// Everything of Kubernetes that a testbed without nodes needs.
const CONTROL_PLANE: [&str; 4] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"];
const NODE: [&str; 2] = ["kubelet", "kube-proxy"];
const CONTAINERD: [&str; 3] = ["containerd", "containerd-shim-runc-v2", "ctr"];
const CNI: [&str; 3] = ["ipam/host-local", "main/loopback", "main/ptp"];

impl RequiredBinaries {
    /// All programs of this need, each once.
    pub(crate) fn programs(&self) -> Vec<Program> {
        let mut programs = vec![tool("etcd", "go.etcd.io/etcd/server/v3", "etcd", "etcd Version")];
        if self.nodes {
            programs.extend(CONTAINERD.map(containerd));
            programs.extend(CNI.map(cni));
        }
        if self.helm {
            programs.extend([helm("helm", 4), helm("helm3", 3)]);
        }
        let mut versions = self.versions.clone();
        versions.sort_unstable();
        versions.dedup();
        for version in versions {
            programs.extend(CONTROL_PLANE.map(|name| kubernetes(version, name)));
            if self.nodes {
                programs.extend(NODE.map(|name| kubernetes(version, name)));
            }
        }
        programs
    }
}

fn tool(module: &str, package: &str, name: &str, expected: &str) -> Program {
    Program {
        module: module.to_owned(),
        package: package.to_owned(),
        path: Path::new("bin").join(name),
        tags: "",
        ldflags: "-s -w".to_owned(),
        version_check: VersionCheck {
            arguments: &["--version"],
            environment: None,
            expected: expected.to_owned(),
        },
    }
}

fn helm(name: &str, major: u8) -> Program {
    let package = format!("helm.sh/helm/v{major}/cmd/helm");
    let mut program = tool(name, &package, name, &format!("v{major}."));
    program.version_check.arguments = &["version"];
    program
}

fn containerd(name: &str) -> Program {
    let package = format!("github.com/containerd/containerd/v2/cmd/{name}");
    let mut program = tool("containerd", &package, name, "");
    // Drivers of file systems that need C libraries.
    program.tags = "no_btrfs no_zfs";
    if name == "containerd-shim-runc-v2" {
        program.version_check.arguments = &["-v"];
    }
    program
}

fn cni(plugin: &str) -> Program {
    let package = format!("github.com/containernetworking/plugins/plugins/{plugin}");
    let name = plugin.rsplit('/').next().unwrap_or(plugin);
    let mut program = tool("containerd", &package, name, "supportedVersions");
    program.version_check.arguments = &[];
    program.version_check.environment = Some(("CNI_COMMAND", "VERSION"));
    program
}

fn kubernetes(version: Version, name: &str) -> Program {
    let module = format!("kubernetes-{version}");
    let mut program =
        tool(&module, &format!("k8s.io/kubernetes/cmd/{name}"), name, &version.to_string());
    program.path = Path::new(&version.to_string()).join(name);
    // Kubernetes reads its own version from variables that the linker sets.
    let about = "-X k8s.io/component-base/version";
    program.ldflags = format!(
        "-s -w {about}.gitVersion={version} {about}.gitMajor=1 {about}.gitMinor={}",
        version.minor()
    );
    if name == "kubectl" {
        program.version_check.arguments = &["version", "--client"];
    }
    program
}
