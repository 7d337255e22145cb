//! Every call, in order.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::auth;
use crate::request::Request;

/// Parameters that only serve the protocol.
const PROTOCOL: [&str; 9] = [
    "AccessKeyId",
    "Action",
    "Format",
    "SignatureMethod",
    "SignatureNonce",
    "SignatureType",
    "SignatureVersion",
    "Timestamp",
    "Version",
];

/// Parameters that nobody may read.
const SECRET: [&str; 3] = ["OIDCToken", "SecurityToken", "Signature"];

/// A call of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedCall {
    /// When it arrived.
    pub time: String,
    /// The version of the API, such as `2014-05-15`.
    pub version: String,
    /// Such as `DescribeVServerGroups`.
    pub action: String,
    /// HTTP method.
    pub method: String,
    /// The access key id that the call names, valid or not.
    pub access_key_id: Option<String>,
    /// All parameters but those of the protocol and the signature; secrets are `***`.
    pub parameters: BTreeMap<String, String>,
    /// HTTP status of the answer; none while there is none, or if the connection was cut.
    pub status: Option<u16>,
    /// The code of the error with which the call was refused.
    pub code: Option<String>,
    /// The request id of the answer.
    pub request_id: String,
    /// The name of the fault that the call met.
    pub fault: Option<String>,
}

/// All calls since the start or the last clearing.
#[derive(Debug, Default)]
pub(crate) struct CallLog(Mutex<Vec<LoggedCall>>);

impl CallLog {
    /// Notes that a call has come.
    pub(crate) fn record(&self, request: &Request, time: String, request_id: &str) {
        let parameters = request
            .params()
            .into_iter()
            .filter(|(name, _)| !PROTOCOL.contains(&name.as_str()))
            .map(|(name, value)| {
                let hidden = SECRET.contains(&name.as_str());
                (name.clone(), if hidden { "***".to_owned() } else { value.clone() })
            })
            .collect();
        self.with(|calls| {
            calls.push(LoggedCall {
                time,
                version: request.version().unwrap_or_default().to_owned(),
                action: request.action().unwrap_or_default().to_owned(),
                method: request.method().to_owned(),
                access_key_id: auth::claimed_access_key(request),
                parameters,
                status: None,
                code: None,
                request_id: request_id.to_owned(),
                fault: None,
            });
        });
    }

    /// Notes something about a call that has come. One that was cleared away stays away.
    pub(crate) fn update(&self, request_id: &str, change: impl FnOnce(&mut LoggedCall)) {
        self.with(|calls| {
            let found = calls.iter_mut().rev().find(|call| call.request_id == request_id);
            if let Some(call) = found {
                change(call);
            }
        });
    }

    pub(crate) fn all(&self) -> Vec<LoggedCall> {
        self.with(|calls| calls.clone())
    }

    pub(crate) fn clear(&self) {
        self.with(Vec::clear);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<LoggedCall>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
