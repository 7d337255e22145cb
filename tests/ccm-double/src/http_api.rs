//! The double over HTTP: whether it is ready, what it did, how it behaves.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::controller::Handle;

/// `GET /healthz`, `GET /state`, `GET` and `PATCH /behaviour`, `POST /events/expire`.
pub fn router(handle: Handle) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/state", get(state))
        .route("/behaviour", get(behaviour).patch(patch_behaviour))
        .route("/events/expire", post(expire_events))
        .with_state(handle)
}

async fn healthz(State(handle): State<Handle>) -> Response {
    match handle.unsynced() {
        unsynced if unsynced.is_empty() => "ok\n".into_response(),
        unsynced => {
            let why = format!("unsynced for {}\n", unsynced.join("; "));
            (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
        }
    }
}

async fn state(State(handle): State<Handle>) -> Json<Value> {
    let services: serde_json::Map<String, Value> = handle
        .reports
        .entries()
        .into_iter()
        .map(|(key, entry)| (key.to_string(), json!(entry)))
        .collect();
    Json(json!({"services": services}))
}

async fn behaviour(State(handle): State<Handle>) -> Response {
    Json(handle.control.get()).into_response()
}

/// Takes a JSON merge patch, whatever its content type.
async fn patch_behaviour(State(handle): State<Handle>, body: Bytes) -> Response {
    let changed =
        serde_json::from_slice(&body).and_then(|patch: Value| handle.control.patch(&patch));
    match changed {
        Ok(behaviour) => Json(behaviour).into_response(),
        Err(error) => {
            let why = json!({"error": format!("the behaviour stays as it was: {error}")});
            (StatusCode::BAD_REQUEST, Json(why)).into_response()
        }
    }
}

async fn expire_events(State(handle): State<Handle>) -> Response {
    match handle.expire_events().await {
        Ok(expired) => Json(json!({"expired": expired})).into_response(),
        Err(error) => {
            let why = json!({"error": format!("the events cannot be deleted: {error}")});
            (StatusCode::BAD_GATEWAY, Json(why)).into_response()
        }
    }
}
