//! Variables of the policies, beside those of the rules themselves.

use clbmigrate_core::annotation::{
    self, CLASS, ID, LEGACY_PREFIX, PREFIX, TUNNEL_TYPE, VGROUP_PORT, WEIGHT,
};

use super::{
    cel::{Side, keys, list, literal, matches, text},
    conditions::READ_KEY,
};

/// A weight as CCM reads it: an optional sign, any leading zeros, and 0 to 100.
pub const VALID_WEIGHT: &str = "^([+]?0*(100|[0-9]{1,2})|-0+)$";

/// What both versions have, by name. A variable uses those before it alone.
pub fn of_sides() -> Vec<(&'static str, String)> {
    vec![
        (
            "Annotations",
            "$object != null && has($object.metadata.annotations) ? $object.metadata.annotations : {}"
                .to_owned(),
        ),
        (
            "IsTaken",
            format!(
                "$object != null && $object.spec.type == 'LoadBalancer' && !has($object.spec.loadBalancerClass) && \
                 !({tunnel} in $Annotations) && (!({class} in $Annotations) || $Annotations[{class}] == '')",
                tunnel = literal(TUNNEL_TYPE),
                class = literal(CLASS),
            ),
        ),
        (
            "Ports",
            "$object != null && has($object.spec.ports) ? $object.spec.ports : []".to_owned(),
        ),
        ("Clb", text(ID)),
        ("Weight", text(WEIGHT)),
        ("Mapping", format!("$Clb != '' ? {} : ''", text(VGROUP_PORT))),
        ("IsMigrated", "$IsTaken && $Mapping != ''".to_owned()),
        ("Entries", "$Mapping != '' ? $Mapping.split(',') : []".to_owned()),
        ("Pairs", "$Entries.filter(e, e.contains(':')).map(e, e.split(':'))".to_owned()),
    ]
}

/// Whether CCM takes this version and it carries a CLB annotation, or the one before it did.
pub fn is_candidate(side: Side) -> String {
    let prefix = |prefix: &str| literal(&format!("{prefix}loadbalancer-"));
    let (today, legacy) = (prefix(PREFIX), prefix(LEGACY_PREFIX));
    let in_any = |annotations: &str| {
        format!("{annotations}.exists(k, k.startsWith({today}) || k.startsWith({legacy}))")
    };
    match side {
        Side::New => side.of(&format!(
            "$IsTaken && ({} || {})",
            in_any("$Annotations"),
            in_any("variables.oldAnnotations")
        )),
        Side::Old => side.of(&format!("$IsTaken && {}", in_any("$Annotations"))),
    }
}

/// Whether an update lowers the weight, to 0 from whatever it was or from one valid weight to
/// another, and changes nothing else that CCM or a rule reads.
pub fn only_lowers_weight() -> String {
    let (today, legacy) = keys(WEIGHT);
    let (new, old) = ("variables.newWeight", "variables.oldWeight");
    let (is_valid, was_valid) = (matches(new, VALID_WEIGHT), matches(old, VALID_WEIGHT));
    let read = READ_KEY.replace("KEY", "k");
    let same = |one: &str, other: &str| {
        format!(
            "variables.{one}.all(k, !{read} || k in [{today}, {legacy}] || k in variables.{other} && variables.{one}[k] == variables.{other}[k])"
        )
    };
    format!(
        "object != null && oldObject != null && object.spec == oldObject.spec && {is_valid} && \
         (int({new}) == 0 || {was_valid} && int({new}) < int({old})) && {} && {}",
        same("newAnnotations", "oldAnnotations"),
        same("oldAnnotations", "newAnnotations"),
    )
}

/// Whether the annotation `clbmigrate.io/allow` exempts the Service from a rule.
pub fn is_allowed(rule: &str) -> String {
    let allow = literal(annotation::ALLOW);
    format!(
        "{allow} in variables.newAnnotations && variables.newAnnotations[{allow}].split(',').exists(id, id.trim() in {})",
        list([rule])
    )
}
