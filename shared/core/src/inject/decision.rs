use std::fmt;

use super::{InjectionRecordError, SECONDS};
use crate::patch::PatchOp;

/// What to do about a workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The patch, or why there is none.
    pub action: Action,
    /// What the workload's author should know.
    pub notes: Vec<Note>,
}

/// A patch, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The object stays as it was sent.
    Untouched(Reason),
    /// The operations to apply to the object, at least one.
    Patched(Vec<PatchOp>),
}

/// Why a workload stays as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is an update of a Pod, whose hooks cannot be changed.
    PodExists,
    /// It is an update that leaves the pod template as it was.
    TemplateUnchanged,
    /// It is being deleted.
    Terminating,
    /// It is a kubelet's image of a static pod.
    Mirror,
    /// A controller owns it and would write it again.
    Controlled,
    /// It is a Pod of a Job.
    OfJob,
    /// It has the annotation `clbmigrate.io/inject: disabled`.
    OptedOut,
    /// It is a DaemonSet, or a Pod of one, without the annotation `clbmigrate.io/inject: enabled`.
    NotOptedIn,
    /// It is a Pod whose namespace lacks the label `clbmigrate.io/inject=enabled`.
    NamespaceNotLabelled,
    /// No migrated Service selects its pods.
    NotSelected,
    /// A node's kubelet does not know the native `sleep`, or no node is known.
    NodesTooOld,
    /// All its containers have preStop hooks of their own.
    OwnHooks,
    /// It has its hooks already.
    Complete,
    /// Its record cannot be used, so that nobody knows what was added.
    BadRecord(InjectionRecordError),
    /// It does not have the shape of a workload. Holds what is wrong.
    Unreadable(String),
}

impl Reason {
    /// The reason's name in metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::PodExists => "pod_exists",
            Self::TemplateUnchanged => "template_unchanged",
            Self::Terminating => "terminating",
            Self::Mirror => "mirror",
            Self::Controlled => "controlled",
            Self::OfJob => "of_job",
            Self::OptedOut => "opted_out",
            Self::NotOptedIn => "not_opted_in",
            Self::NamespaceNotLabelled => "namespace_not_labelled",
            Self::NotSelected => "not_selected",
            Self::NodesTooOld => "nodes_too_old",
            Self::OwnHooks => "own_hooks",
            Self::Complete => "complete",
            Self::BadRecord(_) => "bad_record",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PodExists => "a Pod can only be given a hook when it is made",
            Self::TemplateUnchanged => "its pod template stays as it was",
            Self::Terminating => "it is being deleted",
            Self::Mirror => "it mirrors a static pod",
            Self::Controlled => "a controller owns it",
            Self::OfJob => "a Job owns it",
            Self::OptedOut => "annotation clbmigrate.io/inject: disabled",
            Self::NotOptedIn => "a DaemonSet without annotation clbmigrate.io/inject: enabled",
            Self::NamespaceNotLabelled => "its namespace has no label clbmigrate.io/inject=enabled",
            Self::NotSelected => "no migrated Service selects its pods",
            Self::NodesTooOld => {
                "not every node's kubelet is 1.30 or newer and knows the native preStop sleep"
            }
            Self::OwnHooks => "all its containers have preStop hooks of their own",
            Self::Complete => "it has its hooks already",
            Self::BadRecord(error) => {
                return write!(
                    f,
                    "annotation clbmigrate.io/injected of its pod template cannot be used: {error}; remove it together with the hooks it stands for"
                );
            }
            Self::Unreadable(what) => return write!(f, "it cannot be read: {what}"),
        })
    }
}

/// Something that the author of a workload should know; displayed as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The value of `clbmigrate.io/pre-stop-seconds` is no number of seconds that a hook may take.
    BadSeconds {
        /// As written.
        value: String,
        /// What is used in its place.
        used: u32,
    },
    /// The value of `clbmigrate.io/inject` has no meaning.
    UnknownSwitch {
        /// As written.
        value: String,
    },
    /// A container's own hook took the place of the injected one.
    OwnHook {
        /// The container.
        container: String,
    },
    /// An injected hook was missing and is there again.
    HookRestored {
        /// The container.
        container: String,
    },
    /// A hook that was not injected takes longer than the client's grace period and the injected
    /// hooks together.
    LongOwnHook {
        /// How long it takes, in seconds.
        seconds: i64,
        /// The grace period now, in seconds.
        grace: i64,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSeconds { value, used } => write!(
                f,
                "annotation clbmigrate.io/pre-stop-seconds: {value:?} is no number from {} to {}, {used} s are used",
                SECONDS.start(),
                SECONDS.end()
            ),
            Self::UnknownSwitch { value } => write!(
                f,
                "annotation clbmigrate.io/inject: {value:?} means nothing, it is \"disabled\" or, for DaemonSets, \"enabled\""
            ),
            Self::OwnHook { container } => write!(
                f,
                "container {container}: its own preStop hook takes the place of the injected one"
            ),
            Self::HookRestored { container } => write!(
                f,
                "container {container}: the injected preStop hook was missing and is there again; to do without, annotate the workload clbmigrate.io/inject: disabled"
            ),
            Self::LongOwnHook { seconds, grace } => write!(
                f,
                "terminationGracePeriodSeconds is raised to {grace}: a preStop hook takes {seconds} s and would be cut"
            ),
        }
    }
}
