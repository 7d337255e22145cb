//! Rules about the mapping, and about its changes.

use clbmigrate_core::annotation::{BACKEND_TYPE, VGROUP_PORT};

use super::{
    annotations::{is_no_clb_id, mapping_key},
    cel::{WHITE_SPACE, keys, literal, matches},
};

/// The entries of the mapping for which a condition about `e` holds.
fn entries(condition: &str) -> String {
    format!("$Entries.filter(e, {condition}).map(e, {} + ': ' + e)", mapping_key())
}

/// Entries without a colon.
pub fn malformed() -> String {
    entries("!e.contains(':')")
}

/// Entries with white space.
pub fn spaces() -> String {
    entries(&matches("e", &format!("[{WHITE_SPACE}]")))
}

/// Entries that name no port of the Service.
pub fn no_such_port() -> String {
    entries(
        "e.contains(':') && e.split(':')[1] != '0' && !$Ports.exists(p, string(p.port) == e.split(':')[1])",
    )
}

/// Release entries of groups that the Service did not name before.
pub fn never_held() -> String {
    entries(
        "variables.oldIsMigrated && e.contains(':') && e.split(':')[1] == '0' && \
         !variables.oldEntries.exists(o, o.split(':')[0] == e.split(':')[0])",
    )
}

/// Entries for one port, of which CCM takes the first.
pub fn two_entries() -> String {
    let same = "$Pairs.filter(o, o[1] == e[1])";
    format!(
        "$Pairs.filter(e, e[1] != '0' && size({same}) > 1).map(e, {} + ': ' + {same}.map(o, o.join(':')).join(','))",
        mapping_key()
    )
}

/// The groups of the entries that name a port of one version, the one that counts first.
fn groups(version: &str, port: &str) -> String {
    format!("{version}Pairs.filter(e, e[1] == string({port}.port)).map(e, e[0])")
}

/// Ports that share a group, though they lead to different backends.
pub fn two_ports() -> String {
    let key = literal(BACKEND_TYPE);
    let (one, other) = (groups("$", "p"), groups("$", "q"));
    let same = format!(
        "p.targetPort == q.targetPort && ({key} in $Annotations && $Annotations[{key}] == 'eni' || \
         has(p.nodePort) && has(q.nodePort) && p.nodePort == q.nodePort)"
    );
    format!(
        "$Ports.filter(p, size({one}) > 0 && $Ports.exists(q, q != p && size({other}) > 0 && \
         {other}[0] == {one}[0] && !({same}))).map(p, {} + ': ' + {one}[0] + ':' + string(p.port))",
        mapping_key()
    )
}

/// The ports that an update takes out of a group which the new mapping does not name any more, where
/// a condition about the port `p` holds.
fn left_behind(condition: &str, what: &str) -> String {
    let was = groups("variables.old", "p");
    format!(
        "variables.oldPorts.filter(p, variables.oldIsMigrated && $IsMigrated && size({was}) > 0 && {possible} && \
         !$Entries.exists(e, e.split(':')[0] == {was}[0]) && {condition}).map(p, {key} + ': port ' + \
         string(p.port) + ' leaves group ' + {was}[0] + {what})",
        possible = matches(&format!("{was}[0]"), "^[A-Za-z0-9-]+$"),
        key = mapping_key(),
        what = literal(what),
    )
}

/// Whether the new version maps a port of the old one.
fn is_mapped() -> String {
    format!("($Ports.exists(q, q.port == p.port) && size({}) > 0)", groups("$", "p"))
}

/// A port that moves to another group in one step.
pub fn moved() -> String {
    left_behind(&is_mapped(), " for another in one step")
}

/// A CLB's id or a mapping that is removed or changed.
pub fn unbound() -> String {
    let live =
        format!("variables.oldIsMigrated && $IsTaken && !{}", is_no_clb_id("variables.oldClb"));
    let clb = format!(
        "[variables.oldClb].filter(id, {live} && $Clb != id).map(id, 'the id of CLB ' + id + ' is removed or changed')"
    );
    // A mapping that CCM could not use goes, unless its key stays with an empty value.
    let was_fine = "variables.oldEntries.all(e, e.matches('^[A-Za-z0-9-]+:[0-9]+$'))";
    let (today, legacy) = keys(VGROUP_PORT);
    let mapping = format!(
        "[variables.oldMapping].filter(m, {live} && $Clb == variables.oldClb && $Mapping == '' && ({was_fine} || {today} in $Annotations || {legacy} in $Annotations))\
         .map(m, 'the mapping ' + m + ' is removed')"
    );
    let entry = left_behind(
        &format!("{live} && $Clb == variables.oldClb && !{}", is_mapped()),
        " without a release entry",
    );
    format!("{clb} + {mapping} + {entry}")
}
