//! An API server with one Service, whose answers are lost and refused.

use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Value, json};

use crate::live::{
    connect::Connection,
    fake::{self, Call, Reply},
};

const PATH: &str = "/api/v1/namespaces/shop/services/web";

/// What happens to a request to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It is carried out and answered.
    None,
    /// It is carried out, and the connection closed.
    LostAnswer,
    /// It is carried out, and the answer is no JSON.
    Garbled,
    /// It is not carried out, and the connection closed.
    NeverArrived,
    /// It is not carried out and answered 429, with seconds where there are any.
    Throttled(Option<u64>),
    /// It is refused with this status.
    Status(u16),
}

/// An API server with one Service, or none yet.
#[derive(Default)]
pub(super) struct World {
    pub(super) service: Option<Value>,
    /// What happens to the next writes; nothing to later ones.
    pub(super) faults: Vec<Fault>,
    /// What somebody else writes after the next request to write.
    pub(super) meanwhile: Option<Value>,
    pub(super) writes: usize,
}

pub(super) type Shared = Arc<Mutex<World>>;

impl World {
    pub(super) fn with(annotations: &Value) -> Self {
        let service = json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "annotations": annotations},
            "spec": {"type": "ClusterIP"},
        });
        Self { service: Some(service), ..Self::default() }
    }

    pub(super) fn serve(self) -> (Connection, Shared) {
        let world = Arc::new(Mutex::new(self));
        let served = Arc::clone(&world);
        (fake::connection(move |call| served.lock().expect("a world").answer(call)), world)
    }

    fn answer(&mut self, call: &Call) -> Reply {
        if call.method == Method::GET {
            return match &self.service {
                Some(service) if call.path == PATH => Reply::Answer(200, service.clone()),
                _ => Reply::status(404, "not found"),
            };
        }
        let fault = if self.faults.is_empty() { Fault::None } else { self.faults.remove(0) };
        let refusal = match fault {
            Fault::NeverArrived => Some(Reply::Cut),
            Fault::Throttled(seconds) => Some(Reply::Throttled(seconds)),
            Fault::Status(code) => Some(Reply::status(code, "no")),
            Fault::None | Fault::LostAnswer | Fault::Garbled => None,
        };
        let carried_out = match refusal {
            Some(refusal) => Err(refusal),
            None => self.carry_out(call),
        };
        if let (Some(service), Some(theirs)) = (&mut self.service, self.meanwhile.take()) {
            json_patch::merge(service, &theirs);
        }
        match (carried_out, fault) {
            (Err(refusal), _) => refusal,
            (Ok(_), Fault::LostAnswer) => Reply::Cut,
            (Ok(_), Fault::Garbled) => Reply::Garbled,
            (Ok(service), _) => Reply::Answer(200, service),
        }
    }

    fn carry_out(&mut self, call: &Call) -> Result<Value, Reply> {
        let mut service = match (&call.method, &self.service) {
            (&Method::POST, Some(_)) => {
                return Err(Reply::status(409, "services \"web\" already exists"));
            }
            (&Method::POST, None) => call.body.clone(),
            (_, None) => return Err(Reply::status(404, "not found")),
            (_, Some(service)) => {
                let mut service = service.clone();
                let refused = Reply::status(422, "the server rejected our request");
                apply(&mut service, &call.body).ok_or(refused)?;
                service
            }
        };
        if service["metadata"]["uid"].is_null() {
            service["metadata"]["uid"] = json!("u-2");
        }
        if !call.query.contains("dryRun=All") {
            self.writes += 1;
            self.service = Some(service.clone());
        }
        Ok(service)
    }
}

/// Applies a patch as the API server does, for which a test of `null` demands absence.
fn apply(object: &mut Value, patch: &Value) -> Option<()> {
    let is_of_absent = |op: &&Value| op["op"] == "test" && op["value"].is_null();
    let operations = patch.as_array()?;
    let is_there =
        |op: &Value| op["path"].as_str().is_some_and(|path| object.pointer(path).is_some());
    if operations.iter().filter(is_of_absent).any(is_there) {
        return None;
    }
    let rest: Vec<&Value> = operations.iter().filter(|op| !is_of_absent(op)).collect();
    let patch: json_patch::Patch = serde_json::from_value(json!(rest)).ok()?;
    json_patch::patch(object, &patch).ok()
}
