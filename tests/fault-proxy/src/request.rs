//! Requests, and which of them a fault is for.

use std::fmt;

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method in capitals, such as `PATCH`.
    pub method: String,
    /// The path as sent, with percent-encoding and without the query.
    pub path: String,
    /// The query as sent, without the question mark; empty if there is none.
    pub query: String,
}

impl Request {
    pub(crate) fn from_http<B>(request: &http::Request<B>) -> Self {
        Self {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
        }
    }

    /// The value of a parameter of the query, as sent: `None` if there is no such parameter, empty if
    /// it has no value.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }
}

type Condition = Box<dyn Fn(&Request) -> bool + Send + Sync>;

/// Which requests meet a fault, and how many of them. Every condition must hold.
///
/// The third `PATCH` of a Service that is not a dry run, and no other:
/// `Match::method("PATCH").path("/services/").without_parameter("dryRun").skip(2).times(1)`.
#[must_use]
pub struct Match {
    conditions: Vec<Condition>,
    pub(crate) skip: usize,
    pub(crate) times: usize,
}

impl Match {
    /// Every request.
    pub fn any() -> Self {
        Self { conditions: Vec::new(), skip: 0, times: usize::MAX }
    }

    /// Requests with this method, in capitals.
    pub fn method(method: &str) -> Self {
        let method = method.to_owned();
        Self::any().when(move |request| request.method == method)
    }

    /// Whose path contains `part`.
    pub fn path(self, part: &str) -> Self {
        let part = part.to_owned();
        self.when(move |request| request.path.contains(&part))
    }

    /// Whose path ends with `end`.
    pub fn path_end(self, end: &str) -> Self {
        let end = end.to_owned();
        self.when(move |request| request.path.ends_with(&end))
    }

    /// Whose query has `name=value`.
    pub fn parameter(self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.when(move |request| request.parameter(&name) == Some(&value))
    }

    /// Whose query does not have a parameter `name`.
    pub fn without_parameter(self, name: &str) -> Self {
        let name = name.to_owned();
        self.when(move |request| request.parameter(&name).is_none())
    }

    /// For which `condition` holds.
    pub fn when(mut self, condition: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.conditions.push(Box::new(condition));
        self
    }

    /// Not the first `requests` of them.
    pub fn skip(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// At most so many of them, after those that are skipped.
    pub fn times(mut self, requests: usize) -> Self {
        self.times = requests;
        self
    }

    pub(crate) fn matches(&self, request: &Request) -> bool {
        self.conditions.iter().all(|condition| condition(request))
    }
}

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { conditions, skip, times } = self;
        write!(f, "Match({} conditions, skip {skip}, times {times})", conditions.len())
    }
}
