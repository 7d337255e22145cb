//! Paths of the Kubernetes API with names in them that came from outside. A name is checked before it
//! becomes part of a path: with `..`, `/` or `?` in it, the path would lead to another object, which
//! would be read or written with the webhook's own rights.

use std::fmt;

use clbmigrate_core::object::{is_dns_label, is_dns_subdomain};
use form_urlencoded::Serializer;
use thiserror::Error;

/// How much of a wrong name an error shows, in characters.
const SHOWN: usize = 80;

/// A namespace or a name that no object of a Kubernetes cluster can have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{field} is {text:?}, which is no {form} (RFC 1123), so no object of a cluster is called so"
)]
pub struct InvalidName {
    /// `namespace`, or `name`.
    field: &'static str,
    text: String,
    form: &'static str,
}

impl InvalidName {
    fn new(field: &'static str, text: &str, form: &'static str) -> Self {
        Self { field, text: text.chars().take(SHOWN).collect(), form }
    }
}

/// A namespace, if it is one that there can be.
///
/// # Errors
/// When it is no DNS label.
pub fn check_namespace(namespace: &str) -> Result<&str, InvalidName> {
    let error = || InvalidName::new("namespace", namespace, "DNS label");
    is_dns_label(namespace).then_some(namespace).ok_or_else(error)
}

/// The name of an object, if it is one that objects of this resource (`services`, `deployments`, …) can
/// have.
///
/// # Errors
/// When it is no DNS label for a Service, and no DNS subdomain for any other object.
pub fn check_name<'n>(resource: &str, name: &'n str) -> Result<&'n str, InvalidName> {
    let (is_name, form) = if resource == "services" {
        (is_dns_label(name), "DNS label")
    } else {
        (is_dns_subdomain(name), "DNS subdomain")
    };
    is_name.then_some(name).ok_or_else(|| InvalidName::new("name", name, form))
}

/// A path of the Kubernetes API, with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiPath {
    path: String,
    resource: &'static str,
    query: String,
}

impl ApiPath {
    /// The path of all objects of a resource in a namespace. `api` is where the resource's API group
    /// begins, as in `ApiPath::new("/apis/apps/v1", "shop", "deployments")`.
    ///
    /// # Errors
    /// When there can be no such namespace.
    pub fn new(
        api: &'static str,
        namespace: &str,
        resource: &'static str,
    ) -> Result<Self, InvalidName> {
        let namespace = check_namespace(namespace)?;
        let path = format!("{api}/namespaces/{namespace}/{resource}");
        Ok(Self { path, resource, query: String::new() })
    }

    /// The path of all objects of a resource in all namespaces.
    pub fn all_namespaces(api: &'static str, resource: &'static str) -> Self {
        Self { path: format!("{api}/{resource}"), resource, query: String::new() }
    }

    /// The path of one of these objects.
    ///
    /// # Errors
    /// When no such object can have this name.
    pub fn object(mut self, name: &str) -> Result<Self, InvalidName> {
        let name = check_name(self.resource, name)?;
        self.path.push('/');
        self.path.push_str(name);
        Ok(self)
    }

    /// The same with a parameter in its query. Values may contain anything.
    #[must_use]
    pub fn with(mut self, parameter: &str, value: &str) -> Self {
        let mut query = Serializer::new(self.query);
        query.append_pair(parameter, value);
        self.query = query.finish();
        self
    }
}

impl fmt::Display for ApiPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.query.is_empty() { Ok(()) } else { write!(f, "?{}", self.query) }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn service(namespace: &str, name: &str) -> Result<String, InvalidName> {
        Ok(ApiPath::new("/api/v1", namespace, "services")?.object(name)?.to_string())
    }

    #[test]
    fn a_path_leads_to_one_namespace_and_one_object() {
        assert_eq!(service("shop", "web"), Ok("/api/v1/namespaces/shop/services/web".to_owned()));
        let path = ApiPath::new("/apis/apps/v1", "shop", "deployments")
            .and_then(|all| all.object("web.v2"))
            .expect("names");
        assert_eq!(path.to_string(), "/apis/apps/v1/namespaces/shop/deployments/web.v2");
    }

    #[rstest]
    #[case("..", "web")]
    #[case("../../../api/v1/secrets", "web")]
    #[case("shop/secrets", "web")]
    #[case("shop?watch=true", "web")]
    #[case("", "web")]
    #[case("shop.eu", "web")]
    #[case("shop", "..")]
    #[case("shop", "web/status")]
    #[case("shop", "web?dryRun=All")]
    #[case("shop", "web%2Fstatus")]
    #[case("shop", "web#")]
    #[case("shop", "")]
    #[case("shop", "web.v2")]
    #[case("shop", "web\r\nX-Remote-User: admin")]
    fn a_name_that_no_object_can_have_makes_no_path(#[case] namespace: &str, #[case] name: &str) {
        let error = service(namespace, name).expect_err("no path").to_string();
        assert!(error.contains("RFC 1123"), "{error}");
    }

    #[test]
    fn an_error_shows_the_beginning_of_a_long_name() {
        let error = check_namespace(&"A".repeat(1_000_000)).expect_err("no namespace");
        assert!(error.to_string().len() < 300, "{error}");
    }

    #[test]
    fn the_values_of_a_query_are_encoded() {
        let path = ApiPath::new("/api/v1", "shop", "services")
            .expect("a namespace")
            .with("labelSelector", "a/b in (c,d),!e&limit=1")
            .with("limit", "500");
        let (_, query) = path
            .to_string()
            .split_once('?')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .expect("a query");
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, [("labelSelector", "a/b in (c,d),!e&limit=1"), ("limit", "500")]);
    }
}
