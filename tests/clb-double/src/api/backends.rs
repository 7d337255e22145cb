//! The parameter `BackendServers`: a JSON list, its keys in either spelling.
//!
//! The documentation spells `ServerId`; CCM 2.14 sends `serverId` and fields of its own beside it.

use serde_json::{Map, Value};

use crate::state::{Backend, BackendKey, BackendType};

use super::ApiError;

const NAME: &str = "BackendServers";

/// One element of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BackendElement {
    pub(super) server_id: String,
    pub(super) server_ip: String,
    pub(super) port: u16,
    pub(super) weight: Option<u8>,
    pub(super) kind: BackendType,
    pub(super) description: Option<String>,
}

impl BackendElement {
    /// Whether this element means that backend. Of an instance nobody needs to tell the address.
    pub(super) fn means(&self, backend: &Backend) -> bool {
        self.server_id == backend.server_id
            && self.port == backend.port
            && (self.server_ip.is_empty() || self.server_ip == backend.server_ip)
    }

    pub(super) fn key(&self) -> BackendKey {
        BackendKey {
            server_id: self.server_id.clone(),
            server_ip: self.server_ip.clone(),
            port: self.port,
        }
    }
}

impl From<BackendElement> for Backend {
    fn from(element: BackendElement) -> Self {
        Self {
            server_id: element.server_id,
            server_ip: element.server_ip,
            port: element.port,
            // What the documentation says of an element without a weight.
            weight: element.weight.unwrap_or(100),
            kind: element.kind,
            description: element.description.unwrap_or_default(),
        }
    }
}

/// Reads the list. More than `most` elements are refused.
pub(super) fn read(text: &str, most: usize) -> Result<Vec<BackendElement>, ApiError> {
    let list = serde_json::from_str(text)
        .map_err(|error| ApiError::invalid(format!("{NAME} is not JSON: {error}")))?;
    let Value::Array(list) = list else {
        return Err(ApiError::invalid(format!("{NAME} is not a list.")));
    };
    if list.len() > most {
        let message = format!("{NAME} has {} elements, more than {most}.", list.len());
        return Err(ApiError::new(400, "TooManyBackendServers", message));
    }
    list.iter()
        .enumerate()
        .map(|(index, element)| {
            let element = element.as_object().ok_or("is not an object".to_owned());
            element
                .and_then(read_one)
                .map_err(|what| ApiError::invalid(format!("{NAME}[{index}] {what}.")))
        })
        .collect()
}

fn read_one(element: &Map<String, Value>) -> Result<BackendElement, String> {
    let server_id = text(element, "serverId")?.ok_or("has no ServerId")?;
    let port = number(element, "port", 1..=65535)?.ok_or("has no Port")?;
    let weight = number(element, "weight", 0..=100)?;
    let kind = match text(element, "type")?.as_deref() {
        None | Some("ecs") => BackendType::Ecs,
        Some("eni") => BackendType::Eni,
        Some("eci") => BackendType::Eci,
        Some(other) => return Err(format!("has the Type {other:?}, which is not ecs, eni or eci")),
    };
    Ok(BackendElement {
        server_id,
        server_ip: text(element, "serverIp")?.unwrap_or_default(),
        port: u16::try_from(port).map_err(|error| error.to_string())?,
        weight: weight.map(u8::try_from).transpose().map_err(|error| error.to_string())?,
        kind,
        description: text(element, "description")?,
    })
}

/// A field in either spelling; null and empty text are none.
fn field<'a>(element: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = element.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1;
    (!found.is_null() && found.as_str() != Some("")).then_some(found)
}

fn text(element: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match field(element, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("has a {name} that is no text: {other}")),
    }
}

/// A number, or a number as text: the documentation's own examples quote them.
fn number(
    element: &Map<String, Value>,
    name: &str,
    range: std::ops::RangeInclusive<i64>,
) -> Result<Option<i64>, String> {
    let Some(value) = field(element, name) else {
        return Ok(None);
    };
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    number
        .filter(|number| range.contains(number))
        .map(Some)
        .ok_or_else(|| format!("has the {name} {value}, which is not in {range:?}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn what_ccm_sends_is_understood() {
        let text = r#"[{"IsUserManaged":false,"NodeName":null,"description":"k8s/30080/web/shop/c1",
            "serverId":"i-1","serverIp":"","weight":30,"port":30080,"type":"ecs","TargetRef":null,
            "Invalid":false}]"#;
        let wanted = BackendElement {
            server_id: "i-1".to_owned(),
            server_ip: String::new(),
            port: 30080,
            weight: Some(30),
            kind: BackendType::Ecs,
            description: Some("k8s/30080/web/shop/c1".to_owned()),
        };
        assert_eq!(read(text, 40), Ok(vec![wanted]));
    }

    #[test]
    fn what_is_documented_is_understood() {
        let text = r#"[{"ServerId":"eni-1","Weight":"100","Type":"eni","ServerIp":"10.0.0.1",
            "Port":"80","Description":"test"}]"#;
        let read = read(text, 40).expect("a list");
        assert_eq!(read[0].weight, Some(100));
        assert_eq!(read[0].kind, BackendType::Eni);
        assert_eq!(read[0].port, 80);
    }

    #[rstest]
    #[case::not_json("[{", "is not JSON")]
    #[case::not_a_list("{}", "is not a list")]
    #[case::weight(r#"[{"ServerId":"i-1","Port":80,"Weight":101}]"#, "weight 101")]
    #[case::port(r#"[{"ServerId":"i-1","Port":0}]"#, "port 0")]
    #[case::no_port(r#"[{"ServerId":"i-1"}]"#, "has no Port")]
    #[case::second(
        r#"[{"ServerId":"i-1","Port":1},{"Port":1}]"#,
        "BackendServers[1] has no ServerId"
    )]
    #[case::kind(r#"[{"ServerId":"i-1","Port":1,"Type":"vm"}]"#, "\"vm\"")]
    fn what_is_wrong_is_told_with_its_place(#[case] text: &str, #[case] wanted: &str) {
        let error = read(text, 40).expect_err("is wrong").to_string();
        assert!(error.contains(wanted), "{error}");
    }

    #[test]
    fn more_than_the_limit_are_refused() {
        let text = r#"[{"ServerId":"i-1","Port":1},{"ServerId":"i-2","Port":1}]"#;
        assert!(read(text, 2).is_ok());
        assert_eq!(read(text, 1).expect_err("too many").code, "TooManyBackendServers");
    }
}
