//! The metadata service of an ECS instance: its role's credentials, and its region.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use serde::Deserialize;
use tokio::time::Instant;

use super::{Credentials, sts::TemporaryCredentials};
use crate::{
    Error, ErrorKind,
    deadline::time_left,
    endpoint::Endpoint,
    net::{HttpClient, HttpResponse, sensitive},
    rpc::parse,
};

/// The time limit of a request. Outside of ECS instances no server answers at all.
const WITHIN: Duration = Duration::from_secs(2);
/// The lifetime of a metadata token in seconds; the longest that the service grants.
const TOKEN_SECONDS: &str = "21600";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";

/// The metadata of the instance that this program runs on.
pub(super) struct Metadata<'a> {
    pub(super) http: &'a dyn HttpClient,
    pub(super) endpoint: &'a Endpoint,
    /// Whether to go on without a token where the service has none (`IMDSv1`).
    pub(super) v1: bool,
    /// When all requests must have ended.
    pub(super) deadline: Instant,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleKeys {
    code: String,
    #[serde(flatten)]
    credentials: Option<TemporaryCredentials>,
}

impl Metadata<'_> {
    /// The credentials of the role, or of the instance's only one.
    pub(super) async fn credentials(&self, role: Option<&str>) -> Result<Credentials, Error> {
        let token = self.token().await?;
        let role = match role {
            Some(role) => role.to_owned(),
            None => self.only_role(token.as_deref()).await?,
        };
        let answer = self.get(&format!("{ROLES}{role}"), token.as_deref()).await?;
        if answer.status == 404 {
            return Err(self.error(format!("this ECS instance has no role {role:?}")));
        }
        let answer = self.success(answer, "the role's keys")?;
        let parsed = parse::<RoleKeys>(&answer.body)?;
        match parsed.credentials {
            Some(credentials) if parsed.code == "Success" => Ok(credentials.into()),
            _ => Err(self.error(format!("the metadata give no keys of role {role:?}"))),
        }
    }

    /// The instance's region.
    pub(super) async fn region(&self) -> Result<String, Error> {
        let token = self.token().await?;
        let answer = self.get("/latest/meta-data/region-id", token.as_deref()).await?;
        let answer = self.success(answer, "the region")?;
        Ok(String::from_utf8_lossy(&answer.body).trim().to_owned())
    }

    async fn only_role(&self, token: Option<&str>) -> Result<String, Error> {
        let answer = self.get(ROLES, token).await?;
        if answer.status == 404 {
            return Err(self.error("this ECS instance has no RAM role".to_owned()));
        }
        let answer = self.success(answer, "the role's name")?;
        let text = String::from_utf8_lossy(&answer.body);
        let name = text.lines().next().map(str::trim).filter(|name| !name.is_empty());
        name.map(str::to_owned)
            .ok_or_else(|| self.error("this ECS instance has no RAM role".to_owned()))
    }

    /// A token (`IMDSv2`); `None` where the service has none and `IMDSv1` is allowed.
    async fn token(&self) -> Result<Option<String>, Error> {
        let request = Request::put(self.endpoint.at("/latest/api/token"))
            .header(header::HOST, self.endpoint.host())
            .header("X-aliyun-ecs-metadata-token-ttl-seconds", TOKEN_SECONDS);
        let answer = self.send(request).await?;
        if answer.is_success() {
            return Ok(Some(String::from_utf8_lossy(&answer.body).trim().to_owned()));
        }
        if self.v1 {
            return Ok(None);
        }
        Err(self.error(format!("the metadata give no token (HTTP {})", answer.status)))
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Result<HttpResponse, Error> {
        let mut request =
            Request::get(self.endpoint.at(path)).header(header::HOST, self.endpoint.host());
        if let Some(token) = token {
            let token = sensitive(token)
                .map_err(|_| self.error("the metadata give a malformed token".to_owned()))?;
            request = request.header("X-aliyun-ecs-metadata-token", token);
        }
        self.send(request).await
    }

    async fn send(&self, request: http::request::Builder) -> Result<HttpResponse, Error> {
        let request = request
            .body(Bytes::new())
            .map_err(|_| self.error("a request of the metadata cannot be made".to_owned()))?;
        self.http.send(request, time_left(self.deadline, WITHIN)?).await
    }

    fn success(&self, answer: HttpResponse, what: &str) -> Result<HttpResponse, Error> {
        if answer.is_success() {
            return Ok(answer);
        }
        Err(self.error(format!("the metadata do not tell {what} (HTTP {})", answer.status)))
    }

    fn error(&self, message: String) -> Error {
        Error::new(ErrorKind::Credentials, message).hint(format!(
            "give the instance a RAM role, and see whether {} tells it",
            self.endpoint.at(ROLES)
        ))
    }
}
