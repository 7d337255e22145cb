//! What differs about a listener that is there, and the parameters that change it (CCM 2.14: `listeners.go`,
//! `isNeedUpdate`).

use crate::cloud_client::listener::Listener;
use crate::model::listeners::{DesiredListener, attributes};

/// Whether a listener differs from what is wanted. Where nobody says, anything is right.
pub(super) fn is_needed(wanted: &DesiredListener, there: &Listener, group: &str) -> bool {
    let certificate = wanted.attribute("ServerCertificateId");
    there.description != wanted.description
        || there.attribute("VServerGroupId") != group
        || (wanted.protocol == "https" && there.attribute("ServerCertificateId") != certificate)
        || wanted
            .attributes
            .iter()
            .any(|(name, value)| counts(wanted, name) && there.attribute(name) != value)
}

/// Whether what an annotation says of a parameter counts: what belongs to a switch does while it is on.
fn counts(wanted: &DesiredListener, name: &str) -> bool {
    match name {
        "ConnectionDrainTimeout" => wanted.attribute("ConnectionDrain") == "on",
        "AclId" | "AclType" => wanted.attribute("AclStatus") == "on",
        _ => true,
    }
}

/// All that is known of the listener, with what is wanted in its place: CCM sends back what the cloud has told.
pub(super) fn parameters(
    wanted: &DesiredListener,
    there: &Listener,
    group: &str,
) -> Vec<(&'static str, String)> {
    let mut parameters = vec![
        ("ListenerPort", wanted.port.to_string()),
        ("Description", wanted.description.clone()),
        ("VServerGroupId", group.to_owned()),
        ("VServerGroup", "on".to_owned()),
    ];
    let known = attributes::names(&wanted.protocol).map(|name| {
        let said = if counts(wanted, name) { wanted.attribute(name) } else { "" };
        (name, if said.is_empty() { there.attribute(name) } else { said })
    });
    let known = known.chain([("Bandwidth", there.attribute("Bandwidth"))]);
    let known = known.filter(|(name, value)| attributes::is_set(name, value));
    parameters.extend(known.map(|(name, value)| (name, value.to_owned())));
    parameters
}
