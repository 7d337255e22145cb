//! Which namespaces a command looks at.

use std::sync::Arc;

use clbmigrate_cluster::live::Connection;

/// The namespaces to look at, cluster by cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Namespaces {
    /// All of every cluster.
    #[default]
    All,
    /// The same one in every cluster.
    One(String),
    /// Each context's own, as `(context, namespace)`, where they differ.
    OfContexts(Vec<(Option<Arc<str>>, String)>),
}

impl Namespaces {
    /// The contexts' own namespaces.
    pub fn own(contexts: impl IntoIterator<Item = (Option<Arc<str>>, String)>) -> Self {
        let contexts: Vec<_> = contexts.into_iter().collect();
        match contexts.split_first() {
            Some(((_, first), others)) if others.iter().all(|(_, other)| other == first) => {
                Self::One(first.clone())
            }
            _ => Self::OfContexts(contexts),
        }
    }

    /// The namespace to look at in the cluster of a context; `None` for all of them.
    pub fn of(&self, context: Option<&str>) -> Option<&str> {
        match self {
            Self::All => None,
            Self::One(namespace) => Some(namespace),
            Self::OfContexts(contexts) => {
                let mut contexts = contexts.iter();
                let own = contexts.find(|(of, _)| of.as_deref() == context);
                // A cluster that was not asked for is not looked at.
                Some(own.map_or("", |(_, namespace)| namespace))
            }
        }
    }

    /// The namespace to look at over a connection. Where all are, or where no more than one may be read,
    /// its context's own.
    pub fn over<'n>(&'n self, connection: &'n Connection) -> &'n str {
        self.of(connection.context.as_deref()).unwrap_or(&connection.namespace)
    }

    /// Whether a namespace of the cluster of a context is looked at. `None` stands for objects
    /// without a namespace.
    pub fn includes(&self, context: Option<&str>, namespace: Option<&str>) -> bool {
        self.of(context).is_none_or(|wanted| namespace == Some(wanted))
    }

    /// The namespace that is looked at everywhere; `None` where there is not just one.
    pub fn only(&self) -> Option<&str> {
        if let Self::One(namespace) = self { Some(namespace) } else { None }
    }

    /// The namespaces in words with a space before them, for example ` in namespace shop`; empty
    /// where all are looked at. With a context, that of its cluster.
    pub fn describe(&self, context: Option<&str>) -> String {
        let contexts = match self {
            Self::OfContexts(contexts) if context.is_none() => contexts,
            _ => {
                let namespace = self.of(context);
                return namespace.map(|of| format!(" in namespace {of}")).unwrap_or_default();
            }
        };
        let each = contexts.iter().map(|(context, namespace)| {
            format!("{namespace} of {}", context.as_deref().unwrap_or("the cluster"))
        });
        format!(" in namespaces {}", each.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(contexts: &[(&str, &str)]) -> Namespaces {
        let contexts = contexts.iter();
        Namespaces::own(contexts.map(|(of, namespace)| (Some((*of).into()), (*namespace).into())))
    }

    #[test]
    fn contexts_with_one_namespace_are_looked_at_in_that() {
        assert_eq!(own(&[("a", "shop"), ("b", "shop")]), Namespaces::One("shop".to_owned()));
        assert_eq!(own(&[("a", "shop")]).only(), Some("shop"));
    }

    #[test]
    fn every_context_keeps_its_own_namespace() {
        let namespaces = own(&[("a", "shop"), ("b", "live")]);
        let seen = |context| {
            ["shop", "live", "other"].map(|name| namespaces.includes(Some(context), Some(name)))
        };
        assert_eq!(seen("a"), [true, false, false]);
        assert_eq!(seen("b"), [false, true, false]);
        assert_eq!(seen("c"), [false, false, false]);
        assert!(!namespaces.includes(Some("a"), None));
        assert_eq!(namespaces.only(), None);
    }

    #[test]
    fn all_namespaces_are_all_of_every_cluster() {
        assert!(Namespaces::All.includes(Some("a"), Some("shop")));
        assert!(Namespaces::All.includes(None, None));
    }

    #[test]
    fn namespaces_are_told_with_their_contexts_where_they_differ() {
        let namespaces = own(&[("a", "shop"), ("b", "live")]);
        assert_eq!(namespaces.describe(None), " in namespaces shop of a, live of b");
        assert_eq!(namespaces.describe(Some("b")), " in namespace live");
        assert_eq!(own(&[("a", "shop")]).describe(None), " in namespace shop");
        assert_eq!(Namespaces::All.describe(Some("a")), "");
    }
}
