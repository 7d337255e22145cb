//! A change whose sides are ready to be written.

use std::{collections::BTreeSet, rc::Rc};

use clbmigrate_clb::ClbClient;
use clbmigrate_cluster::live::LiveService;
use clbmigrate_core::{
    history::{Part, Servers},
    index::{Index, ServiceRef, routes_of},
    object::{ObjectRef, Service},
    snapshot::Snapshot,
};

use super::{
    Deadline,
    api::CloudApi,
    intent::{self, Intent, ServiceIntent, SideIntent},
    side::{EntryPlan, Progress, ServersSide, ServiceSide, Side},
};
use crate::{
    cli::WriteArgs,
    document::change::manifest,
    error::{Error, Exit},
    output::{Printer, yaml},
    session::Session,
};

/// A change whose sides are ready to be written.
pub struct PreparedChange<'t> {
    /// The sides, in the order in which they are written.
    pub sides: Vec<Side<'t>>,
    /// The same as parts of the change.
    pub parts: Vec<Part>,
    /// The index of the snapshot before the change.
    pub before: &'t Index<'t>,
    /// The snapshot after the change.
    pub after: Snapshot,
    /// The open connections.
    pub session: &'t Session,
}

/// Whether a Service that was read by itself is the one that was listed before.
fn matches_listed(present: &LiveService, listed: &Service) -> bool {
    present.service().is_ok_and(|now| {
        now.spec == listed.spec && now.metadata.annotations == listed.metadata.annotations
    })
}

impl<'t> PreparedChange<'t> {
    /// Reads every Service anew; `None` where one is not what was listed any more.
    ///
    /// # Errors
    /// Where a Service cannot be read, or the CLB API is needed and not connected.
    pub fn new(
        intent: &Intent,
        session: &'t Session,
        before: &'t Index<'t>,
        write: &WriteArgs,
    ) -> Result<Option<Self>, Error> {
        let parts = intent::parts(&intent.sides, before);
        let entry = EntryPlan {
            verb: intent.verb.to_owned(),
            reason: write.reason.clone(),
            undoes: intent.undoes.clone(),
            step_of: intent.step_of.clone(),
            whole: intent.whole.clone(),
        };
        let mut sides = Vec::new();
        let mut after = before.snapshot.clone();
        for (side, part) in intent.sides.iter().zip(&parts) {
            match side {
                SideIntent::Service(of) => {
                    let side = service(of, part.is_raise(), entry.clone(), (session, before))?;
                    let Some(side) = side else { return Ok(None) };
                    after = after.with_edit(of.cluster_index, &of.namespace, &of.name, &of.edit);
                    sides.push(Side::Service(Box::new(side)));
                }
                SideIntent::Servers(of) => {
                    for server in &of.servers {
                        let (id, port) = (&server.id, server.port);
                        after = after.with_server_weight(&of.vgroup, id, port, server.to);
                    }
                    let is_begun = intent.id.is_some() || intent.undoes.is_some();
                    let side = servers(of, is_begun, (session, before))?;
                    sides.push(Side::Servers(Box::new(side)));
                }
            }
        }
        Ok(Some(Self { sides, parts, before, after, session }))
    }

    /// The Services that are written.
    pub fn services(&self) -> impl Iterator<Item = &ServiceSide<'t>> {
        self.sides.iter().filter_map(|side| match side {
            Side::Service(of) => Some(&**of),
            Side::Servers(_) => None,
        })
    }

    /// The Services that are written, in the snapshot.
    pub fn service_refs(&self) -> Vec<ServiceRef<'t>> {
        self.services().map(|side| side.service_ref).collect()
    }

    /// The Services that are written, as findings name them.
    pub fn objects(&self) -> Vec<ObjectRef> {
        self.services().map(ServiceSide::object).collect()
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
        for side in &self.sides {
            match side {
                Side::Servers(of) => drop(groups.insert(of.servers.vgroup.clone())),
                Side::Service(of) => {
                    let routes = routes_of(of.service_ref.service);
                    groups.extend(routes.into_iter().map(|(group, _)| group.to_owned()));
                }
            }
        }
        groups
    }

    /// Has the API servers judge every edit of a Service, record included, and write nothing.
    ///
    /// # Errors
    /// Where an API server, or a webhook of it, refuses one.
    pub fn dry_run(&self, printer: &mut Printer) -> Result<(), Error> {
        for side in self.services() {
            self.session.block_on(side.dry_run(printer))?;
        }
        Ok(())
    }

    /// Says which account the CLB API will be written with, where a side needs that.
    pub fn name_account(&self, printer: &mut Printer) {
        let writes = self.sides.iter().any(|side| matches!(side, Side::Servers(_)));
        let Some(clb) = self.session.clb().client().filter(|_| writes) else { return };
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
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn print_patches(&self, printer: &mut Printer) -> Result<Exit, Error> {
        let is_several = self.sides.len() > 1;
        for (at, side) in self.sides.iter().enumerate() {
            match side {
                Side::Service(of) => {
                    if at > 0 {
                        writeln!(printer.data(), "---")?;
                    }
                    if is_several {
                        let context = of.service_ref.cluster.context.as_deref().unwrap_or("-");
                        writeln!(printer.data(), "# context {context}")?;
                    }
                    yaml::write(&manifest(of), printer.data())?;
                    printer.flush()?;
                }
                Side::Servers(of) => {
                    let label = Part::Servers(of.servers.clone()).label();
                    printer.info(&format!("{label}: no manifest, the CLB API is to write it"));
                }
            }
        }
        if self.services().flat_map(|of| &of.edit.annotations).any(|edit| edit.new.is_none()) {
            printer.info(
                "null takes an annotation away with kubectl patch --type=merge --patch-file; \
                 in a repository, delete its line",
            );
        }
        Ok(Exit::Done)
    }
}

fn service<'t>(
    of: &ServiceIntent,
    gains: bool,
    entry: EntryPlan,
    (session, before): (&'t Session, &'t Index<'t>),
) -> Result<Option<ServiceSide<'t>>, Error> {
    let not_at_hand = || Error::NotFound {
        message: format!("Service {}/{} is not at hand", of.namespace, of.name),
        hints: vec!["name all clusters of the change: --contexts A,B".to_owned()],
    };
    let snapshot = before.snapshot;
    let cluster = snapshot.clusters.get(of.cluster_index).ok_or_else(not_at_hand)?;
    let service = cluster.service(&of.namespace, &of.name).ok_or_else(not_at_hand)?;
    let connections = session.connections();
    let connection = connections.iter().find(|known| known.context == cluster.context);
    let connection = connection.ok_or_else(not_at_hand)?;
    let present = match &of.creates {
        Some(manifest) => LiveService::planned(manifest.clone()),
        None => {
            let present = session.block_on(connection.service(&of.namespace, &of.name))?;
            match present.filter(|present| matches_listed(present, service)) {
                Some(present) => present,
                None => return Ok(None),
            }
        }
    };
    let client = session.clb().client();
    Ok(Some(ServiceSide {
        cluster: Rc::new(connection.clone()),
        cloud: client.map(|client| Rc::new(client) as Rc<dyn CloudApi>),
        before,
        service_ref: ServiceRef { cluster_index: of.cluster_index, cluster, service },
        present,
        edit: of.edit.clone(),
        manifest: of.creates.clone(),
        must_register: of.must_register,
        entry,
        gains,
        progress: Progress::default(),
    }))
}

fn servers(
    of: &Servers,
    is_begun: bool,
    (session, before): (&Session, &Index<'_>),
) -> Result<ServersSide, Error> {
    let client: ClbClient = session.clb().client().ok_or_else(|| Error::Refused {
        message: format!(
            "the weights of {} are written by the CLB API, for which there are no credentials",
            Part::Servers(of.clone()).label()
        ),
        hints: vec![
            "give them: --clb-profile NAME, or ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET".to_owned(),
        ],
    })?;
    Ok(ServersSide {
        cloud: Rc::new(client),
        servers: of.clone(),
        is_begun,
        before: before.snapshot.clone(),
        is_proven: false,
        deadline: None::<Deadline>,
    })
}
