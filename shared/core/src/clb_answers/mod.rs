//! The CLB API's answers, as the `aliyun` command line prints them (API of 2014-05-15).

mod existence;
mod group;
mod health;
mod listener;
mod load_balancer;

use std::collections::BTreeMap;

pub use self::{
    existence::{UnknownClb, UnshownClbs},
    group::{GroupAnswer, GroupList, ListedGroup, RegisteredBackend},
    health::{Health, HealthAnswer, ServerHealth},
    listener::{Listener, ListenerList, ListenerName},
    load_balancer::{DefaultServer, LoadBalancer},
};

/// The answers of the CLB's API that are at hand.
#[derive(Debug, Clone, Default)]
pub struct ClbAnswers {
    /// `DescribeVServerGroupAttribute`, by group id.
    pub groups: BTreeMap<String, GroupAnswer>,
    /// `DescribeVServerGroups`, the newest last.
    pub lists: Vec<GroupList>,
    /// `DescribeLoadBalancerListeners`, the newest last.
    pub listeners: Vec<ListenerList>,
    /// `DescribeLoadBalancerAttribute`, by CLB id.
    pub balancers: BTreeMap<String, LoadBalancer>,
    /// `DescribeHealthStatus`, the newest last.
    pub health: Vec<HealthAnswer>,
    /// CLBs that the API was asked about and did not show.
    pub unshown: UnshownClbs,
}

/// One answer, to be inserted into [`ClbAnswers`].
#[derive(Debug, Clone)]
pub enum ClbAnswer {
    /// `DescribeVServerGroupAttribute`.
    Group(GroupAnswer),
    /// `DescribeVServerGroups`.
    GroupList(GroupList),
    /// `DescribeLoadBalancerListeners`.
    Listeners(ListenerList),
    /// `DescribeLoadBalancerAttribute`.
    LoadBalancer(Box<LoadBalancer>),
    /// `DescribeHealthStatus`.
    Health(HealthAnswer),
}

impl ClbAnswers {
    /// Adds an answer. A group or load balancer replaces the older answer about the same id, health
    /// that about the same listener. Lists of groups and of listeners are all kept, and the readers
    /// prefer the newest that fits.
    pub fn insert(&mut self, answer: ClbAnswer) {
        match answer {
            ClbAnswer::Group(group) => {
                self.groups.insert(group.id.clone(), group);
            }
            ClbAnswer::GroupList(list) => self.lists.push(list),
            ClbAnswer::Listeners(list) => self.listeners.push(list),
            ClbAnswer::LoadBalancer(balancer) => {
                self.unshown.forget(&balancer.id);
                self.balancers.insert(balancer.id.clone(), *balancer);
            }
            ClbAnswer::Health(health) => self.insert_health(health),
        }
    }

    /// Notes that the API does not know a CLB, whatever an older answer shows.
    pub fn insert_unknown(&mut self, clb: UnknownClb) {
        self.balancers.remove(&clb.id);
        self.unshown.insert_unknown(clb);
    }

    /// Notes why the API could not be asked about a CLB. What is known of it stands.
    pub fn insert_unread(&mut self, id: &str, why: &str) {
        if !self.balancers.contains_key(id) && !self.unshown.unknown.contains_key(id) {
            self.unshown.unread.insert(id.to_owned(), why.to_owned());
        }
    }

    /// All groups of a CLB as `(id, name)`; `None` where its list is not at hand.
    ///
    /// The API's list does not tell its CLB. A list counts as `clb`'s if it names `clb`
    /// nevertheless, or if the answer about one of its groups names `clb`. A list of which nothing
    /// is known counts where `only_clb` says that no other CLB is known.
    pub fn groups_of(&self, clb: &str, only_clb: bool) -> Option<Vec<(&str, &str)>> {
        let is_of = |list: &&GroupList| match &list.clb {
            Some(id) => id == clb,
            None => {
                let mut owners = list.groups.iter().filter_map(|group| {
                    self.groups.get(&group.id).and_then(|answer| answer.clb.as_deref())
                });
                owners.next().map_or(only_clb, |owner| owner == clb)
            }
        };
        let list = self.lists.iter().rev().find(is_of)?;
        Some(list.groups.iter().map(|group| (group.id.as_str(), group.name.as_str())).collect())
    }

    /// The listeners of a CLB, each as its newest answer has it; `None` where no answer about that
    /// CLB is at hand. Answers that do not tell their CLB count where `only_clb` says that no other is
    /// known.
    pub fn listeners_of(&self, clb: &str, only_clb: bool) -> Option<Vec<&Listener>> {
        let mut answers = self.listener_lists(clb, only_clb).peekable();
        answers.peek()?;
        let mut listeners: Vec<&Listener> = Vec::new();
        for listener in answers.flat_map(|list| list.listeners_of(clb, only_clb)) {
            if !listeners.iter().any(|known| known.name() == listener.name()) {
                listeners.push(listener);
            }
        }
        Some(listeners)
    }

    /// Whether the answers show all listeners of a CLB: an answer may be one page of several.
    pub fn shows_all_listeners(&self, clb: &str, only_clb: bool) -> bool {
        let answers = || self.listener_lists(clb, only_clb);
        let known: usize = answers().map(|list| list.listeners.len()).sum();
        answers().any(|list| match list.total_count {
            Some(total) => known >= total,
            None => list.next_token.is_empty(),
        })
    }

    /// The answers about the listeners of a CLB, the newest first.
    fn listener_lists(&self, clb: &str, only_clb: bool) -> impl Iterator<Item = &ListenerList> {
        self.listeners.iter().rev().filter(move |list| list.is_of(clb, only_clb))
    }

    /// The ids of all CLBs that answers name.
    pub fn named_clbs(&self) -> impl Iterator<Item = &str> {
        let groups = self.groups.values().filter_map(|group| group.clb.as_deref());
        let lists = self.lists.iter().filter_map(|list| list.clb.as_deref());
        let listeners = self.listeners.iter().flat_map(|list| {
            let named = list.listeners.iter().map(|listener| listener.clb.as_str());
            list.clb.as_deref().into_iter().chain(named)
        });
        let balancers = self.balancers.keys().map(String::as_str);
        let health = self.health.iter().filter_map(|answer| answer.clb.as_deref());
        let all = groups.chain(lists).chain(listeners).chain(balancers).chain(health);
        all.filter(|id| !id.is_empty())
    }

    /// Adds an answer about the health of backends, instead of what older ones say about the same
    /// listeners.
    fn insert_health(&mut self, newer: HealthAnswer) {
        for older in self.health.iter_mut().filter(|older| older.clb == newer.clb) {
            older
                .servers
                .retain(|server| !newer.servers.iter().any(|new| new.is_same_listener(server)));
        }
        self.health.retain(|answer| !answer.servers.is_empty());
        self.health.push(newer);
    }
}
