//! The API: which action does what.
//!
//! Every call is carried out whole, one after the other, on the one state; an error changes nothing.

mod backends;
mod ecs;
mod groups;
mod health;
mod listeners;
mod load_balancers;
mod sts;
mod tags;
mod vpc;

use jiff::Timestamp;
use serde_json::Value;

use crate::api_error::ApiError;
use crate::params::Params;
pub(crate) use sts::issue_token;

use crate::auth::Caller;
use crate::shared::SharedState;
use crate::state::State;

/// What a handler says: the answer without its request id.
pub(crate) type Answer = Result<Value, ApiError>;

/// What a handler is told beside the state.
pub(crate) struct CallContext<'a> {
    pub(crate) params: &'a Params,
    pub(crate) caller: &'a Caller,
    pub(crate) now: Timestamp,
    pub(crate) shared: &'a SharedState,
}

impl CallContext<'_> {
    fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.params.required(name)
    }
}

/// Who may call an action, and whether it changes anything.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    Read(fn(&State, &CallContext<'_>) -> Answer),
    Write(fn(&mut State, &CallContext<'_>) -> Answer),
    /// A write without a signature.
    Anonymous(fn(&mut State, &CallContext<'_>) -> Answer),
}

const SLB: &str = "2014-05-15";
const ECS: &str = "2014-05-26";
const VPC: &str = "2016-04-28";
const STS: &str = "2015-04-01";

/// The name of a product in the actions of a RAM policy.
pub(crate) fn product(version: &str) -> &'static str {
    match version {
        ECS => "ecs",
        VPC => "vpc",
        STS => "sts",
        _ => "slb",
    }
}

/// The handler of an action, or why there is none.
pub(crate) fn handler(version: &str, action: &str) -> Result<Handler, ApiError> {
    use Handler::{Anonymous, Read, Write};
    let found = match (version, action) {
        (SLB, "DescribeLoadBalancerAttribute") => Read(load_balancers::attribute),
        (SLB, "DescribeLoadBalancers") => Read(load_balancers::list),
        (SLB, "CreateLoadBalancer") => Write(load_balancers::create),
        (SLB, "DeleteLoadBalancer") => Write(load_balancers::delete),
        (SLB, "ModifyLoadBalancerInstanceSpec") => Write(load_balancers::modify_spec),
        (SLB, "ModifyLoadBalancerInstanceChargeType") => {
            Write(load_balancers::modify_instance_charge_type)
        }
        (SLB, "ModifyLoadBalancerInternetSpec") => Write(load_balancers::modify_internet_spec),
        (SLB, "SetLoadBalancerName") => Write(load_balancers::set_name),
        (SLB, "SetLoadBalancerDeleteProtection") => Write(load_balancers::set_delete_protection),
        (SLB, "SetLoadBalancerModificationProtection") => {
            Write(load_balancers::set_modification_protection)
        }
        (SLB, "ListTagResources") => Read(tags::list),
        (SLB, "TagResources") => Write(tags::tag),
        (SLB, "UntagResources") => Write(tags::untag),
        (SLB, "DescribeVServerGroups") => Read(groups::list),
        (SLB, "DescribeVServerGroupAttribute") => Read(groups::attribute),
        (SLB, "CreateVServerGroup") => Write(groups::create),
        (SLB, "DeleteVServerGroup") => Write(groups::delete),
        (SLB, "SetVServerGroupAttribute") => Write(groups::set),
        (SLB, "AddVServerGroupBackendServers") => Write(groups::add),
        (SLB, "RemoveVServerGroupBackendServers") => Write(groups::remove),
        (SLB, "DescribeLoadBalancerListeners") => Read(listeners::list),
        (SLB, "CreateLoadBalancerTCPListener") => Write(listeners::create_tcp),
        (SLB, "CreateLoadBalancerUDPListener") => Write(listeners::create_udp),
        (SLB, "CreateLoadBalancerHTTPListener") => Write(listeners::create_http),
        (SLB, "CreateLoadBalancerHTTPSListener") => Write(listeners::create_https),
        (SLB, "SetLoadBalancerTCPListenerAttribute") => Write(listeners::set_tcp),
        (SLB, "SetLoadBalancerUDPListenerAttribute") => Write(listeners::set_udp),
        (SLB, "SetLoadBalancerHTTPListenerAttribute") => Write(listeners::set_http),
        (SLB, "SetLoadBalancerHTTPSListenerAttribute") => Write(listeners::set_https),
        (SLB, "StartLoadBalancerListener") => Write(listeners::start),
        (SLB, "StopLoadBalancerListener") => Write(listeners::stop),
        (SLB, "DeleteLoadBalancerListener") => Write(listeners::delete),
        (SLB, "DescribeHealthStatus") => Read(health::describe),
        (ECS, "DescribeNetworkInterfaces") => Read(ecs::network_interfaces),
        (VPC, "DescribeVpcAttribute") => Read(vpc::attribute),
        (VPC, "DescribeEipAddresses") => Read(vpc::elastic_addresses),
        (STS, "GetCallerIdentity") => Read(sts::identity),
        (STS, "AssumeRole") => Write(sts::assume_role),
        (STS, "AssumeRoleWithOIDC") => Anonymous(sts::assume_role_with_oidc),
        (SLB | ECS | VPC | STS, _) => {
            return Err(ApiError::new(
                404,
                "InvalidAction.NotFound",
                format!("The double has no action {action:?} of version {version}."),
            ));
        }
        _ => {
            return Err(ApiError::new(
                400,
                "InvalidVersion",
                format!("Specified parameter Version {version:?} is not valid."),
            ));
        }
    };
    Ok(found)
}

/// A page of a list that is told by number and size.
struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn from_params(params: &Params) -> Result<Self, ApiError> {
        Ok(Self {
            number: params.number("PageNumber", 1..=usize::MAX)?.unwrap_or(1),
            size: params.number("PageSize", 1..=100)?.unwrap_or(50),
        })
    }

    fn cut<T>(&self, all: Vec<T>) -> Vec<T> {
        let before = (self.number - 1).saturating_mul(self.size);
        all.into_iter().skip(before).take(self.size).collect()
    }
}

/// A page of a list that goes on where its last token says.
struct TokenPage {
    from: usize,
    most: usize,
}

impl TokenPage {
    fn from_params(params: &Params, most: usize) -> Result<Self, ApiError> {
        let from = match params.optional("NextToken") {
            None => 0,
            Some(token) => token
                .strip_prefix("from-")
                .and_then(|number| number.parse().ok())
                .ok_or_else(|| ApiError::invalid("The specified NextToken is invalid."))?,
        };
        Ok(Self { from, most: params.number("MaxResults", 1..=500)?.unwrap_or(most) })
    }

    /// This page, and the token of the next one or nothing.
    fn cut<T>(&self, all: Vec<T>) -> (Vec<T>, String) {
        let end = self.from.saturating_add(self.most);
        let next = if end < all.len() { format!("from-{end}") } else { String::new() };
        (all.into_iter().skip(self.from).take(self.most).collect(), next)
    }
}

/// A fresh id such as `rsp-…`.
fn fresh_id(prefix: &str) -> Result<String, ApiError> {
    Ok(format!("{prefix}-{}", crate::random::hex(8).map_err(no_randomness)?))
}

fn no_randomness(error: getrandom::Error) -> ApiError {
    ApiError::new(500, "InternalError", format!("the machine has no randomness: {error}"))
}
