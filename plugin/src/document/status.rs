//! What `status` answers.

use std::io::{self, Write};

use clbmigrate_core::{
    finding::Finding,
    index::Index,
    object::{ObjectRef, Service},
    route::Route,
    rules,
    snapshot::Cluster,
};

use super::{Question, names::names, routes::RouteDocumentBuilder};
use crate::output::{
    Detail, Printable, Terminal, human,
    json::{ApiVersion, CcmRelease, NotJudged, RouteList, RouteListKind},
};

/// Whether a Service of a cluster is looked at.
type IsSelected<'f> = &'f dyn Fn(&Cluster, &Service) -> bool;

/// What `status` answers.
pub struct StatusAnswer {
    document: RouteList,
    has_contexts: bool,
    question: Question,
}

impl StatusAnswer {
    /// The answer about `routes` and about the Services in no route that `is_selected` lets
    /// through, which the command line names if `are_named`. Routes are built one at a time: a route holds every backend, its document only
    /// their sums.
    pub fn new<'s, 'a>(
        index: &'s Index<'a>,
        findings: &'s [Finding],
        routes: impl Iterator<Item = Route<'a>>,
        (is_selected, are_named): (IsSelected<'_>, bool),
        question: Question,
    ) -> Self {
        let builder = RouteDocumentBuilder::new(index, findings);
        let document = RouteList {
            api_version: ApiVersion::V1Alpha1,
            kind: RouteListKind::RouteList,
            ccm: CcmRelease::all(index.snapshot),
            routes: routes.map(|route| builder.route(&route)).collect(),
            unrouted: builder.unrouted(is_selected, are_named),
            not_judged: not_judged(index, is_selected),
        };
        Self { document, has_contexts: index.snapshot.clusters.len() > 1, question }
    }

    /// Whether the answer holds no route.
    pub fn has_no_route(&self) -> bool {
        self.document.routes.is_empty()
    }

    /// The Services of the snapshot, routed or not.
    fn objects(&self) -> Vec<ObjectRef> {
        let routed = self.document.routes.iter().flat_map(|route| &route.participants);
        let routed = routed.filter(|of| of.is_member()).map(|of| ObjectRef {
            context: of.context.as_deref().map(Into::into),
            kind: "Service".to_owned(),
            namespace: of.namespace.clone(),
            name: of.name.clone(),
        });
        let unrouted = self.document.unrouted.iter().map(|of| ObjectRef {
            context: of.context.as_deref().map(Into::into),
            kind: "Service".to_owned(),
            namespace: Some(of.namespace.clone()),
            name: of.name.clone(),
        });
        routed.chain(unrouted).collect()
    }
}

fn not_judged(
    index: &Index<'_>,
    is_selected: &dyn Fn(&Cluster, &Service) -> bool,
) -> Vec<NotJudged> {
    let clusters = index.snapshot.clusters.iter();
    let services = clusters.flat_map(|cluster| cluster.services().map(move |of| (cluster, of)));
    let selected = services.filter(|(cluster, service)| is_selected(cluster, service));
    let not_judged = selected.filter_map(|(cluster, service)| {
        let why = rules::why_not_judged(service, cluster.ccm_version)?;
        Some(NotJudged { object: (&service.object_ref(cluster.context.as_ref())).into(), why })
    });
    not_judged.collect()
}

impl Printable for StatusAnswer {
    type Document = RouteList;

    fn document(&self) -> &RouteList {
        &self.document
    }

    fn write_text(
        &self,
        terminal: Terminal,
        detail: Detail,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let options = self.question.table(detail, self.has_contexts);
        human::status(&self.document, terminal, options, out)
    }

    fn names(&self) -> Vec<String> {
        names(&self.objects(), self.question.is_namespace_given)
    }
}
