//! The Services of a namespace, listed once for all who ask at about the same time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use clbmigrate_core::object::Service;
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::time::Instant;

use super::{ApiReadError, ApiReader};

/// For how long after it was asked for a list answers further questions. The hooks of one request come
/// within milliseconds of each other, and a tool that creates many workloads sends them one after the
/// other. A Service that is created within this time is known from the cache, or not yet.
const SHARED_FOR: Duration = Duration::from_millis(250);

/// The Services of a namespace that CCM takes, or why they cannot be listed.
type Answer = Arc<Result<Vec<Arc<Service>>, ApiReadError>>;

/// Lists the Services of namespaces. Who asks about a namespace within [`SHARED_FOR`] of somebody
/// else gets that one's answer. A list that fails is asked for again.
pub(crate) struct ServiceLists<R> {
    reader: Arc<R>,
    lists: Mutex<HashMap<String, List>>,
}

struct List {
    asked_at: Instant,
    answer: Shared<BoxFuture<'static, Answer>>,
}

impl<R: ApiReader> ServiceLists<R> {
    pub fn new(reader: Arc<R>) -> Self {
        Self { reader, lists: Mutex::default() }
    }

    /// The Services of a namespace that CCM takes. Whoever waits for them drives the list on, so it
    /// does not end with the review that asked first.
    pub fn of(&self, namespace: &str) -> Shared<BoxFuture<'static, Answer>> {
        let now = Instant::now();
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|_, list| {
            let has_failed = list.answer.peek().is_some_and(|answer| answer.is_err());
            !has_failed && now.duration_since(list.asked_at) < SHARED_FOR
        });
        if let Some(list) = lists.get(namespace) {
            return list.answer.clone();
        }
        let (reader, asked) = (Arc::clone(&self.reader), namespace.to_owned());
        let answer = async move {
            let services = reader.services(&asked).await;
            Arc::new(services.map(|services| {
                services.into_iter().filter(Service::is_taken_by_ccm).map(Arc::new).collect()
            }))
        };
        let answer = answer.boxed().shared();
        let list = List { asked_at: now, answer: answer.clone() };
        lists.insert(namespace.to_owned(), list);
        answer
    }
}
