use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{event::RawObject, text::line_breaks};

/// The fields of an object, each as its own text inside the object's.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// The fields of an object; none for anything else.
pub(crate) fn fields(json: &str) -> Fields<'_> {
    serde_json::from_str(json).unwrap_or_default()
}

fn field<'a>(fields: &Fields<'a>, name: &str) -> Fields<'a> {
    fields.get(name).map(|value| self::fields(value.get())).unwrap_or_default()
}

/// The lines of those parts of an object that findings point to: annotations, the fields of `spec`
/// and of the pod's spec, containers.
pub(crate) fn lines_of(raw: &RawObject<'_>) -> Vec<(String, u32)> {
    let object = fields(raw.text);
    let metadata = field(&object, "metadata");
    let spec = field(&object, "spec");
    let template = field(&spec, "template");
    let pod = field(&template, "spec");

    let mut parts = Vec::new();
    parts.extend(keys("metadata.annotations", &field(&metadata, "annotations")));
    parts.extend(members("spec", &spec));
    parts.extend(keys("spec.annotations", &field(&spec, "annotations")));
    parts.extend(members("spec.template.spec", &pod));
    let annotations = field(&field(&template, "metadata"), "annotations");
    parts.extend(keys("spec.template.metadata.annotations", &annotations));
    parts.extend(containers("spec.template.spec", "containers", &pod));
    parts.extend(containers("spec.template.spec", "initContainers", &pod));
    lines(raw, parts)
}

fn keys<'a>(path: &str, fields: &Fields<'a>) -> Vec<(String, &'a str)> {
    fields.iter().map(|(key, value)| (format!("{path}[{key}]"), value.get())).collect()
}

fn members<'a>(path: &str, fields: &Fields<'a>) -> Vec<(String, &'a str)> {
    fields.iter().map(|(key, value)| (format!("{path}.{key}"), value.get())).collect()
}

fn containers<'a>(path: &str, list: &str, pod: &Fields<'a>) -> Vec<(String, &'a str)> {
    let path = format!("{path}.{list}");
    let list = pod.get(list).map_or("[]", |list| list.get());
    let containers: Vec<&RawValue> = serde_json::from_str(list).unwrap_or_default();
    let named = containers.into_iter().filter_map(|container| {
        let name = *fields(container.get()).get("name")?;
        let name: String = serde_json::from_str(name.get()).ok()?;
        Some((format!("{path}[{name}]"), container.get()))
    });
    named.collect()
}

/// Turns parts of the object's text into lines, in one pass over the text.
fn lines(raw: &RawObject<'_>, parts: Vec<(String, &str)>) -> Vec<(String, u32)> {
    // A part is a slice of the text, so its address tells where it stands.
    let start = raw.text.as_ptr().addr();
    let mut parts: Vec<(usize, String)> = parts
        .into_iter()
        .map(|(path, part)| (part.as_ptr().addr().saturating_sub(start), path))
        .collect();
    parts.sort_unstable();
    let (mut at, mut line) = (0, raw.line);
    let lines = parts.into_iter().map(|(offset, path)| {
        let between = raw.text.as_bytes().get(at..offset).unwrap_or_default();
        line = line.saturating_add(line_breaks(between));
        at = at.max(offset);
        (path, line)
    });
    lines.collect()
}
