//! What CCM asks of the VPC: its ranges, and elastic addresses, of which the double has none.

use serde_json::json;

use crate::state::State;

use super::{Answer, ApiError, CallContext};

pub(super) fn attribute(state: &State, context: &CallContext<'_>) -> Answer {
    if context.required("VpcId")? != state.vpc.id {
        let message = "Specified value of \"VpcId\" is not found in our record.";
        return Err(ApiError::new(404, "InvalidVpcID.NotFound", message));
    }
    let (first, others) = match state.vpc.cidrs.split_first() {
        Some((first, others)) => (first.as_str(), others),
        None => ("", &[][..]),
    };
    Ok(json!({
        "VpcId": state.vpc.id,
        "RegionId": state.region,
        "Status": "Available",
        "CidrBlock": first,
        "SecondaryCidrBlocks": {"SecondaryCidrBlock": others},
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like others")]
pub(super) fn elastic_addresses(_: &State, _: &CallContext<'_>) -> Answer {
    Ok(json!({
        "EipAddresses": {"EipAddress": []},
        "PageNumber": 1,
        "PageSize": 10,
        "TotalCount": 0,
    }))
}
