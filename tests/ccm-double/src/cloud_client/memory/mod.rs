//! A cloud in this process, for rounds without one and for tests: load balancers, groups, backends, listeners.
//!
//! It keeps what it is told, answers in the cloud API's format, refuses on demand and writes down every call. It
//! forwards nothing and has no limits.

mod actions;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::backend::Backend;
use super::request::{ApiError, ApiRequest, Transport};
use state::{Group, State};

/// Calls that are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The action that is refused.
    pub action: String,
    /// So many calls of it pass before.
    pub skip: u32,
    /// So many are refused.
    pub count: u32,
    /// The error code, `Throttling.User`.
    pub code: String,
    /// What the error says.
    pub message: String,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// What was asked.
    pub call: ApiRequest,
    /// The error code, where it was refused.
    pub refused: Option<String>,
}

/// The cloud itself. Its methods set and show what there is; rounds use it as a [`Transport`].
#[derive(Debug, Default)]
pub struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: State,
    faults: Vec<Fault>,
    log: Vec<Logged>,
    keeps_log: bool,
}

impl Memory {
    /// An empty cloud.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty cloud that writes down every call until [`Self::take_calls`].
    pub fn logging() -> Self {
        Self(Mutex::new(Inner { keeps_log: true, ..Inner::default() }))
    }

    /// Makes sure that a load balancer exists, and sets its name and address.
    pub fn put_balancer(&self, id: &str, name: &str, address: &str) {
        let mut inner = self.inner();
        let balancer = inner.state.balancers.entry(id.to_owned()).or_default();
        balancer.set("LoadBalancerId", id);
        balancer.set("LoadBalancerName", name);
        balancer.set("Address", address);
    }

    /// Sets another attribute of a load balancer that exists, by its name in the cloud API.
    pub fn put_attribute(&self, id: &str, name: &str, value: &str) {
        if let Some(balancer) = self.inner().state.balancers.get_mut(id) {
            balancer.set(name, value);
        }
    }

    /// Whether there is a load balancer.
    pub fn has_balancer(&self, id: &str) -> bool {
        self.inner().state.balancers.contains_key(id)
    }

    /// Tags a load balancer that exists.
    pub fn put_tag(&self, id: &str, key: &str, value: &str) {
        if let Some(balancer) = self.inner().state.balancers.get_mut(id) {
            balancer.tags.insert(key.to_owned(), value.to_owned());
        }
    }

    /// Makes sure that a load balancer that exists has a group.
    pub fn put_group(&self, id: &str, group: &str, name: &str) {
        if let Some(balancer) = self.inner().state.balancers.get_mut(id)
            && !balancer.groups.iter().any(|known| known.id == group)
        {
            balancer.groups.push(Group {
                id: group.to_owned(),
                name: name.to_owned(),
                backends: Vec::new(),
            });
        }
    }

    /// Keeps only those groups of a load balancer for which `keeps` holds, given id and name.
    pub fn retain_groups(&self, id: &str, keeps: impl Fn(&str, &str) -> bool) {
        if let Some(balancer) = self.inner().state.balancers.get_mut(id) {
            balancer.groups.retain(|group| keeps(&group.id, &group.name));
        }
    }

    /// Adds a backend to a group as a person would, or changes the one at its place.
    pub fn put_backend(&self, group: &str, backend: Backend) {
        if let Some(group) = self.inner().state.group_mut(group) {
            group.put(backend);
        }
    }

    /// The backends of a group, in the order in which they came; none if there is no such group.
    pub fn backends(&self, group: &str) -> Vec<Backend> {
        self.inner().state.group_mut(group).map(|group| group.backends.clone()).unwrap_or_default()
    }

    /// The ids of a load balancer's groups.
    pub fn groups(&self, id: &str) -> Vec<String> {
        let inner = self.inner();
        let balancer = inner.state.balancers.get(id);
        balancer.iter().flat_map(|found| &found.groups).map(|group| group.id.clone()).collect()
    }

    /// A Pod's address for which there is no network interface. Every other address has one, `eni-<address>`.
    pub fn put_missing_interface(&self, address: &str) {
        self.inner().state.missing_interfaces.insert(address.to_owned());
    }

    /// Refuses calls from now on.
    pub fn refuse(&self, fault: Fault) {
        self.inner().faults.push(fault);
    }

    /// The calls since the last time, in order.
    pub fn take_calls(&self) -> Vec<Logged> {
        std::mem::take(&mut self.inner().log)
    }

    fn answer(&self, call: ApiRequest) -> Result<Value, ApiError> {
        let mut inner = self.inner();
        let fault = inner.take_fault(&call);
        let answer = match fault {
            Some((code, message)) => Err(refusal(&call, &code, message)),
            None => actions::answer(&mut inner.state, &call),
        };
        if inner.keeps_log {
            let refused = match &answer {
                Err(ApiError::ErrorAnswer { code, .. }) => Some(code.clone()),
                _ => None,
            };
            inner.log.push(Logged { call, refused });
        }
        answer.map(|mut answer| {
            if let Some(answer) = answer.as_object_mut() {
                answer.insert("RequestId".to_owned(), json!("in-memory"));
            }
            answer
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The error with which a call is refused, if it is; counts it.
    fn take_fault(&mut self, call: &ApiRequest) -> Option<(String, String)> {
        let fault =
            self.faults.iter_mut().find(|one| one.action == call.action && one.count > 0)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.count -= 1;
        Some((fault.code.clone(), fault.message.clone()))
    }
}

fn refusal(call: &ApiRequest, code: &str, message: impl Into<String>) -> ApiError {
    ApiError::ErrorAnswer {
        action: call.action,
        code: code.to_owned(),
        request_id: "in-memory".to_owned(),
        message: message.into(),
    }
}

impl Transport for Memory {
    fn call(&self, call: ApiRequest) -> BoxFuture<'_, Result<Value, ApiError>> {
        async move {
            // As over a network, others get on meanwhile.
            tokio::task::yield_now().await;
            self.answer(call)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_calls_of_an_action_are_refused_and_no_more() {
        let cloud = Memory::logging();
        cloud.put_balancer("lb-a", "a", "192.0.2.1");
        cloud.refuse(Fault {
            action: "DescribeVServerGroups".to_owned(),
            skip: 1,
            count: 1,
            code: "Throttling.User".to_owned(),
            message: "slower".to_owned(),
        });
        for refused in [false, true, false] {
            let call = ApiRequest::slb("DescribeVServerGroups").with("LoadBalancerId", "lb-a");
            assert_eq!(cloud.call(call).await.is_err(), refused);
        }
        let codes: Vec<_> = cloud.take_calls().into_iter().map(|logged| logged.refused).collect();
        assert_eq!(codes, [None, Some("Throttling.User".to_owned()), None]);
    }

    #[tokio::test]
    async fn what_is_not_there_is_refused_by_the_clouds_code() {
        let cloud = Memory::new();
        let call = ApiRequest::slb("DescribeLoadBalancerAttribute").with("LoadBalancerId", "lb-a");
        let error = cloud.call(call).await.expect_err("no such CLB").to_string();
        assert!(error.contains("InvalidLoadBalancerId.NotFound"), "{error}");
        let call = ApiRequest::slb("DoWhatNobodyDoes");
        let error = cloud.call(call).await.expect_err("no such action").to_string();
        assert!(error.contains("InvalidAction.NotFound"), "{error}");
    }
}
