//! Endpoints and workloads of the namespaces that have migrated Services.

use std::collections::BTreeSet;

use futures::{StreamExt, channel::mpsc::UnboundedReceiver, future::join3};

use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    page::ListItems,
};

/// Up to how many namespaces are listed one by one; with more, all are listed at once.
const NAMESPACES: usize = 8;

/// How many of them are listed at once.
const AT_ONCE: usize = 4;

const SLICES: (&str, &str) = ("discovery.k8s.io/v1", "endpointslices");

const WORKLOADS: [(&str, &str); 4] = [
    ("apps/v1", "deployments"),
    ("apps/v1", "statefulsets"),
    ("apps/v1", "daemonsets"),
    ("autoscaling/v1", "horizontalpodautoscalers"),
];

/// The objects of the namespaces that have migrated Services.
pub(super) struct NamespaceObjects {
    /// The namespaces.
    pub namespaces: BTreeSet<String>,
    /// Their EndpointSlices.
    pub slices: Result<ListItems, Error>,
    /// Their workloads and autoscalers, by resource.
    pub workloads: Vec<(&'static str, Result<ListItems, Error>)>,
    /// The namespaces themselves, as far as the user may read them.
    pub metadata: Result<ListItems, Error>,
}

impl NamespaceObjects {
    fn new() -> Self {
        Self {
            namespaces: BTreeSet::new(),
            slices: Ok(ListItems::default()),
            workloads: WORKLOADS.map(|(_, resource)| (resource, Ok(ListItems::default()))).into(),
            metadata: Ok(ListItems::default()),
        }
    }

    /// These objects and others.
    fn and(self, other: Self) -> Self {
        let both = |a: Result<ListItems, Error>, b: Result<ListItems, Error>| Ok(a?.and(b?));
        let workloads = self.workloads.into_iter().zip(other.workloads);
        Self {
            namespaces: self.namespaces.into_iter().chain(other.namespaces).collect(),
            slices: both(self.slices, other.slices),
            workloads: workloads.map(|((resource, a), (_, b))| (resource, both(a, b))).collect(),
            metadata: both(self.metadata, other.metadata),
        }
    }
}

impl Connection {
    /// Lists the objects of the namespaces that come out of `found`, each as soon as it comes. That
    /// goes on while Services are still being listed.
    pub(super) async fn namespace_objects(
        &self,
        mut found: UnboundedReceiver<String>,
    ) -> NamespaceObjects {
        let few = found.by_ref().take(NAMESPACES).map(|namespace| self.in_namespace(namespace));
        let few: Vec<NamespaceObjects> = few.buffered(AT_ONCE).collect().await;
        let few = few.into_iter().fold(NamespaceObjects::new(), NamespaceObjects::and);
        let more: Vec<String> = found.collect().await;
        if more.is_empty() { few } else { self.in_all_namespaces(few, more).await }
    }

    async fn in_namespace(&self, namespace: String) -> NamespaceObjects {
        let slices = self.of_namespace(SLICES, &namespace);
        let workloads = async {
            let mut workloads = Vec::new();
            for kind in WORKLOADS {
                workloads.push((kind.1, self.of_namespace(kind, &namespace).await));
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
        NamespaceObjects { namespaces: [namespace].into(), slices, workloads, metadata }
    }

    /// Lists the objects of all namespaces. Where the user may not, lists those of `more` and adds
    /// them to those of `few`.
    async fn in_all_namespaces(
        &self,
        mut few: NamespaceObjects,
        more: Vec<String>,
    ) -> NamespaceObjects {
        few.slices = self.all_of(SLICES, few.slices, &more).await;
        for ((_, list), kind) in few.workloads.iter_mut().zip(WORKLOADS) {
            let known = std::mem::replace(list, Ok(ListItems::default()));
            *list = self.all_of(kind, known, &more).await;
        }
        few.metadata = match self.list("/api/v1/namespaces").await {
            Err(error) if error.kind == ErrorKind::Forbidden => few.metadata,
            all => all,
        };
        few.namespaces.extend(more);
        few
    }

    async fn all_of(
        &self,
        kind: (&str, &str),
        few: Result<ListItems, Error>,
        more: &[String],
    ) -> Result<ListItems, Error> {
        let (group, resource) = kind;
        match self.list(&format!("/apis/{group}/{resource}")).await {
            Err(error) if error.kind == ErrorKind::Forbidden => {}
            all => return all,
        }
        let mut items = few?;
        for namespace in more {
            items = items.and(self.of_namespace(kind, namespace).await?);
        }
        Ok(items)
    }

    async fn of_namespace(
        &self,
        (group, resource): (&str, &str),
        namespace: &str,
    ) -> Result<ListItems, Error> {
        self.list(&format!("/apis/{group}/namespaces/{namespace}/{resource}")).await
    }
}
