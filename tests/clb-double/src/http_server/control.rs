//! What tests see and change. Nobody signs here.

use std::str;
use std::sync::Arc;

use serde_json::json;

use crate::data_plane::DataPlane;
use crate::faults::Fault;
use crate::request::Request;
use crate::shared::SharedState;
use crate::state::State;

use super::serve::HttpService;
use super::{Reply, openapi};

/// The API, with the test's own paths beside it.
pub(crate) struct ApiAndControl {
    pub(crate) shared: Arc<SharedState>,
    pub(crate) plane: Arc<DataPlane>,
}

impl HttpService for ApiAndControl {
    async fn answer(&self, request: Request) -> Reply {
        let shared = &*self.shared;
        match (request.method(), request.path()) {
            (_, "/") => openapi::call(shared, &request).await,
            ("GET", "/state") => shared.read(|state| Reply::json(200, state)),
            ("PUT", "/state") => put_state(shared, request.body()),
            ("GET", "/calls") => Reply::json(200, &shared.calls.all()),
            ("DELETE", "/calls") => {
                shared.calls.clear();
                ok()
            }
            ("GET", "/faults") => Reply::json(200, &shared.faults.all()),
            ("POST", "/faults") => add_fault(shared, request.body()),
            ("DELETE", "/faults") => {
                shared.faults.clear();
                ok()
            }
            ("GET", "/behaviour") => Reply::json(200, &shared.behaviour()),
            ("PATCH", "/behaviour") => patch_behaviour(shared, request.body()),
            ("GET", "/connections") => Reply::json(200, &json!({"listeners": self.plane.report()})),
            (method, path) => Reply::text(
                404,
                format!(
                    "no {method} {path}; there are /state, /calls, /faults, /behaviour and \
                     /connections, and the OpenAPI at /\n"
                ),
            ),
        }
    }
}

fn put_state(shared: &SharedState, body: &[u8]) -> Reply {
    let text = match str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => return Reply::text(400, format!("the state is not UTF-8: {error}\n")),
    };
    match text.parse::<State>() {
        Ok(new) => {
            shared.edit(|state| *state = new);
            ok()
        }
        Err(error) => Reply::text(400, format!("{error}\n")),
    }
}

fn add_fault(shared: &SharedState, body: &[u8]) -> Reply {
    let mut reader = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, Fault>(&mut reader) {
        Ok(fault) => {
            shared.faults.add(fault);
            ok()
        }
        Err(error) => Reply::text(400, format!("{}: {}\n", error.path(), error.inner())),
    }
}

/// Takes a JSON merge patch.
fn patch_behaviour(shared: &SharedState, body: &[u8]) -> Reply {
    match serde_json::from_slice(body).and_then(|patch| shared.behaviour().patched(&patch)) {
        Ok(behaviour) => {
            shared.set_behaviour(behaviour);
            ok()
        }
        Err(error) => Reply::text(400, format!("the behaviour stays as it was: {error}\n")),
    }
}

fn ok() -> Reply {
    Reply::json(200, &json!({}))
}
