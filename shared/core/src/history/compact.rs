//! The short form in which a record lists servers: those with one port and the same weights share an
//! element, their ids joined by commas. The long form, an element a server, is read as well.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::Server;

/// What stands between the ids of an element.
const SEPARATOR: char = ',';

#[derive(Serialize, Deserialize)]
struct Element {
    /// The id of a server that has the element for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The ids of several servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ids: Option<String>,
    port: u16,
    from: u32,
    to: u32,
}

/// Writes servers in the short form.
pub(super) fn serialize<S: Serializer>(
    servers: &[Server],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut elements: Vec<Element> = Vec::new();
    let mut places: BTreeMap<(u16, u32, u32), usize> = BTreeMap::new();
    for Server { id, port, from, to } in servers {
        let (port, from, to) = (*port, *from, *to);
        let alone = Element { id: Some(id.clone()), ids: None, port, from, to };
        let is_joinable = !id.is_empty() && !id.contains(SEPARATOR);
        match places.entry((port, from, to)) {
            Entry::Occupied(place) if is_joinable => {
                if let Some(element) = elements.get_mut(*place.get()) {
                    element.join(id);
                }
            }
            Entry::Vacant(place) if is_joinable => {
                place.insert(elements.len());
                elements.push(alone);
            }
            _ => elements.push(alone),
        }
    }
    elements.serialize(serializer)
}

impl Element {
    fn join(&mut self, id: &str) {
        let mut ids = self.id.take().or_else(|| self.ids.take()).unwrap_or_default();
        ids.push(SEPARATOR);
        ids.push_str(id);
        self.ids = Some(ids);
    }

    fn servers(self) -> Option<Vec<Server>> {
        let Self { id, ids, port, from, to } = self;
        let server = |id: &str| Server { id: id.to_owned(), port, from, to };
        match (id, ids) {
            (Some(id), None) => Some(vec![server(&id)]),
            (None, Some(ids)) => Some(ids.split(SEPARATOR).map(server).collect()),
            _ => None,
        }
    }
}

/// Reads servers in the short or the long form.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Server>, D::Error> {
    let mut servers = Vec::new();
    for element in Vec::<Element>::deserialize(deserializer)? {
        let of = element.servers();
        servers.extend(of.ok_or_else(|| D::Error::custom("a server needs either id or ids"))?);
    }
    Ok(servers)
}
