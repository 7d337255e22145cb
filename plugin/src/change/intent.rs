//! What a command wants to have written.

use clbmigrate_core::{
    annotation,
    history::{OneService, Part, Servers, Whole},
    index::{Index, ServiceRef},
    object::Service,
    patch::{AnnotationEdit, ServiceEdit},
    snapshot::Snapshot,
};
use serde_json::Value;

use crate::{
    error::{Error, Exit},
    namespaces::Namespaces,
    request::Request,
};

/// What a plan is made of.
pub struct PlanContext<'s> {
    /// The index of the clusters' objects and the CLB API's answers.
    pub index: &'s Index<'s>,
    /// The namespaces to look at.
    pub namespaces: &'s Namespaces,
    /// The flags about what is read.
    pub input: &'s Request,
}

/// Makes a plan of what was read.
pub type Planner<'p> = &'p dyn Fn(&PlanContext<'_>) -> Result<Intent, Error>;

/// A planned change of one side or of several.
pub struct Intent {
    /// The command.
    pub verb: &'static str,
    /// The change in a line: `20 % of shop/web to b, from a`.
    pub title: String,
    /// The sides, in the order in which they are written.
    pub sides: Vec<SideIntent>,
    /// What the record says of the whole change where it has several sides, or servers outside: more
    /// than `sides` where some are written already.
    pub whole: Option<Whole>,
    /// The change's id, where it has one already.
    pub id: Option<String>,
    /// The id of the change that this one takes back.
    pub undoes: Option<String>,
    /// The id of the change that this one is a step of.
    pub step_of: Option<String>,
    /// Which problems do not stop the change.
    pub leniency: Leniency,
    /// What is to be said of the routes besides their shares.
    pub remarks: Vec<String>,
    /// Reasons against it that `--force` overrides.
    pub against: Vec<String>,
    /// What the user should know of the edit itself.
    pub notes: Vec<String>,
    /// Commands that make at the CLB what the change needs there. They are shown, and not run.
    pub commands: Vec<String>,
    /// What the user should do afterwards, in words.
    pub next: Option<String>,
    /// The same where the CLB was seen to carry the change.
    pub next_if_proven: Option<String>,
    /// The same where the change stands and is not done.
    pub next_if_not_done: Option<String>,
}

/// Which problems do not stop a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leniency {
    /// None: every problem stops it.
    None,
    /// What cannot be computed for want of evidence, such as the endpoints of a new Service. For a
    /// change that joins groups at weight 0, whatever its backends are.
    Join,
    /// Findings; an outcome that does harm at once stops it. For a change that takes another back.
    Undo,
    /// All of them, which become warnings. For a change to weight 0, the way to safety.
    Zero,
}

/// One side of a planned change.
pub enum SideIntent {
    /// A Service, which its API server is sent an edit of.
    Service(ServiceIntent),
    /// Servers outside of clusters, whose weights the CLB API is sent.
    Servers(Servers),
}

/// A Service that is to be edited or created.
pub struct ServiceIntent {
    /// The index of its cluster in the snapshot.
    pub cluster_index: usize,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is to change.
    pub edit: ServiceEdit,
    /// The manifest of a Service that does not exist yet, without the edit.
    pub creates: Option<Value>,
    /// Whether it is proven only where its groups hold its backends, also at weight 0: so it is where
    /// it joins them.
    pub must_register: bool,
}

impl Leniency {
    /// Whether the change leads back to safety.
    pub fn is_way_back(self) -> bool {
        matches!(self, Self::Undo | Self::Zero)
    }
}

impl Intent {
    /// A change without sides.
    pub fn new(verb: &'static str) -> Self {
        Self {
            verb,
            title: String::new(),
            sides: Vec::new(),
            whole: None,
            id: None,
            undoes: None,
            step_of: None,
            leniency: Leniency::None,
            remarks: Vec::new(),
            against: Vec::new(),
            notes: Vec::new(),
            commands: Vec::new(),
            next: None,
            next_if_proven: None,
            next_if_not_done: None,
        }
    }

    /// A change of one Service, with nothing special about it.
    pub fn of_one(verb: &'static str, service_ref: &ServiceRef<'_>, edit: ServiceEdit) -> Self {
        Self {
            title: format!("{verb} {}", service_ref.label()),
            sides: vec![SideIntent::Service(ServiceIntent::new(service_ref, edit))],
            ..Self::new(verb)
        }
    }

    /// What the user should do after a change that ended so.
    pub fn next_of(&self, exit: Exit, is_proven: bool) -> Option<&str> {
        let next = match exit {
            Exit::Done if is_proven => self.next_if_proven.as_ref().or(self.next.as_ref()),
            Exit::Done => self.next.as_ref(),
            _ => self.next_if_not_done.as_ref(),
        };
        next.map(String::as_str)
    }

    /// The snapshot with the Services that are to be created, as if they were there and CCM did not
    /// take them; `None` where none is to be created.
    pub fn with_created(&self, snapshot: &Snapshot) -> Result<Option<Snapshot>, Error> {
        let mut with_created = None;
        for side in &self.sides {
            let SideIntent::Service(ServiceIntent {
                cluster_index, creates: Some(manifest), ..
            }) = side
            else {
                continue;
            };
            let service: Service = serde_json::from_value(manifest.clone())
                .map_err(|error| Error::usage(format!("the new Service is malformed: {error}")))?;
            let known = with_created.as_ref().unwrap_or(snapshot);
            with_created = Some(known.with_service(*cluster_index, service));
        }
        Ok(with_created)
    }
}

impl ServiceIntent {
    /// An edit of a Service that exists.
    pub fn new(service_ref: &ServiceRef<'_>, edit: ServiceEdit) -> Self {
        let meta = &service_ref.service.metadata;
        Self {
            cluster_index: service_ref.cluster_index,
            namespace: meta.namespace().to_owned(),
            name: meta.name.clone(),
            edit,
            creates: None,
            must_register: false,
        }
    }
}

impl SideIntent {
    /// The side that a part of a change stands for.
    ///
    /// # Errors
    /// Where its Service is not in the index.
    pub fn of(part: &Part, index: &Index<'_>) -> Result<Self, Error> {
        let of = match part {
            Part::Servers(of) => return Ok(Self::Servers(of.clone())),
            Part::Service(of) => of,
        };
        let service_ref = of.service_in(index).ok_or_else(|| Error::NotFound {
            message: format!("Service {} is not at hand", part.label()),
            hints: vec!["name all clusters of the change: --contexts A,B".to_owned()],
        })?;
        let edit = weight_edit(service_ref.service, of.from.clone(), of.to.clone());
        Ok(Self::Service(ServiceIntent::new(&service_ref, edit)))
    }
}

/// An edit of a Service's weight alone, by the key that CCM reads.
pub fn weight_edit(service: &Service, old: Option<String>, new: Option<String>) -> ServiceEdit {
    let key = service.metadata.annotations.key_of(annotation::WEIGHT);
    vec![AnnotationEdit { key, old, new }].into()
}

/// The parts of planned sides, in the same order.
pub fn parts(sides: &[SideIntent], index: &Index<'_>) -> Vec<Part> {
    sides
        .iter()
        .filter_map(|side| match side {
            SideIntent::Servers(of) => Some(Part::Servers(of.clone())),
            SideIntent::Service(of) => {
                let cluster = index.snapshot.clusters.get(of.cluster_index)?;
                let service = cluster.service(&of.namespace, &of.name)?;
                let service_ref = ServiceRef { cluster_index: of.cluster_index, cluster, service };
                Some(part_of(&service_ref, &of.edit).weighed(index))
            }
        })
        .collect()
}

/// The part that an edit of a Service is: its weight before and after.
fn part_of(service_ref: &ServiceRef<'_>, edit: &ServiceEdit) -> Part {
    let annotations = &service_ref.service.metadata.annotations;
    let from = annotations.effective(annotation::WEIGHT).map(|found| found.text.to_owned());
    let to = match edit.annotation(annotation::WEIGHT) {
        Some(edit) => edit.new.clone(),
        None => from.clone(),
    };
    Part::Service(OneService { from, to, ..OneService::of(service_ref) })
}
