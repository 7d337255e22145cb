//! What tests see and change. Nobody signs here.

use std::str;
use std::sync::Arc;

use serde_json::json;

use crate::cloud::Cloud;
use crate::faults::Fault;
use crate::plane::Plane;
use crate::request::Request;
use crate::state::State;

use super::serve::Service;
use super::{Reply, openapi};

/// The API, with the test's own paths beside it.
pub(crate) struct Front {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) plane: Arc<Plane>,
}

impl Service for Front {
    async fn answer(&self, request: Request) -> Reply {
        let cloud = &*self.cloud;
        match (request.method(), request.path()) {
            (_, "/") => openapi::call(cloud, &request).await,
            ("GET", "/state") => cloud.read(|state| Reply::json(200, state)),
            ("PUT", "/state") => put_state(cloud, request.body()),
            ("GET", "/calls") => Reply::json(200, &cloud.calls.all()),
            ("DELETE", "/calls") => {
                cloud.calls.clear();
                done()
            }
            ("GET", "/faults") => Reply::json(200, &cloud.faults.all()),
            ("POST", "/faults") => add_fault(cloud, request.body()),
            ("DELETE", "/faults") => {
                cloud.faults.clear();
                done()
            }
            ("GET", "/connections") => Reply::json(200, &json!({"listeners": self.plane.report()})),
            (method, path) => Reply::text(
                404,
                format!(
                    "no {method} {path}; there are /state, /calls, /faults and /connections, and \
                     the OpenAPI at /\n"
                ),
            ),
        }
    }
}

fn put_state(cloud: &Cloud, body: &[u8]) -> Reply {
    let text = match str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => return Reply::text(400, format!("the state is not UTF-8: {error}\n")),
    };
    match text.parse::<State>() {
        Ok(new) => {
            cloud.edit(|state| *state = new);
            done()
        }
        Err(error) => Reply::text(400, format!("{error}\n")),
    }
}

fn add_fault(cloud: &Cloud, body: &[u8]) -> Reply {
    let mut reader = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, Fault>(&mut reader) {
        Ok(fault) => {
            cloud.faults.add(fault);
            done()
        }
        Err(error) => Reply::text(400, format!("{}: {}\n", error.path(), error.inner())),
    }
}

fn done() -> Reply {
    Reply::json(200, &json!({}))
}
