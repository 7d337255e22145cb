//! A call of the API, from its request to its answer.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::{self, Answer, ApiError, Asked, Handler};
use crate::cloud::Cloud;
use crate::faults::Do;
use crate::request::Request;
use crate::sign::{self, Caller};
use crate::{random, time};

use super::Reply;

/// Answers a call, or does with it what a fault says.
pub(super) async fn call(cloud: &Cloud, request: &Request) -> Reply {
    let id = match request_id() {
        Ok(id) => id,
        Err(error) => return Reply::text(500, format!("the machine has no randomness: {error}")),
    };
    cloud.calls.came(request, time::seconds(Timestamp::now()), &id);
    let key = sign::claimed_key(request);
    let fault = cloud.faults.meet(request.action().unwrap_or_default(), key.as_deref());
    if let Some(fault) = &fault {
        cloud.calls.note(&id, |call| call.fault = Some(fault.name().to_owned()));
    }
    let answer = match fault {
        None => run(cloud, request),
        Some(Do::DelayMs(time)) => {
            tokio::time::sleep(Duration::from_millis(time)).await;
            run(cloud, request)
        }
        Some(Do::LoseRequest {}) => return Reply::Cut,
        Some(Do::LoseAnswer {}) => {
            let _lost: Answer = run(cloud, request);
            return Reply::Cut;
        }
        Some(Do::Throttle {}) => {
            let message = "Request was denied due to user flow control.";
            Err(ApiError::new(400, "Throttling.User", message))
        }
        Some(Do::Error { status, code, message }) => Err(ApiError::new(status, code, message)),
        Some(Do::WrongAnswer(body)) => {
            cloud.calls.note(&id, |call| call.status = Some(200));
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
    cloud.calls.note(&id, |call| {
        call.status = Some(status);
        call.code = code;
    });
    Reply::json(status, &body(answer, request, &id))
}

/// Finds out who is calling and carries the call out.
fn run(cloud: &Cloud, request: &Request) -> Answer {
    let action = request.action().ok_or_else(|| ApiError::missing("Action"))?;
    let version = request.version().ok_or_else(|| ApiError::missing("Version"))?;
    let handler = api::handler(version, action)?;
    let now = Timestamp::now();
    let caller = if matches!(handler, Handler::Anonymous(_)) && !sign::is_signed(request) {
        Caller::anonymous()
    } else {
        cloud.read(|state| sign::authenticate(request, state, &cloud.nonces, now))?
    };
    let asked = Asked { params: request.params(), caller: &caller, now, health: &cloud.health };
    match handler {
        Handler::Read(read) => cloud.read(|state| read(state, &asked)),
        Handler::Write(write) | Handler::Anonymous(write) => {
            cloud.edit(|state| write(state, &asked))
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
