//! A request as it came, before anybody has judged it.

use http::{HeaderMap, Method, Uri, header};
use hyper::body::Bytes;

use crate::params::Params;

/// A request whose body is here.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
    params: Params,
}

impl Request {
    pub(crate) fn new(method: Method, uri: &Uri, headers: HeaderMap, body: Bytes) -> Self {
        let query = pairs(uri.query().unwrap_or_default().as_bytes());
        let is_form = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let form = if is_form { pairs(&body) } else { Vec::new() };
        let params = query.iter().cloned().chain(form).collect();
        Self { method, path: uri.path().to_owned(), query, headers, body, params }
    }

    pub(crate) fn method(&self) -> &str {
        self.method.as_str()
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Parameters of the query and of a form in the body.
    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.keys().map(header::HeaderName::as_str)
    }

    /// The action, from the header of the newer SDKs or from the parameter.
    pub(crate) fn action(&self) -> Option<&str> {
        self.header("x-acs-action").or_else(|| self.params.optional("Action"))
    }

    /// The version of the API, likewise.
    pub(crate) fn version(&self) -> Option<&str> {
        self.header("x-acs-version").or_else(|| self.params.optional("Version"))
    }
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

#[cfg(test)]
impl Request {
    pub(crate) fn of_parts(
        method: &Method,
        uri: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (header::HeaderName::from_static(name), value.parse().expect("a header value"))
            })
            .collect();
        let uri = uri.parse().expect("a URI");
        Self::new(method.clone(), &uri, headers, Bytes::copy_from_slice(body))
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().expect("a header value"));
        self
    }

    pub(crate) fn with_body(mut self, body: &[u8]) -> Self {
        self.body = Bytes::copy_from_slice(body);
        self
    }
}
