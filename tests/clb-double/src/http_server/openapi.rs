//! A call of the API, from its request to its answer.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::{self, Answer, CallContext, Handler};
use crate::api_error::ApiError;
use crate::auth::{self, Caller};
use crate::faults::FaultEffect;
use crate::request::Request;
use crate::shared::SharedState;
use crate::{random, time};

use super::Reply;

/// Answers a call, or does with it what a fault says.
pub(super) async fn call(shared: &SharedState, request: &Request) -> Reply {
    let id = match request_id() {
        Ok(id) => id,
        Err(error) => return Reply::text(500, format!("the machine has no randomness: {error}")),
    };
    shared.calls.record(request, time::seconds(Timestamp::now()), &id);
    let key = auth::claimed_access_key(request);
    let fault = shared.faults.next_effect(request.action().unwrap_or_default(), key.as_deref());
    if let Some(fault) = &fault {
        shared.calls.update(&id, |call| call.fault = Some(fault.name().to_owned()));
    }
    let answer = match fault {
        None => run(shared, request),
        Some(FaultEffect::DelayMs(time)) => {
            tokio::time::sleep(Duration::from_millis(time)).await;
            run(shared, request)
        }
        Some(FaultEffect::LoseRequest {}) => return Reply::CutConnection,
        Some(FaultEffect::LoseAnswer {}) => {
            let _lost: Answer = run(shared, request);
            return Reply::CutConnection;
        }
        Some(FaultEffect::BadGateway {}) => {
            let _lost: Answer = run(shared, request);
            shared.calls.update(&id, |call| call.status = Some(502));
            return Reply::Answer {
                status: 502,
                content_type: "text/html",
                body: "<html>502 Bad Gateway</html>".into(),
            };
        }
        Some(FaultEffect::Throttle {}) => {
            let message = "Request was denied due to user flow control.";
            Err(ApiError::new(400, "Throttling.User", message))
        }
        Some(FaultEffect::Error { status, code, message }) => {
            Err(ApiError::new(status, code, message))
        }
        Some(FaultEffect::WrongAnswer(body)) => {
            shared.calls.update(&id, |call| call.status = Some(200));
            return Reply::Answer {
                status: 200,
                content_type: "application/json",
                body: body.into(),
            };
        }
    };
    let (status, code) = match &answer {
        Ok(_) => (200, None),
        Err(error) => (error.status, Some(error.code.to_string())),
    };
    shared.calls.update(&id, |call| {
        call.status = Some(status);
        call.code = code;
    });
    Reply::json(status, &body(answer, request, &id))
}

/// Finds out who is calling and carries the call out.
fn run(shared: &SharedState, request: &Request) -> Answer {
    let action = request.action().ok_or_else(|| ApiError::missing("Action"))?;
    let version = request.version().ok_or_else(|| ApiError::missing("Version"))?;
    let handler = api::handler(version, action)?;
    let now = Timestamp::now();
    let caller = if matches!(handler, Handler::Anonymous(_)) && !auth::is_signed(request) {
        Caller::anonymous()
    } else {
        shared.read(|state| auth::authenticate(request, state, &shared.nonces, now))?
    };
    let name = format!("{}:{action}", api::product(version));
    auth::authorize(caller.allows.as_deref(), &name)?;
    let context = CallContext { params: request.params(), caller: &caller, now, shared };
    match handler {
        Handler::Read(read) => shared.read(|state| read(state, &context)),
        Handler::Write(write) | Handler::Anonymous(write) => {
            shared.edit(|state| write(state, &context))
        }
    }
}

fn body(answer: Answer, request: &Request, id: &str) -> Value {
    match answer {
        Ok(Value::Object(mut fields)) => {
            fields.insert("RequestId".to_owned(), json!(id));
            Value::Object(fields)
        }
        Ok(other) => other,
        Err(error) => json!({
            "RequestId": id,
            "HostId": request.header("host").unwrap_or_default(),
            "Code": error.code,
            "Message": error.message,
        }),
    }
}

/// In the form of a UUID, as the cloud's are.
fn request_id() -> Result<String, getrandom::Error> {
    let parts =
        [random::hex(4)?, random::hex(2)?, random::hex(2)?, random::hex(2)?, random::hex(6)?];
    Ok(parts.join("-").to_uppercase())
}
