//! The Services of a namespace, listed for workloads that are created, and no more often than needed.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clbmigrate_core::object::Service;
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::time::Instant;

use super::{ApiReadError, ApiReader};

/// For how long the hooks of one request get the same list: they come within milliseconds of each
/// other, one after the other.
const ONE_REQUEST: Duration = Duration::from_millis(250);

/// The Services of a namespace that CCM takes, or why they cannot be listed.
type Answer = Arc<Result<Vec<Arc<Service>>, ApiReadError>>;

/// Lists the Services of namespaces.
///
/// A list knows only Services that were created before it began. So who asks gets a list that begins
/// after the question, or the list of another hook of the same request. Of each namespace one list runs
/// at a time: who asks meanwhile waits for the next one, and shares it with all others who wait.
pub(crate) struct ServiceLists<R> {
    reader: Arc<R>,
    namespaces: Mutex<HashMap<String, NamespaceLists>>,
}

/// The lists of a namespace.
#[derive(Default)]
struct NamespaceLists {
    newest: Option<List>,
    /// The lists that were given to workloads a moment ago, by the workload's kind and name.
    given: HashMap<String, (Instant, List)>,
}

/// A list that runs, has ended, or waits for the one before it.
#[derive(Clone)]
struct List {
    has_begun: Arc<AtomicBool>,
    answer: Shared<BoxFuture<'static, Answer>>,
}

impl List {
    fn waits(&self) -> bool {
        !self.has_begun.load(Ordering::Acquire)
    }

    fn has_ended(&self) -> bool {
        self.answer.peek().is_some()
    }

    fn has_failed(&self) -> bool {
        self.answer.peek().is_some_and(|answer| answer.is_err())
    }
}

impl<R: ApiReader> ServiceLists<R> {
    pub fn new(reader: Arc<R>) -> Self {
        Self { reader, namespaces: Mutex::default() }
    }

    /// The Services of a namespace that CCM takes, for a workload of this kind and name, such as
    /// `Deployment/web`. Without a name each question counts as a request of its own.
    ///
    /// Whoever waits for a list drives it on, so it does not end with the review that asked first. A list
    /// that fails is asked for again.
    pub fn of(
        &self,
        namespace: &str,
        workload: Option<String>,
    ) -> Shared<BoxFuture<'static, Answer>> {
        let now = Instant::now();
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        namespaces.retain(|_, lists| {
            lists.given.retain(|_, (since, list)| {
                now.duration_since(*since) < ONE_REQUEST && !list.has_failed()
            });
            !lists.given.is_empty() || lists.newest.as_ref().is_some_and(|it| !it.has_ended())
        });
        let lists = namespaces.entry(namespace.to_owned()).or_default();
        if let Some((_, list)) = workload.as_ref().and_then(|workload| lists.given.get(workload)) {
            return list.answer.clone();
        }
        let list = match lists.newest.take() {
            Some(waiting) if waiting.waits() => waiting,
            newest => self.list(namespace, newest),
        };
        lists.newest = Some(list.clone());
        let answer = list.answer.clone();
        if let Some(workload) = workload {
            lists.given.insert(workload, (now, list));
        }
        answer
    }

    /// A list that begins once the one before it has ended.
    fn list(&self, namespace: &str, before: Option<List>) -> List {
        let before = before.filter(|list| !list.has_ended());
        let has_begun = Arc::new(AtomicBool::new(before.is_none()));
        let (reader, namespace) = (Arc::clone(&self.reader), namespace.to_owned());
        let begun = Arc::clone(&has_begun);
        let answer = async move {
            if let Some(before) = before {
                before.answer.await;
                begun.store(true, Ordering::Release);
            }
            let services = reader.services(&namespace).await;
            Arc::new(services.map(|services| {
                services.into_iter().filter(Service::is_taken_by_ccm).map(Arc::new).collect()
            }))
        };
        List { has_begun, answer: answer.boxed().shared() }
    }
}
