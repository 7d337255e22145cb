//! What a key may do: the actions of a RAM policy.

use crate::api_error::ApiError;

/// The one call that every key may make, whatever its policy says.
const OPEN_TO_ALL: &str = "sts:GetCallerIdentity";

/// Refuses an action, such as `slb:SetVServerGroupAttribute`, that a policy does not allow. No policy allows all.
pub(crate) fn authorize(allows: Option<&[String]>, action: &str) -> Result<(), ApiError> {
    let allowed = allows.is_none_or(|patterns| {
        action == OPEN_TO_ALL || patterns.iter().any(|pattern| fits(pattern, action))
    });
    if allowed {
        return Ok(());
    }
    let message = "User not authorized to operate on the specified resource, or this API doesn't support RAM.";
    Err(ApiError::new(403, "Forbidden.RAM", message))
}

/// `*` stands for any text, as in a RAM policy.
fn fits(pattern: &str, action: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == action };
    let Some(action) = action.strip_prefix(begin) else { return false };
    let mut ends = action.char_indices().map(|(at, _)| at).chain([action.len()]);
    ends.any(|at| action.get(at..).is_some_and(|action| fits(rest, action)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all("*", true)]
    #[case::of_the_product("slb:*", true)]
    #[case::by_name("slb:DescribeVServerGroups", true)]
    #[case::by_its_beginning("slb:Describe*", true)]
    #[case::in_between("slb:*VServer*s", true)]
    #[case::of_another_product("ecs:*", false)]
    #[case::another("slb:Set*", false)]
    #[case::a_beginning_without_a_star("slb:Describe", false)]
    #[case::another_end("slb:*Group", false)]
    fn a_pattern_allows(#[case] pattern: &str, #[case] wanted: bool) {
        let allowed = authorize(Some(&[pattern.to_owned()]), "slb:DescribeVServerGroups");
        assert_eq!(allowed.is_ok(), wanted);
    }

    #[test]
    fn no_policy_allows_all_and_an_empty_one_only_to_ask_who_one_is() {
        assert_eq!(authorize(None, "slb:DeleteLoadBalancer"), Ok(()));
        assert_eq!(authorize(Some(&[]), "sts:GetCallerIdentity"), Ok(()));
        let refused = authorize(Some(&[]), "slb:DescribeLoadBalancers").expect_err("refused");
        assert_eq!((refused.status, refused.code.as_ref()), (403, "Forbidden.RAM"));
    }
}
