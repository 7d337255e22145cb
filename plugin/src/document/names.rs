//! Objects as kubectl takes them.

use clbmigrate_core::object::ObjectRef;

/// The objects as words for kubectl, each once: `service/web -n shop --context a`. The namespace is
/// left out where the command line names it.
pub fn names<'o>(
    objects: impl IntoIterator<Item = &'o ObjectRef>,
    is_namespace_given: bool,
) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut known = std::collections::BTreeSet::new();
    for object in objects {
        let mut name = format!("{}/{}", resource(&object.kind), object.name);
        if let Some(namespace) = object.namespace.as_deref().filter(|_| !is_namespace_given) {
            name = format!("{name} -n {namespace}");
        }
        if let Some(context) = &object.context {
            name = format!("{name} --context {context}");
        }
        if known.insert(name.clone()) {
            names.push(name);
        }
    }
    names
}

/// A kind as kubectl names its resource.
fn resource(kind: &str) -> String {
    let group = match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" => ".apps",
        _ => "",
    };
    format!("{}{group}", kind.to_lowercase())
}
