//! What is read once in a while, because it hardly ever changes or may not be watched.

use std::time::Duration;

use futures::{
    Stream, StreamExt,
    stream::{self, LocalBoxStream},
};
use tokio::time::sleep;

use super::state::copy_of;
use crate::{
    live::{
        ccm::CcmObjects,
        connect::Connection,
        error::Error,
        list::{ListItems, ListMode},
        namespaces::Resource,
        read::{ClusterIdentity, VersionError, check_version},
    },
    loaded::ParsedObject,
};

/// The time between two readings of what tells of the cluster as a whole.
const EVERY: Duration = Duration::from_secs(300);

/// The same for CCM's objects, which are several. They are seldom read in the same minute as the rest.
const CCM_EVERY: Duration = Duration::from_secs(400);

/// The time before something is read again that failed.
const AGAIN: Duration = Duration::from_secs(100);

/// What tells of the cluster as a whole.
pub(super) enum Told {
    /// Whether the API server is new enough.
    Version(Result<(), VersionError>),
    /// The kinds of workload beside Kubernetes' own.
    Custom(Result<Vec<Resource>, Error>),
    /// Which cluster it is.
    Identity(ClusterIdentity),
    /// What tells of its CCM.
    Ccm(CcmObjects),
}

/// What tells of the cluster as a whole, as it was read last; `None` before it was.
#[derive(Default)]
pub(super) struct ClusterWide {
    pub version: Option<Result<(), VersionError>>,
    pub custom: Option<Result<Vec<Resource>, Error>>,
    pub identity: Option<ClusterIdentity>,
    pub ccm: Option<CcmObjects>,
}

impl ClusterWide {
    /// Takes what was read. Where it could not be read again, the last reading stays. Returns whether
    /// it tells something else than the last.
    pub fn take(&mut self, told: Told) -> bool {
        match told {
            Told::Version(Err(VersionError::Unknown(_))) if self.version.is_some() => false,
            Told::Version(version) => {
                let is_news = !matches!((&self.version, &version), (Some(Ok(())), Ok(())));
                self.version = Some(version);
                is_news
            }
            Told::Custom(new) => match &mut self.custom {
                Some(Ok(_)) if new.is_err() => false,
                Some(Ok(old)) if new.as_ref().is_ok_and(|new| new == old) => false,
                old => {
                    *old = Some(new);
                    true
                }
            },
            Told::Identity(new) => match &mut self.identity {
                Some(_) if is_incomplete(&new) => false,
                Some(old) if same_identity(old, &new) => false,
                old => {
                    *old = Some(new);
                    true
                }
            },
            Told::Ccm(new) => match &mut self.ccm {
                Some(_) if new.is_incomplete => false,
                Some(old)
                    if old.lacks_terway == new.lacks_terway && same(&old.items, &new.items) =>
                {
                    false
                }
                old => {
                    *old = Some(new);
                    true
                }
            },
        }
    }

    /// Whether all of it was read once.
    pub fn is_read(&self) -> bool {
        self.version.is_some()
            && self.custom.is_some()
            && self.identity.is_some()
            && self.ccm.is_some()
    }
}

/// Whether a request failed that may succeed a little later.
fn is_incomplete(identity: &ClusterIdentity) -> bool {
    let objects = identity.configuration.iter().filter_map(|(_, object)| object.as_ref().err());
    objects.chain(identity.uid.as_ref().err()).any(|error| !error.is_refusal())
}

fn same_identity(old: &ClusterIdentity, new: &ClusterIdentity) -> bool {
    let objects = |of: &ClusterIdentity| -> Vec<(bool, Vec<ParsedObject>)> {
        let each = of.configuration.iter().map(|(_, object)| match object {
            Ok(items) => (true, parsed(items.as_ref())),
            Err(_) => (false, Vec::new()),
        });
        each.collect()
    };
    objects(old) == objects(new) && old.uid.as_ref().ok() == new.uid.as_ref().ok()
}

fn parsed<'i>(items: impl IntoIterator<Item = &'i ListItems>) -> Vec<ParsedObject> {
    items.into_iter().flat_map(|items| items.objects.iter().flatten().cloned()).collect()
}

/// Reads what tells of the cluster as a whole: all at once, and then again and again. What failed is
/// read again sooner.
pub(super) fn cluster_wide(connection: &Connection) -> impl Stream<Item = Told> + use<> {
    let version = repeated(connection, Duration::ZERO, |connection| async move {
        let version = check_version(&connection).await;
        let is_known = !matches!(version, Err(VersionError::Unknown(_)));
        (Told::Version(version), if is_known { EVERY } else { AGAIN })
    });
    let custom = repeated(connection, Duration::ZERO, |connection| async move {
        let custom = connection.custom_workloads().await;
        let pause = if custom.is_ok() { EVERY } else { AGAIN };
        (Told::Custom(custom), pause)
    });
    let identity = repeated(connection, Duration::ZERO, |connection| async move {
        let identity = ClusterIdentity::read(&connection).await;
        let pause = if is_incomplete(&identity) { AGAIN } else { EVERY };
        (Told::Identity(identity), pause)
    });
    let ccm = repeated(connection, Duration::ZERO, |connection| async move {
        let ccm = connection.ccm_objects().await;
        let pause = if ccm.is_incomplete { AGAIN } else { CCM_EVERY };
        (Told::Ccm(ccm), pause)
    });
    stream::select_all([version, custom, identity, ccm])
}

/// Reads a listing after a while, and then again and again.
pub(super) fn listing(
    connection: &Connection,
    path: String,
    after: Duration,
    every: Duration,
) -> LocalBoxStream<'static, Result<ListItems, Error>> {
    repeated(connection, after, move |connection| {
        let path = path.clone();
        async move { (connection.list(&path, ListMode::FromCache).await, every) }
    })
}

/// Reads an object now and again and again. One that is not there, or may not be read, is none.
pub(super) fn object(
    connection: &Connection,
    path: String,
) -> LocalBoxStream<'static, Result<ListItems, Error>> {
    repeated(connection, Duration::ZERO, move |connection| {
        let path = path.clone();
        async move {
            let object = async {
                match connection.object(&path).await? {
                    Some(page) => connection.items(page).await,
                    None => Ok(ListItems::default()),
                }
            };
            (object.await, EVERY)
        }
    })
}

/// Reads something again and again. Each reading says how long the pause after it is.
fn repeated<T: 'static, F: Future<Output = (T, Duration)> + 'static>(
    connection: &Connection,
    after: Duration,
    read: impl Fn(Connection) -> F + 'static,
) -> LocalBoxStream<'static, T> {
    let connection = connection.clone();
    stream::unfold((connection, read, after), |(connection, read, pause)| async move {
        sleep(pause).await;
        let (value, pause) = read(connection.clone()).await;
        Some((value, (connection, read, pause)))
    })
    .boxed_local()
}

/// A listing that is read again and again.
pub(super) struct Reading {
    last: Option<Result<ListItems, Error>>,
    is_awaited: bool,
}

impl Reading {
    /// A listing that was not read yet, and is waited for or not.
    pub fn new(is_awaited: bool) -> Self {
        Self { last: None, is_awaited }
    }

    /// Takes a reading. Returns whether it shows something else than the last. What was read stays
    /// where it could not be read again.
    pub fn take(&mut self, new: Result<ListItems, Error>) -> bool {
        let is_same = match (&self.last, &new) {
            (Some(Ok(old)), Ok(new)) => same(old, new),
            (Some(Ok(_)), Err(error)) if error.is_transient() => return false,
            (Some(Err(old)), Err(new)) => old.message == new.message,
            _ => false,
        };
        self.last = Some(new);
        !is_same
    }

    /// What was read last; `None` before it was.
    pub fn last(&self) -> Option<Result<ListItems, Error>> {
        self.last.as_ref().map(|last| match last {
            Ok(items) => Ok(copy_of(items)),
            Err(error) => Err(error.clone()),
        })
    }

    /// Whether there is a reading, or none is waited for.
    pub fn is_settled(&self) -> bool {
        self.is_read() || !self.is_awaited
    }

    /// Whether there is a reading.
    pub fn is_read(&self) -> bool {
        self.last.is_some()
    }
}

fn same(old: &ListItems, new: &ListItems) -> bool {
    let errors = |items: &ListItems| -> Vec<String> {
        let broken = items.objects.iter().filter_map(|object| object.as_ref().err());
        broken.chain(&items.errors).map(ToString::to_string).collect()
    };
    parsed([old]) == parsed([new]) && errors(old) == errors(new)
}
