//! The parts of a change, each with what writes it.

use std::collections::BTreeSet;

use clbmigrate_core::{
    annotation,
    index::{Index, ServiceRef},
    object::ObjectRef,
    patch::AnnotationEdit,
    snapshot::Snapshot,
    transfer::{OneService, Part, Servers},
};

use super::{Intent, servers::ServersWriter, service::ServiceWriter};
use crate::{
    change::{self, Change, Plan},
    error::{Error, Exit},
    output::Printer,
    session::Session,
};

/// What writes one part of a change.
pub enum PartWriter<'t> {
    /// A Service's weight, by its API server.
    Service(Box<ServiceWriter<'t>>),
    /// Weights of servers outside of clusters, by the CLB API.
    Servers(ServersWriter<'t>),
}

/// All parts of a change, ready to be written.
pub struct PreparedChange<'t> {
    /// What writes the parts, in order.
    pub writers: Vec<PartWriter<'t>>,
    /// The parts, in the same order.
    pub parts: Vec<Part>,
    /// The index of the snapshot before the change.
    pub before: &'t Index<'t>,
    /// The snapshot after the change.
    pub after: Snapshot,
    /// The open connections.
    pub session: &'t Session,
}

impl PartWriter<'_> {
    /// Whether the part gains weight.
    pub fn is_raise(&self) -> bool {
        self.part().is_raise()
    }

    fn part(&self) -> Part {
        match self {
            Self::Servers(of) => Part::Servers(of.servers.clone()),
            Self::Service(of) => {
                let meta = &of.change.service_ref.service.metadata;
                let edit = of.change.plan.edits.first();
                Part::Service(OneService {
                    context: of.change.service_ref.cluster.context.as_deref().map(str::to_owned),
                    cluster: of.change.service_ref.cluster.id.clone(),
                    cluster_uid: of.change.service_ref.cluster.uid.clone(),
                    uid: Some(meta.uid.clone()).filter(|uid| !uid.is_empty()),
                    namespace: meta.namespace().to_owned(),
                    name: meta.name.clone(),
                    from: edit.and_then(|edit| edit.old.clone()),
                    to: edit.and_then(|edit| edit.new.clone()),
                    gains: None,
                })
                .weighed(of.change.before)
            }
        }
    }
}

impl<'t> PreparedChange<'t> {
    /// Reads every Service anew; `None` where one is not what was listed any more.
    pub fn new(
        intent: &Intent,
        session: &'t Session,
        before: &'t Index<'t>,
    ) -> Result<Option<Self>, Error> {
        let mut writers = Vec::new();
        let mut after = before.snapshot.clone();
        for part in &intent.parts.parts {
            match part {
                Part::Service(of) => {
                    let Some(change) = service(of, intent, session, before)? else {
                        return Ok(None);
                    };
                    for edit in &change.plan.edits {
                        let new = edit.new.as_deref();
                        let (index, key) = (change.service_ref.cluster_index, edit.key.as_str());
                        after = after.with_annotation(index, &of.namespace, &of.name, key, new);
                    }
                    writers.push(PartWriter::Service(Box::new(ServiceWriter::new(change))));
                }
                Part::Servers(of) => {
                    for server in &of.servers {
                        let (id, port) = (&server.id, server.port);
                        after = after.with_server_weight(&of.vgroup, id, port, server.to);
                    }
                    writers.push(PartWriter::Servers(servers(of, session)?));
                }
            }
        }
        Ok(Some(Self { writers, parts: intent.parts.parts.clone(), before, after, session }))
    }

    /// The Services that are written, in the snapshot.
    pub fn service_refs(&self) -> Vec<ServiceRef<'t>> {
        let of = |writer: &PartWriter<'t>| match writer {
            PartWriter::Service(of) => Some(of.change.service_ref),
            PartWriter::Servers(_) => None,
        };
        self.writers.iter().filter_map(of).collect()
    }

    /// The Services that are written, as findings name them.
    pub fn objects(&self) -> Vec<ObjectRef> {
        let service_refs = self.service_refs();
        service_refs.iter().map(|of| of.service.object_ref(of.cluster.context.as_ref())).collect()
    }

    /// The Services to look at: those that are written, or all beside the servers that are.
    pub fn looked_at(&self) -> Vec<ObjectRef> {
        let written = self.objects();
        if !written.is_empty() {
            return written;
        }
        let groups = self.groups();
        let bindings = groups.iter().flat_map(|group| self.before.bound_to(group));
        let service_refs = bindings.map(|binding| binding.service_ref);
        service_refs.map(|of| of.service.object_ref(of.cluster.context.as_ref())).collect()
    }

    /// The groups it concerns.
    pub fn groups(&self) -> BTreeSet<String> {
        let mut groups = BTreeSet::new();
        for writer in &self.writers {
            match writer {
                PartWriter::Servers(of) => drop(groups.insert(of.servers.vgroup.clone())),
                PartWriter::Service(of) => {
                    let routes = clbmigrate_core::index::routes_of(of.change.service_ref.service);
                    groups.extend(routes.into_iter().map(|(group, _)| group.to_owned()));
                }
            }
        }
        groups
    }

    /// Says which account the CLB API will be written with, where a part needs that.
    pub fn name_account(&self, printer: &mut Printer) {
        let writes = self.writers.iter().find_map(|writer| match writer {
            PartWriter::Servers(of) => Some(&of.clb),
            PartWriter::Service(_) => None,
        });
        let Some(clb) = writes else { return };
        match self.session.block_on(clb.account()) {
            Ok(account) => printer.info(&format!(
                "  CLB API: account {} ({}), region {}, {}",
                account.id, account.arn, account.region, account.source
            )),
            Err(error) => printer.warning(&format!(
                "CLB API: region {}, {}; which account that is cannot be told: {error}",
                clb.region(),
                clb.source()
            )),
        }
    }

    /// Prints the changes of Services as manifests for a repository.
    pub fn print_patches(&self, printer: &mut Printer) -> Result<Exit, Error> {
        for (number, writer) in self.writers.iter().enumerate() {
            match writer {
                PartWriter::Service(of) => {
                    let context = of.change.service_ref.cluster.context.as_deref().unwrap_or("-");
                    let rule = if number > 0 { "---\n" } else { "" };
                    writeln!(printer.data(), "{rule}# context {context}")?;
                    of.change.print_patch(printer)?;
                }
                PartWriter::Servers(of) => {
                    let label = Part::Servers(of.servers.clone()).label();
                    printer.info(&format!("{label}: no manifest, the CLB API is to write it"));
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn service<'t>(
    of: &OneService,
    intent: &Intent,
    session: &'t Session,
    before: &'t Index<'t>,
) -> Result<Option<Change<'t>>, Error> {
    let is_it = |service_ref: &ServiceRef<'_>| {
        let meta = &service_ref.service.metadata;
        of.is_in(service_ref.cluster) && meta.name == of.name && meta.namespace() == of.namespace
    };
    let service_ref = before.services().find(is_it);
    let connection = service_ref.and_then(|service_ref| {
        session.connections().iter().find(|known| known.context == service_ref.cluster.context)
    });
    let (Some(service_ref), Some(connection)) = (service_ref, connection) else {
        return Err(Error::NotFound {
            message: format!("Service {}/{} is not at hand", of.namespace, of.name),
            hints: vec!["name all clusters of the change: --contexts A,B".to_owned()],
        });
    };
    let present = session.block_on(connection.service(&of.namespace, &of.name))?;
    let Some(present) =
        present.filter(|present| change::matches_listed(present, service_ref.service))
    else {
        return Ok(None);
    };
    let key = service_ref.service.metadata.annotations.key_of(annotation::WEIGHT);
    let plan = Plan {
        verb: intent.verb,
        edits: vec![AnnotationEdit { key, old: of.from.clone(), new: of.to.clone() }],
        undoes: intent.undoes.clone(),
        step_of: None,
        whole: Some(intent.record.clone()),
        leniency: intent.leniency,
        next: None,
    };
    Ok(Some(Change { session, connection, present, plan, before, service_ref }))
}

fn servers<'t>(of: &Servers, session: &'t Session) -> Result<ServersWriter<'t>, Error> {
    let clb = session.clb().client().ok_or_else(|| Error::Refused {
        message: format!(
            "the weights of {} are written by the CLB API, for which there are no credentials",
            Part::Servers(of.clone()).label()
        ),
        hints: vec![
            "give them: --clb-profile NAME, or ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET".to_owned(),
        ],
    })?;
    Ok(ServersWriter { session, clb, servers: of.clone() })
}
