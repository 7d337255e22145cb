//! Endpoints and workloads of the namespaces of which they are needed.

use std::collections::BTreeSet;

use futures::{StreamExt, channel::mpsc::UnboundedReceiver, future::join3};

use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    list::{ListItems, ListMode},
};

/// Up to how many namespaces are listed one by one; with more, all are listed at once.
pub(super) const NAMESPACES: usize = 8;

/// How many of them are listed at once.
const AT_ONCE: usize = 4;

/// A kind of objects that can be listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Resource {
    /// API group and version, for example `apps/v1`.
    pub group_version: String,
    /// The name in paths, for example `deployments`.
    pub name: &'static str,
    /// The name in messages.
    pub label: String,
}

impl Resource {
    /// A resource of Kubernetes.
    pub fn new(group_version: &str, name: &'static str) -> Self {
        Self { group_version: group_version.to_owned(), name, label: name.to_owned() }
    }

    /// EndpointSlices.
    pub fn slices() -> Self {
        Self::new("discovery.k8s.io/v1", "endpointslices")
    }
}

/// The workloads that every API server has, and what scales them.
pub(super) fn workloads() -> [Resource; 4] {
    [
        Resource::new("apps/v1", "deployments"),
        Resource::new("apps/v1", "statefulsets"),
        Resource::new("apps/v1", "daemonsets"),
        Resource::new("autoscaling/v1", "horizontalpodautoscalers"),
    ]
}

/// The objects of the namespaces that have migrated Services.
pub(super) struct NamespaceObjects {
    /// The namespaces whose EndpointSlices were all listed.
    pub namespaces: BTreeSet<String>,
    /// Their EndpointSlices.
    pub slices: Listing,
    /// Their workloads and autoscalers, by the name of the resource.
    pub workloads: Vec<(String, Listing)>,
    /// The namespaces themselves, as far as the user may read them.
    pub metadata: Listing,
}

/// What was listed, in one namespace or in several, and why there may be more.
#[derive(Default)]
pub(super) struct Listing {
    /// The objects.
    pub items: ListItems,
    /// The first failure; `None` where everything was listed.
    pub failure: Option<Error>,
}

impl From<Result<ListItems, Error>> for Listing {
    fn from(result: Result<ListItems, Error>) -> Self {
        match result {
            Ok(items) => Self { items, failure: None },
            Err(error) => Self { failure: Some(error), ..Self::default() },
        }
    }
}

impl Listing {
    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self { items: self.items.and(other.items), failure: self.failure.or(other.failure) }
    }
}

impl NamespaceObjects {
    fn new(kinds: &[Resource]) -> Self {
        let nothing = |kind: &Resource| (kind.label.clone(), Listing::default());
        Self {
            namespaces: BTreeSet::new(),
            slices: Listing::default(),
            workloads: kinds.iter().map(nothing).collect(),
            metadata: Listing::default(),
        }
    }

    /// These objects and others.
    fn and(self, other: Self) -> Self {
        let workloads = self.workloads.into_iter().zip(other.workloads);
        Self {
            namespaces: self.namespaces.into_iter().chain(other.namespaces).collect(),
            slices: self.slices.and(other.slices),
            workloads: workloads.map(|((resource, a), (_, b))| (resource, a.and(b))).collect(),
            metadata: self.metadata.and(other.metadata),
        }
    }
}

impl Connection {
    /// Lists the objects of the namespaces that come out of `found`, each as soon as it comes. That
    /// goes on while Services are still being listed. `custom` are kinds of workload that this API
    /// server has beside Kubernetes' own.
    pub(super) async fn namespace_objects(
        &self,
        mut found: UnboundedReceiver<String>,
        custom: &[Resource],
        mode: ListMode,
    ) -> NamespaceObjects {
        let kinds: Vec<Resource> = workloads().into_iter().chain(custom.iter().cloned()).collect();
        let few = found.by_ref().take(NAMESPACES);
        let few = few.map(|namespace| self.in_namespace(namespace, &kinds, mode));
        let few: Vec<NamespaceObjects> = few.buffered(AT_ONCE).collect().await;
        let few = few.into_iter().fold(NamespaceObjects::new(&kinds), NamespaceObjects::and);
        let others: Vec<String> = found.collect().await;
        if others.is_empty() {
            few
        } else {
            self.in_all_namespaces(few, others, &kinds, mode).await
        }
    }

    async fn in_namespace(
        &self,
        namespace: String,
        kinds: &[Resource],
        mode: ListMode,
    ) -> NamespaceObjects {
        let slices = Resource::slices();
        let slices = async { Listing::from(self.of_namespace(&slices, &namespace, mode).await) };
        let workloads = async {
            let mut workloads = Vec::new();
            for kind in kinds {
                let listing = self.of_namespace(kind, &namespace, mode).await.into();
                workloads.push((kind.label.clone(), listing));
            }
            workloads
        };
        let path = format!("/api/v1/namespaces/{namespace}");
        let metadata = async {
            match self.object(&path).await? {
                Some(page) => self.items(page).await,
                None => Ok(ListItems::default()),
            }
        };
        let (slices, workloads, metadata) = join3(slices, workloads, metadata).await;
        let listed = slices.failure.is_none().then(|| namespace.clone());
        NamespaceObjects {
            namespaces: listed.into_iter().collect(),
            slices,
            workloads,
            metadata: metadata.into(),
        }
    }

    /// Lists the objects of all namespaces. Where the user may not, lists those of `others` and adds
    /// them to those of `few`.
    async fn in_all_namespaces(
        &self,
        mut few: NamespaceObjects,
        others: Vec<String>,
        kinds: &[Resource],
        mode: ListMode,
    ) -> NamespaceObjects {
        let (slices, listed) = self.all_of(&Resource::slices(), few.slices, &others, mode).await;
        few.slices = slices;
        few.namespaces.extend(listed);
        for ((_, list), kind) in few.workloads.iter_mut().zip(kinds) {
            (*list, _) = self.all_of(kind, std::mem::take(list), &others, mode).await;
        }
        few.metadata = match self.list("/api/v1/namespaces", mode).await {
            Err(error) if error.kind == ErrorKind::Forbidden => few.metadata,
            Err(error) => few.metadata.and(Err(error).into()),
            all => all.into(),
        };
        few
    }

    /// All objects of a kind, and which of the namespaces of `others` were listed with that.
    async fn all_of(
        &self,
        kind: &Resource,
        few: Listing,
        others: &[String],
        mode: ListMode,
    ) -> (Listing, Vec<String>) {
        match self.list(&format!("/apis/{}/{}", kind.group_version, kind.name), mode).await {
            Ok(all) => return (Ok(all).into(), others.to_vec()),
            Err(error) if error.kind == ErrorKind::Forbidden => {}
            Err(error) => return (few.and(Err(error).into()), Vec::new()),
        }
        let (mut all, mut listed) = (few, Vec::new());
        for namespace in others {
            match self.of_namespace(kind, namespace, mode).await {
                Ok(items) => {
                    listed.push(namespace.clone());
                    all = all.and(Ok(items).into());
                }
                // Others are not asked for after that: it is the same user and the same server.
                Err(error) => return (all.and(Err(error).into()), listed),
            }
        }
        (all, listed)
    }

    async fn of_namespace(
        &self,
        kind: &Resource,
        namespace: &str,
        mode: ListMode,
    ) -> Result<ListItems, Error> {
        let Resource { group_version, name, .. } = kind;
        let path = format!("/apis/{group_version}/namespaces/{namespace}/{name}");
        self.list(&path, mode).await
    }
}
