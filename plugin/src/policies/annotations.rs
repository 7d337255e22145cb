//! Rules about one annotation, or about keys.

use clbmigrate_core::{
    annotation::{
        BACKEND_LABEL, BACKEND_TYPE, BACKEND_TYPES, DEFAULT_WEIGHT, FILL_INS, ID,
        KNOWN_ANNOTATIONS, LEGACY_PREFIX, OTHER_KINDS, PREFIX, PROTOCOL_PORT, VGROUP_IDS,
        VGROUP_PORT, ValueKind, WEIGHT,
    },
    listener::PROTOCOLS,
};

use super::{
    cel::{WHITE_SPACE, key, keys, list, literal, matches, text, where_value},
    variables::VALID_WEIGHT,
};

/// An integer that 64 bits hold, whatever its digits.
const INTEGER: &str = "^[+-]?0*[0-9]{1,18}$";

/// A weight that CCM cannot use.
pub fn weight() -> String {
    where_value(WEIGHT, &format!("!{}", matches("value", VALID_WEIGHT)))
}

/// A default weight that CCM cannot use.
pub fn default_weight() -> String {
    where_value(DEFAULT_WEIGHT, &format!("!{}", matches("value", VALID_WEIGHT)))
}

/// The key of older articles.
pub fn old_mapping_key() -> String {
    let (today, legacy) = keys(VGROUP_IDS);
    format!("[{today}, {legacy}].filter(k, k in $Annotations).map(k, k + ': ' + $Annotations[k])")
}

/// A mapping without a CLB's id.
pub fn mapping_without_clb() -> String {
    where_value(VGROUP_PORT, "$Clb == ''")
}

/// Keys with the older prefix beside others with today's and another value.
pub fn two_prefixes() -> String {
    let (today, legacy) = (literal(PREFIX), literal(LEGACY_PREFIX));
    let other = format!("{today} + k.substring({})", LEGACY_PREFIX.len());
    format!(
        "$Annotations.filter(k, k.startsWith({legacy}) && ({other}) in $Annotations && \
         $Annotations[{other}] != $Annotations[k]).map(k, k + ': ' + $Annotations[k])"
    )
}

/// A type of backends that means something else to CCM.
pub fn backend_type() -> String {
    let key = literal(BACKEND_TYPE);
    let fine = list([""].iter().chain(&BACKEND_TYPES));
    format!(
        "[{key}].filter(k, k in $Annotations && !($Annotations[k] in {fine})).map(k, k + ': ' + $Annotations[k])"
    )
}

/// Values that CCM's listener model cannot read.
pub fn unreadable() -> String {
    let mut found = vec![protocol_port()];
    for known in KNOWN_ANNOTATIONS {
        match known.kind {
            ValueKind::Integer | ValueKind::SharedClbInteger => {
                let condition = format!("!{}", matches("value", INTEGER));
                found.push(where_value(known.suffix, &condition));
            }
            ValueKind::DomainExtensions => found.push(where_value(
                known.suffix,
                "value.split(',').exists(e, size(e.split(':')) != 2)",
            )),
            // Which entries of a redirection are read depends on the protocol of each port.
            ValueKind::ForwardPort
            | ValueKind::ProtocolPort
            | ValueKind::Text
            | ValueKind::SharedClb => {}
        }
    }
    found.join(" + ")
}

/// CCM reads the entries for each port, up to the one that names it.
fn protocol_port() -> String {
    let bad = format!("(!e.contains(':') || !(e.split(':')[0] in {}))", list(PROTOCOLS));
    let named = "value.split(',').map(e, e.contains(':') ? e.split(':')[1] : '')";
    let condition = format!(
        "$Ports.exists(p, value.split(',').exists(e, {bad} && (!(string(p.port) in {named}) || \
         value.split(',').indexOf(e) <= {named}.indexOf(string(p.port)))))"
    );
    where_value(PROTOCOL_PORT, &condition)
}

/// Labels of nodes that are malformed or have spaces.
pub fn backend_label() -> String {
    let spaces = matches("value", &format!("[{WHITE_SPACE}]"));
    where_value(
        BACKEND_LABEL,
        &format!("({spaces} || value.split(',').exists(e, !e.contains('=')))"),
    )
}

/// An expression about a text: whether it is no CLB's id, by its form.
pub fn is_no_clb_id(text: &str) -> String {
    let kinds: Vec<&str> = OTHER_KINDS.iter().map(|(prefix, _)| *prefix).collect();
    let pattern = format!(
        "[^a-z0-9-]|^(rsp-|{})|(^|-)(your[a-z0-9]*|{})(-|$)|xxxxx|^(lb-)?xx+$",
        kinds.join("|"),
        FILL_INS.join("|"),
    );
    format!("({} || {text}.contains('xxx') && size({text}) <= 12)", matches(text, &pattern))
}

/// A CLB's id that cannot be one.
pub fn clb_id() -> String {
    where_value(ID, &is_no_clb_id("value"))
}

/// A port that gets no node port, though nodes are the backends.
pub fn no_node_port() -> String {
    let key = literal(BACKEND_TYPE);
    let [eni, _] = BACKEND_TYPES.map(literal);
    format!(
        "['spec.allocateLoadBalancerNodePorts: false'].filter(f, $object != null && \
         has($object.spec.allocateLoadBalancerNodePorts) && !$object.spec.allocateLoadBalancerNodePorts && \
         $Ports.exists(p, !has(p.nodePort) || p.nodePort == 0) && \
         !({key} in $Annotations && $Annotations[{key}] == {eni}))"
    )
}

/// The removal of the weight of a Service that stays mapped.
pub fn weight_removed() -> String {
    let old = "variables.oldWeight";
    let (today, legacy) = keys(WEIGHT);
    let was = matches(old, VALID_WEIGHT);
    format!(
        "[{old}].filter(value, value != '' && variables.oldIsMigrated && $IsMigrated && {new} == '' && ({was} || {today} in $Annotations || {legacy} in $Annotations) && \
         variables.oldPorts.exists(p, variables.oldPairs.exists(e, e[1] == string(p.port)))).map(value, \
         ({today} in variables.oldAnnotations ? {today} : {legacy}) + ': ' + value + ' is removed')",
        new = text(WEIGHT),
    )
}

/// The full key of the mapping, for what is found in it.
pub fn mapping_key() -> String {
    key(VGROUP_PORT)
}
