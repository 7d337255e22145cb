//! The operation that writes: weights of backends that are in a group.

use std::collections::BTreeMap;

use clbmigrate_core::clb_answers::RegisteredBackend;
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;
use tokio::time::Instant;

use super::{
    BackendKey, ClbClient, Weight,
    read::{check_id, parse_response},
};
use crate::{Error, ErrorKind, rpc::Action};

/// The largest number of backends that one call may name (CLB: `SetVServerGroupAttribute`).
pub const MAX_BACKENDS_PER_CALL: usize = 20;

/// A change of a backend's weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightChange {
    /// The backend.
    pub backend: BackendKey,
    /// The weight before, as the API has it.
    pub from: u32,
    /// The weight after.
    pub to: Weight,
}

/// The error of [`ClbClient::set_weights`], with how far it has got.
#[derive(Debug, Clone, ThisError)]
#[error("{error}{}", self.so_far())]
pub struct SetWeightsError {
    /// Why it stopped.
    pub error: Error,
    /// Changes that the API has confirmed.
    pub written: Vec<WeightChange>,
    /// Changes that were sent and whose answer was lost: they may be written or not. Read the group
    /// before you go on.
    pub unknown: Vec<WeightChange>,
    /// Changes that are not written.
    pub not_written: Vec<WeightChange>,
}

impl SetWeightsError {
    /// Whether some changes may be written or not.
    pub fn is_lost_answer(&self) -> bool {
        !self.unknown.is_empty()
    }

    fn so_far(&self) -> String {
        let (done, unknown, left) =
            (self.written.len(), self.unknown.len(), self.not_written.len());
        match (done + unknown, unknown) {
            (0, _) => String::new(),
            (_, 0) => format!("; {done} weights are written, {left} are not"),
            _ => format!("; {done} weights are written, {unknown} perhaps, {left} are not"),
        }
    }
}

impl From<Error> for SetWeightsError {
    /// An error before the first write.
    fn from(error: Error) -> Self {
        Self { error, written: Vec::new(), unknown: Vec::new(), not_written: Vec::new() }
    }
}

/// A backend as the API takes it. Everything but the weight is sent back as it was read.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BackendElement<'a> {
    server_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    server_ip: &'a str,
    port: u16,
    weight: u32,
    #[serde(rename = "Type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
}

/// The answer to a write, as far as it is needed.
#[derive(Deserialize)]
struct SetResponse {
    #[serde(rename = "VServerGroupId")]
    id: String,
}

impl ClbClient {
    /// Sets weights of a group's backends, at most [`MAX_BACKENDS_PER_CALL`] a call, in the given
    /// order (`SetVServerGroupAttribute`), and returns the changes. The group is read first: every
    /// backend must be in it, and a backend that has its weight already is left out. Type,
    /// description and everything else of a backend stays as it is.
    ///
    /// A call that the API throttles is repeated. A call whose answer is lost is not. If somebody
    /// removes a backend from the group meanwhile, the API may ignore it without an error; read the
    /// group afterwards to be sure.
    ///
    /// # Errors
    /// A backend is not in the group or has two weights (nothing is written), or a call fails. The
    /// error says which changes are written.
    pub async fn set_weights(
        &self,
        group: &str,
        weights: &[(BackendKey, Weight)],
    ) -> Result<Vec<WeightChange>, SetWeightsError> {
        let deadline = self.deadline();
        if weights.is_empty() {
            return Ok(Vec::new());
        }
        let present = self.group_by(group, deadline).await?;
        let plan = plan(group, &present.backends, weights)?;
        let mut done = Vec::new();
        let mut batches = plan.chunks(MAX_BACKENDS_PER_CALL);
        while let Some(batch) = batches.next() {
            let changes = |batch: &[(WeightChange, &RegisteredBackend)]| {
                batch.iter().map(|(change, _)| change.clone()).collect::<Vec<_>>()
            };
            let Err(error) = self.set_batch(group, batch, deadline).await else {
                done.extend(changes(batch));
                continue;
            };
            let mut unknown = changes(batch);
            let mut not_written: Vec<WeightChange> = batches.flat_map(changes).collect();
            if !error.is_lost_answer() {
                not_written.splice(0..0, unknown.drain(..));
            }
            return Err(SetWeightsError { error, written: done, unknown, not_written });
        }
        Ok(done)
    }

    async fn set_batch(
        &self,
        group: &str,
        batch: &[(WeightChange, &RegisteredBackend)],
        deadline: Instant,
    ) -> Result<(), Error> {
        const SET: Action = Action::write("SetVServerGroupAttribute");
        let elements: Vec<_> =
            batch.iter().map(|(change, backend)| element(change, backend)).collect();
        let elements = serde_json::to_string(&elements).map_err(|error| {
            Error::new(ErrorKind::Usage, format!("the backends cannot be written as JSON: {error}"))
        })?;
        let parameters = [("VServerGroupId", group), ("BackendServers", elements.as_str())];
        let answer = self.call(SET, &parameters, deadline).await?;
        let set: SetResponse = parse_response(SET, &answer)?;
        check_id(SET, group, &set.id)
    }
}

fn element<'a>(change: &WeightChange, backend: &'a RegisteredBackend) -> BackendElement<'a> {
    BackendElement {
        server_id: &backend.server_id,
        server_ip: if backend.is_pod() { &backend.server_ip } else { "" },
        port: backend.port,
        weight: change.to.get(),
        kind: &backend.kind,
        description: &backend.description,
    }
}

/// The changes to make: the weights that differ from the group's.
fn plan<'g>(
    group: &str,
    present: &'g [RegisteredBackend],
    weights: &[(BackendKey, Weight)],
) -> Result<Vec<(WeightChange, &'g RegisteredBackend)>, Error> {
    let present: BTreeMap<BackendKey, &RegisteredBackend> =
        present.iter().map(|backend| (BackendKey::from(backend), backend)).collect();
    let mut planned = BTreeMap::new();
    let mut plan = Vec::new();
    for (key, to) in weights {
        let Some(backend) = present.get(key) else {
            let message = format!("{key} is not in group {group}; no weight was written");
            return Err(Error::new(ErrorKind::NotFound, message).hint(
                "somebody may have taken it out; look again with kubectl clbmigrate status",
            ));
        };
        match planned.insert(key, to) {
            None if backend.weight == to.get() => {}
            None => plan.push((
                WeightChange { backend: key.clone(), from: backend.weight, to: *to },
                *backend,
            )),
            Some(other) if other == to => {}
            Some(other) => {
                let message = format!("{key} is given two weights, {other} and {to}");
                return Err(Error::new(ErrorKind::Usage, message));
            }
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(id: &str, weight: u32) -> RegisteredBackend {
        RegisteredBackend {
            server_id: id.to_owned(),
            server_ip: String::new(),
            port: 80,
            weight,
            kind: "ecs".to_owned(),
            description: "by hand".to_owned(),
        }
    }

    fn wish(id: &str, weight: u32) -> (BackendKey, Weight) {
        (BackendKey::ecs(id, 80), Weight::try_from(weight).expect("a weight"))
    }

    #[test]
    fn only_what_differs_is_written_in_the_order_given() {
        let present = [backend("i-a", 10), backend("i-b", 20), backend("i-c", 30)];
        let wishes = [wish("i-c", 0), wish("i-a", 10), wish("i-b", 21), wish("i-b", 21)];
        let plan = plan("rsp-1", &present, &wishes).expect("a plan");
        let plan: Vec<_> = plan
            .iter()
            .map(|(change, _)| (change.backend.server_id.as_str(), change.from, change.to.get()))
            .collect();
        assert_eq!(plan, [("i-c", 30, 0), ("i-b", 20, 21)]);
    }

    #[test]
    fn a_backend_that_is_not_there_or_has_two_wishes_stops_everything() {
        let present = [backend("i-a", 10)];
        let gone = plan("rsp-1", &present, &[wish("i-a", 1), wish("i-b", 1)]).expect_err("gone");
        assert_eq!(gone.kind, ErrorKind::NotFound);
        let two = plan("rsp-1", &present, &[wish("i-a", 1), wish("i-a", 2)]).expect_err("two");
        assert_eq!(two.kind, ErrorKind::Usage);
    }

    #[test]
    fn an_element_keeps_type_port_and_description() {
        let change =
            WeightChange { backend: BackendKey::ecs("i-a", 80), from: 1, to: Weight::ZERO };
        let json = serde_json::to_value(element(&change, &backend("i-a", 1))).expect("JSON");
        assert_eq!(
            json,
            serde_json::json!({
                "ServerId": "i-a", "Port": 80, "Weight": 0, "Type": "ecs", "Description": "by hand",
            })
        );
    }
}
