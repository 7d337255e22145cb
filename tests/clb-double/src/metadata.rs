//! The metadata server of ECS: what an instance can ask about itself.
//!
//! Both versions: with a token that was fetched before (`IMDSv2`), and without one unless the state
//! says `tokensOnly`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::api;
use crate::http_server::{HttpService, Reply};
use crate::request::Request;
use crate::shared::SharedState;
use crate::state::{State, default_account};
use crate::{random, time};

const TTL: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aliyun-ecs-metadata-token";
/// Six hours.
const LONGEST: i64 = 21600;
const ROLES: &str = "ram/security-credentials/";

/// The server.
pub(crate) struct MetadataService {
    shared: Arc<SharedState>,
    /// Tokens and when they end.
    tokens: Mutex<HashMap<String, Timestamp>>,
}

impl MetadataService {
    pub(crate) fn new(shared: Arc<SharedState>) -> Self {
        Self { shared, tokens: Mutex::default() }
    }

    fn token(&self, request: &Request) -> Reply {
        let seconds = request.header(TTL).and_then(|text| text.parse::<i64>().ok());
        let Some(seconds) = seconds.filter(|seconds| (1..=LONGEST).contains(seconds)) else {
            return Reply::text(400, format!("the header {TTL} must be 1 to {LONGEST}\n"));
        };
        let end = Timestamp::now().checked_add(SignedDuration::from_secs(seconds));
        match (random::hex(28), end) {
            (Ok(token), Ok(end)) => {
                let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
                tokens.insert(token.clone(), end);
                Reply::text(200, token)
            }
            (Err(error), _) => Reply::text(500, error.to_string()),
            (_, Err(error)) => Reply::text(500, error.to_string()),
        }
    }

    fn is_authorized(&self, request: &Request) -> bool {
        match request.header(TOKEN) {
            None => !self.shared.read(|state| state.metadata.tokens_only),
            Some(token) => {
                let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
                tokens.get(token).is_some_and(|end| *end > Timestamp::now())
            }
        }
    }

    /// Credentials of the instance's role: new ones each time.
    fn credentials(&self, wanted: &str) -> Reply {
        let now = Timestamp::now();
        let issued = self.shared.edit(|state| {
            let arn = role_arn(state, wanted)?;
            let seconds = state.metadata.session_seconds;
            Some(api::issue_token(state, now, &arn, "instance", seconds))
        });
        match issued {
            None => not_found(),
            Some(Err(error)) => Reply::text(error.status, error.to_string()),
            Some(Ok(token)) => Reply::json(
                200,
                &json!({
                    "AccessKeyId": token.access_key_id,
                    "AccessKeySecret": token.access_key_secret,
                    "SecurityToken": token.security_token,
                    "Expiration": time::seconds(token.expiration),
                    "LastUpdated": time::seconds(now),
                    "Code": "Success",
                }),
            ),
        }
    }
}

impl HttpService for MetadataService {
    async fn answer(&self, request: Request) -> Reply {
        match (request.method(), request.path()) {
            ("PUT", "/latest/api/token")
                if !self.shared.read(|state| state.metadata.without_tokens) =>
            {
                self.token(&request)
            }
            ("GET", path) => match path.strip_prefix("/latest/meta-data/") {
                Some(_) if !self.is_authorized(&request) => {
                    Reply::text(403, "the token is missing or bad\n")
                }
                Some(role) if role.len() > ROLES.len() && role.starts_with(ROLES) => {
                    self.credentials(role.trim_start_matches(ROLES))
                }
                Some(item) => self
                    .shared
                    .read(|state| metadata_item(state, item.trim_end_matches('/')))
                    .map_or_else(not_found, |text| Reply::text(200, text)),
                None => not_found(),
            },
            _ => not_found(),
        }
    }
}

fn metadata_item(state: &State, item: &str) -> Option<String> {
    let metadata = &state.metadata;
    let text = match item {
        "region-id" => &state.region,
        "vpc-id" => &state.vpc.id,
        "instance-id" => &metadata.instance_id,
        "zone-id" => &metadata.zone_id,
        "vswitch-id" => &metadata.vswitch_id,
        "vpc-cidr-block" => state.vpc.cidrs.first()?,
        "ram/security-credentials" => metadata.role.as_ref()?,
        _ => return None,
    };
    Some(text.clone())
}

/// The ARN of the instance's role, if it is the one that is asked for.
fn role_arn(state: &State, wanted: &str) -> Option<String> {
    let name = state.metadata.role.as_ref().filter(|name| *name == wanted)?;
    let known = state.roles.iter().find(|role| role.arn.ends_with(&format!("/{name}")));
    let account = state.accounts.first().map(|first| first.account_id.clone());
    let account = account.unwrap_or_else(default_account);
    let arn = known.map(|role| role.arn.clone());
    Some(arn.unwrap_or_else(|| format!("acs:ram::{account}:role/{name}")))
}

fn not_found() -> Reply {
    Reply::text(404, "404 - Not Found\n")
}
