//! etcd, the API server, the controllers and the scheduler of a cluster.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::process::ProcessSpec;
use crate::kubeconfig::{KubeconfigContext, kubeconfig};
use crate::layout::{ClusterLayout, Layout};
use crate::pki::{CertificateAuthority, Identity, Validity};

/// How the API server shows itself to kubelets.
const KUBELET_CLIENT: &str = "kube-apiserver-kubelet-client";
/// The supervisor's own identity, whose kubeconfig trusts any server.
pub(super) const SUPERVISOR: &str = "supervisor";
pub(super) const ADMIN: &str = "admin";
pub(super) const DEVELOPER: &str = "developer";
/// How the API server shows itself to API servers that extend it.
const FRONT_PROXY: &str = "front-proxy-client";
const MASTERS: &str = "system:masters";
/// How the API server shows itself to admission webhooks that ask.
const WEBHOOK_CLIENT: &str = "kube-apiserver-admission";

/// Users of a cluster that have a kubeconfig `USER.kubeconfig` in its folder, with a group.
const USERS: [(&str, &str, Option<&str>); 6] = [
    (ADMIN, ADMIN, Some(MASTERS)),
    (DEVELOPER, DEVELOPER, Some("developers")),
    (SUPERVISOR, SUPERVISOR, Some(MASTERS)),
    ("controller-manager", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
    ("proxy", "system:kube-proxy", None),
];

/// What the cluster needs beyond the objects that the API server makes itself.
const OBJECTS: &str = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding",
"metadata":{"name":"clbmigrate-bed:kube-apiserver-to-kubelet"},
"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"system:kubelet-api-admin"},
"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"kube-apiserver-kubelet-client"}]}
"#;

/// Writes everything that the processes of the control plane read.
pub(super) fn write_files(cluster: &ClusterLayout) -> anyhow::Result<()> {
    let pki = cluster.pki();
    fs::create_dir_all(&pki).with_context(|| format!("{}", pki.display()))?;
    let authority = CertificateAuthority::create(&pki)?;
    server_certificate(&authority, cluster, Validity::Valid)?;
    authority
        .client_certificate(KUBELET_CLIENT, &[], Validity::Valid)?
        .write(&pki, KUBELET_CLIENT)?;
    // It vouches for other users, so it must not be of the authority that vouches for it.
    let front = front_proxy(cluster);
    fs::create_dir_all(&front).with_context(|| format!("{}", front.display()))?;
    CertificateAuthority::create(&front)?
        .client_certificate(FRONT_PROXY, &[], Validity::Valid)?
        .write(&front, FRONT_PROXY)?;
    admission(cluster)?;
    Identity::signing_keys(&pki, "tokens")?;
    for (name, user, group) in USERS {
        let groups = group.map_or_else(Vec::new, |group| vec![group]);
        let identity = authority.client_certificate(user, &groups, Validity::Valid)?;
        identity.write(&pki, name)?;
        let trusted = (name != SUPERVISOR).then_some(authority.certificate.as_str());
        write_kubeconfig(cluster, &cluster.kubeconfig(name), trusted, user, &identity)?;
    }
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    });
    fs::write(cluster.folder.join("audit.json"), policy.to_string())?;
    fs::write(objects(cluster), OBJECTS)?;
    Ok(())
}

fn front_proxy(cluster: &ClusterLayout) -> PathBuf {
    cluster.pki().join("front-proxy")
}

/// Writes what makes the API server show a client certificate to admission webhooks. It is of an
/// authority of its own, so that webhooks that trust that one trust nobody else.
fn admission(cluster: &ClusterLayout) -> anyhow::Result<()> {
    let pki = cluster.webhook_client_pki();
    fs::create_dir_all(&pki).with_context(|| format!("{}", pki.display()))?;
    let identity = CertificateAuthority::create(&pki)?.client_certificate(
        WEBHOOK_CLIENT,
        &[],
        Validity::Valid,
    )?;
    identity.write(&pki, WEBHOOK_CLIENT)?;
    // The user `*` is for all webhooks (Kubernetes: apiserver, pkg/util/webhook/authentication.go).
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "users": [{"name": "*", "user": {
            "client-certificate": pki.join(format!("{WEBHOOK_CLIENT}.crt")),
            "client-key": pki.join(format!("{WEBHOOK_CLIENT}.key")),
        }}],
    });
    let file = pki.join("kubeconfig.json");
    fs::write(&file, kubeconfig.to_string()).with_context(|| format!("{}", file.display()))?;
    let plugin = |name: &str| {
        json!({"name": name, "configuration": {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "WebhookAdmissionConfiguration",
            "kubeConfigFile": file,
        }})
    };
    let configuration = json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [plugin("ValidatingAdmissionWebhook"), plugin("MutatingAdmissionWebhook")],
    });
    let file = admission_configuration(cluster);
    fs::write(&file, configuration.to_string()).with_context(|| format!("{}", file.display()))
}

fn admission_configuration(cluster: &ClusterLayout) -> PathBuf {
    cluster.folder.join("admission.json")
}

/// The file with the objects that the cluster begins with.
pub(super) fn objects(cluster: &ClusterLayout) -> PathBuf {
    cluster.folder.join("objects.json")
}

pub(super) fn write_kubeconfig(
    cluster: &ClusterLayout,
    file: &Path,
    authority: Option<&str>,
    user: &str,
    identity: &Identity,
) -> anyhow::Result<()> {
    let server = cluster.api_server_url();
    let name = &cluster.name;
    let access = KubeconfigContext { cluster: name, server: &server, authority, user, identity };
    fs::write(file, kubeconfig(&[access])).with_context(|| format!("{}", file.display()))
}

/// Writes the certificate that the API server shows after its next start.
pub(super) fn server_certificate(
    authority: &CertificateAuthority,
    cluster: &ClusterLayout,
    validity: Validity,
) -> anyhow::Result<()> {
    let address = cluster.address.to_string();
    let service = cluster.service.to_string();
    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        &address,
        &service,
    ];
    let identity = authority.server_certificate("kube-apiserver", &names, validity)?;
    identity.write(&cluster.pki(), "server")
}

pub(super) fn etcd(layout: &Layout, cluster: &ClusterLayout) -> ProcessSpec {
    let mut spec = spec(cluster, "etcd", layout.binaries.tool("etcd"));
    let clients = format!("http://{}:2379", cluster.local);
    let peers = format!("http://{}:2380", cluster.local);
    spec.flag("data-dir", cluster.folder.join("etcd"))
        // A testbed does not outlive a crash of the machine, and waiting for a disk takes most of a start.
        .flag("unsafe-no-fsync", "true")
        .flag("listen-client-urls", &clients)
        .flag("advertise-client-urls", &clients)
        .flag("listen-peer-urls", &peers)
        .flag("initial-advertise-peer-urls", &peers)
        .flag("initial-cluster", format!("default={peers}"));
    spec
}

pub(super) fn api_server(layout: &Layout, cluster: &ClusterLayout) -> ProcessSpec {
    let (pki, front) = (cluster.pki(), front_proxy(cluster));
    let address = cluster.address.to_string();
    let mut spec = kubernetes(layout, cluster, "kube-apiserver");
    spec.flag("etcd-servers", format!("http://{}:2379", cluster.local))
        .flag("bind-address", &address)
        .flag("advertise-address", &address)
        .flag("secure-port", "6443")
        .flag("cert-dir", &pki)
        .flag("tls-cert-file", pki.join("server.crt"))
        .flag("tls-private-key-file", pki.join("server.key"))
        .flag("client-ca-file", pki.join("ca.crt"))
        .flag("kubelet-certificate-authority", pki.join("ca.crt"))
        .flag("kubelet-client-certificate", pki.join(format!("{KUBELET_CLIENT}.crt")))
        .flag("kubelet-client-key", pki.join(format!("{KUBELET_CLIENT}.key")))
        .flag("kubelet-preferred-address-types", "InternalIP")
        .flag("requestheader-client-ca-file", front.join("ca.crt"))
        .flag("requestheader-allowed-names", FRONT_PROXY)
        .flag("requestheader-username-headers", "X-Remote-User")
        .flag("requestheader-group-headers", "X-Remote-Group")
        .flag("requestheader-extra-headers-prefix", "X-Remote-Extra-")
        .flag("proxy-client-cert-file", front.join(format!("{FRONT_PROXY}.crt")))
        .flag("proxy-client-key-file", front.join(format!("{FRONT_PROXY}.key")))
        .flag("service-account-key-file", pki.join("tokens.pub"))
        .flag("service-account-signing-key-file", pki.join("tokens.key"))
        .flag("service-account-issuer", "https://kubernetes.default.svc.cluster.local")
        .flag("service-cluster-ip-range", &cluster.services)
        .flag("authorization-mode", "Node,RBAC")
        .flag("enable-admission-plugins", "NodeRestriction")
        .flag("admission-control-config-file", admission_configuration(cluster))
        .flag("allow-privileged", "true")
        .flag("audit-policy-file", cluster.folder.join("audit.json"))
        .flag("audit-log-path", cluster.audit_log())
        // Never rotated: whoever reads it needs all of it. In megabytes.
        .flag("audit-log-maxsize", "100000");
    if cluster.namespace.is_none() {
        // Loopback addresses are refused as endpoints of the API server's own Service.
        spec.flag("endpoint-reconciler-type", "none");
    }
    spec
}

pub(super) fn controller_manager(layout: &Layout, cluster: &ClusterLayout) -> ProcessSpec {
    let pki = cluster.pki();
    let mut spec = kubernetes(layout, cluster, "kube-controller-manager");
    controller(&mut spec, cluster, "controller-manager");
    spec.flag("use-service-account-credentials", "true")
        // It would make a folder of the system.
        .flag("flex-volume-plugin-dir", cluster.folder.join("volume-plugins"))
        .flag("service-account-private-key-file", pki.join("tokens.key"))
        .flag("root-ca-file", pki.join("ca.crt"))
        .flag("cluster-signing-cert-file", pki.join("ca.crt"))
        .flag("cluster-signing-key-file", pki.join("ca.key"));
    if cluster.nodes.is_empty() {
        // No kubelet reports: a node that a test makes would be NotReady after 40 s.
        spec.flag("controllers", "*,-node-lifecycle-controller");
    }
    spec
}

pub(super) fn scheduler(layout: &Layout, cluster: &ClusterLayout) -> ProcessSpec {
    let mut spec = kubernetes(layout, cluster, "kube-scheduler");
    controller(&mut spec, cluster, "scheduler");
    spec
}

fn controller(spec: &mut ProcessSpec, cluster: &ClusterLayout, name: &str) {
    let kubeconfig = cluster.kubeconfig(name);
    spec.flag("kubeconfig", &kubeconfig)
        .flag("authentication-kubeconfig", &kubeconfig)
        .flag("authorization-kubeconfig", &kubeconfig)
        .flag("bind-address", cluster.local.to_string())
        .flag("cert-dir", cluster.folder.join(name))
        // There is one of each; waiting for a lease would only delay the start.
        .flag("leader-elect", "false");
}

fn kubernetes(layout: &Layout, cluster: &ClusterLayout, program: &str) -> ProcessSpec {
    let file = layout.binaries.kubernetes(cluster.version).join(program);
    spec(cluster, program, file)
}

fn spec(cluster: &ClusterLayout, program: &str, file: PathBuf) -> ProcessSpec {
    let name = format!("{}-{program}", cluster.name);
    ProcessSpec::new(name, cluster.namespace.as_deref(), file)
}
