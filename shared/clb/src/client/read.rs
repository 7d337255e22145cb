//! Operations that read.

use std::net::IpAddr;

use clbmigrate_core::clb_answers::{
    GroupAnswer, GroupList, HealthAnswer, Listener, ListenerList, LoadBalancer,
};
use serde::{Deserialize, de::DeserializeOwned};

use super::ClbClient;
use crate::{
    Error, ErrorKind,
    rpc::{Action, parse},
};

/// Listeners in a page, as CCM 2.14 asks for; the API's default is fewer.
const LISTENERS_A_PAGE: &str = "50";
/// CLBs in a page; the API's limit.
const BALANCERS_A_PAGE: &str = "100";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListenerPage {
    listeners: Vec<Listener>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BalancerPage {
    load_balancers: BalancerList,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BalancerList {
    #[serde(default)]
    load_balancer: Vec<LoadBalancer>,
}

impl ClbClient {
    /// A group with its backends and their weights (`DescribeVServerGroupAttribute`).
    pub async fn group(&self, id: &str) -> Result<GroupAnswer, Error> {
        self.group_by(id, self.deadline()).await
    }

    pub(super) async fn group_by(
        &self,
        id: &str,
        deadline: tokio::time::Instant,
    ) -> Result<GroupAnswer, Error> {
        const GROUP: Action = Action::read("DescribeVServerGroupAttribute");
        let answer = self.call(GROUP, &[("VServerGroupId", id)], deadline).await?;
        let group: GroupAnswer = parse_response(GROUP, &answer)?;
        check_id(GROUP, id, &group.id)?;
        Ok(group)
    }

    /// All groups of a CLB (`DescribeVServerGroups`).
    pub async fn groups(&self, clb: &str) -> Result<GroupList, Error> {
        const GROUPS: Action = Action::read("DescribeVServerGroups");
        let parameters = [("LoadBalancerId", clb)];
        let count = |page: &GroupList| page.groups.len();
        let pages = self.pages(GROUPS, &parameters, self.deadline(), count).await?;
        let groups = pages.into_iter().flat_map(|page| page.groups).collect();
        Ok(GroupList { clb: Some(clb.to_owned()), groups })
    }

    /// All listeners of a CLB (`DescribeLoadBalancerListeners`).
    pub async fn listener_list(&self, clb: &str) -> Result<ListenerList, Error> {
        const LISTENERS: Action = Action::read("DescribeLoadBalancerListeners");
        let parameters = [("LoadBalancerId.1", clb), ("MaxResults", LISTENERS_A_PAGE)];
        let count = |page: &ListenerPage| page.listeners.len();
        let pages = self.pages(LISTENERS, &parameters, self.deadline(), count).await?;
        let listeners: Vec<_> = pages.into_iter().flat_map(|page| page.listeners).collect();
        for listener in listeners.iter().filter(|listener| !listener.clb.is_empty()) {
            check_id(LISTENERS, clb, &listener.clb)?;
        }
        Ok(ListenerList::of_clb(clb, listeners))
    }

    /// A CLB (`DescribeLoadBalancerAttribute`).
    pub async fn load_balancer(&self, id: &str) -> Result<LoadBalancer, Error> {
        const BALANCER: Action = Action::read("DescribeLoadBalancerAttribute");
        let answer = self.call(BALANCER, &[("LoadBalancerId", id)], self.deadline()).await?;
        let balancer: LoadBalancer = parse_response(BALANCER, &answer)?;
        check_id(BALANCER, id, &balancer.id)?;
        Ok(balancer)
    }

    /// All CLBs of the region (`DescribeLoadBalancers`).
    pub async fn load_balancers(&self) -> Result<Vec<LoadBalancer>, Error> {
        self.balancers_with(&[]).await
    }

    /// The CLBs of the region that have this address (`DescribeLoadBalancers`). Several may have the
    /// same one: private addresses of different VPCs.
    pub async fn load_balancers_at(&self, address: IpAddr) -> Result<Vec<LoadBalancer>, Error> {
        let text = address.to_string();
        // An IPv6 address can be written in several ways, and the API compares letters.
        let filter = match address {
            IpAddr::V4(_) => ("Address", text.as_str()),
            IpAddr::V6(_) => ("AddressIPVersion", "ipv6"),
        };
        let mut balancers = self.balancers_with(&[filter]).await?;
        balancers.retain(|balancer| balancer.address.parse() == Ok(address));
        Ok(balancers)
    }

    async fn balancers_with(&self, filters: &[(&str, &str)]) -> Result<Vec<LoadBalancer>, Error> {
        const BALANCERS: Action = Action::read("DescribeLoadBalancers");
        let mut parameters = vec![("PageSize", BALANCERS_A_PAGE)];
        parameters.extend_from_slice(filters);
        let count = |page: &BalancerPage| page.load_balancers.load_balancer.len();
        let pages = self.pages(BALANCERS, &parameters, self.deadline(), count).await?;
        Ok(pages.into_iter().flat_map(|page| page.load_balancers.load_balancer).collect())
    }

    /// The health of a listener's backends (`DescribeHealthStatus`). `protocol` is `tcp`, `udp`,
    /// `http` or `https`, for a port may have a TCP and a UDP listener.
    pub async fn health(
        &self,
        clb: &str,
        port: u16,
        protocol: &str,
    ) -> Result<HealthAnswer, Error> {
        const HEALTH: Action = Action::read("DescribeHealthStatus");
        let number = port.to_string();
        let parameters =
            [("LoadBalancerId", clb), ("ListenerPort", &number), ("ListenerProtocol", protocol)];
        let answer = self.call(HEALTH, &parameters, self.deadline()).await?;
        let health: HealthAnswer = parse_response(HEALTH, &answer)?;
        Ok(health.about(clb, port, protocol))
    }
}

pub(super) fn parse_response<T: DeserializeOwned>(
    action: Action,
    answer: &[u8],
) -> Result<T, Error> {
    parse(answer).map_err(|error| error.with_action(action.name))
}

/// Checks that an answer is about what was asked for.
///
/// # Errors
/// [`ErrorKind::Malformed`] where it is about something else.
pub(super) fn check_id(action: Action, asked: &str, answered: &str) -> Result<(), Error> {
    if asked == answered {
        return Ok(());
    }
    let message = format!("asked for {asked:?}, the answer is about {answered:?}");
    Err(Error::new(ErrorKind::Malformed, message).with_action(action.name))
}
