//! Admission reviews as API servers send them, `admission.k8s.io/v1`, borrowed from the body.

use std::borrow::Cow;

use clbmigrate_core::object::WorkloadKind;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::{
    api_path::{InvalidName, check_name, check_namespace},
    stripped::PostedService,
};

/// The version of reviews that are read here: the webhooks' configurations ask API servers for no
/// other.
pub const API_VERSION: &str = "admission.k8s.io/v1";

/// Why a body is no review that can be answered. The API server gets it as HTTP 400: without the
/// review's uid no answer would be valid.
#[derive(Debug, Error)]
pub enum ReviewError {
    /// The body is not UTF-8.
    #[error("the body is not UTF-8 (byte {})", .0.valid_up_to())]
    NotText(#[from] std::str::Utf8Error),
    /// The body is not JSON, or not a review.
    #[error("the body is no AdmissionReview: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The review has another version than [`API_VERSION`].
    #[error("the review's apiVersion is {0:?}; this webhook speaks {API_VERSION}")]
    Version(String),
    /// The review has no `request`: it is empty, or a response.
    #[error("the review has no request")]
    NoRequest,
    /// The request has no uid, which the response must repeat.
    #[error("the review's request has no uid")]
    NoUid,
    /// The request, or an object in it, has a name or a namespace that no API server lets through.
    #[error("the review is of no object that a cluster can have: {0}")]
    Name(#[from] InvalidName),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
struct Review<'a, O> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<AdmissionRequest<'a, O>>,
}

/// The request of a review. `O` is what objects are read as: their raw text, or a type.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
pub struct AdmissionRequest<'a, O = &'a RawValue> {
    /// The request's uid, which the response must repeat.
    #[serde(borrow, default)]
    pub uid: Cow<'a, str>,
    /// The object's kind.
    #[serde(borrow, default)]
    pub kind: GroupKind<'a>,
    /// What is written to: `services`, `deployments`, …
    #[serde(borrow, default)]
    pub resource: GroupResource<'a>,
    /// `status`, `scale`, …; empty for the object itself.
    #[serde(borrow, default)]
    pub sub_resource: Cow<'a, str>,
    /// What is done to the object.
    #[serde(default)]
    pub operation: Operation,
    /// The object's namespace; empty for cluster-wide kinds.
    #[serde(borrow, default)]
    pub namespace: Cow<'a, str>,
    /// The object's name. Empty where the API server is still to make one up (`generateName`), and
    /// for every object of a `deletecollection`.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// The user whose request is under review.
    #[serde(borrow, default)]
    pub user_info: UserInfo<'a>,
    /// Whether the request is a dry run; absent counts as no.
    #[serde(default)]
    pub dry_run: Option<bool>,
    /// The object as it is to become; `None` on DELETE.
    #[serde(default = "absent")]
    pub object: Option<O>,
    /// The object as it is; `None` on CREATE.
    #[serde(default = "absent")]
    pub old_object: Option<O>,
}

fn absent<O>() -> Option<O> {
    None
}

/// The API group and kind of an object; its version is not read.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct GroupKind<'a> {
    /// The API group, empty for the core.
    #[serde(borrow, default)]
    pub group: Cow<'a, str>,
    /// For example `Deployment`.
    #[serde(borrow, default)]
    pub kind: Cow<'a, str>,
}

impl GroupKind<'_> {
    /// The kind of workload that it is; `None` for other kinds. Of kinds that several groups have,
    /// Kubernetes' own where no group is named.
    pub fn workload_kind(&self) -> Option<WorkloadKind> {
        WorkloadKind::of(Some(&*self.group).filter(|group| !group.is_empty()), &self.kind)
    }
}

/// The API group and resource of a request; its version is not read.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct GroupResource<'a> {
    /// The API group, empty for the core.
    #[serde(borrow, default)]
    pub group: Cow<'a, str>,
    /// For example `deployments`.
    #[serde(borrow, default)]
    pub resource: Cow<'a, str>,
}

/// The user of a request.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct UserInfo<'a> {
    /// The user's name.
    #[serde(borrow, default)]
    pub username: Cow<'a, str>,
    /// The groups the user is in.
    #[serde(borrow, default)]
    pub groups: Vec<CowStr<'a>>,
}

/// A string that borrows from the body where it has no escapes.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct CowStr<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// What is done to an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// The object is created.
    Create,
    /// The object is changed.
    Update,
    /// The object is deleted.
    Delete,
    /// Any other operation; no webhook of this project is registered for one.
    #[default]
    #[serde(other)]
    Other,
}

impl Operation {
    /// The operation as reviews name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Other => "OTHER",
        }
    }
}

/// What the object of a review is read as.
pub trait ReviewedObject<'a>: Deserialize<'a> {
    /// The object's namespace and name; empty where it has none.
    fn names(&self) -> (Cow<'_, str>, Cow<'_, str>);
}

/// Names that cannot be read count as none: whoever reads the whole object meets the same error.
impl<'a> ReviewedObject<'a> for &'a RawValue {
    fn names(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Object<'a> {
            #[serde(borrow)]
            metadata: Option<Names<'a>>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Names<'a> {
            #[serde(borrow)]
            namespace: Option<CowStr<'a>>,
            #[serde(borrow)]
            name: Option<CowStr<'a>>,
        }
        let object: Object<'_> = serde_json::from_str(self.get()).unwrap_or_default();
        let Names { namespace, name } = object.metadata.unwrap_or_default();
        let text = |field: Option<CowStr<'a>>| field.map(|text| text.0).unwrap_or_default();
        (text(namespace), text(name))
    }
}

impl<'a> ReviewedObject<'a> for PostedService<'a> {
    fn names(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        let (namespace, name) = PostedService::names(self);
        (namespace.into(), name.into())
    }
}

impl<'a, O: ReviewedObject<'a>> AdmissionRequest<'a, O> {
    /// Reads the request out of a posted body.
    ///
    /// # Errors
    /// When the body is no review of version 1, when it names an object that there cannot be, or when
    /// its objects cannot be read as `O`. To tell the last from the others, parse it again with
    /// `O = &RawValue`.
    pub fn parse(body: &'a [u8]) -> Result<Self, ReviewError> {
        // All at once is faster than string by string.
        let text = std::str::from_utf8(body)?;
        let review: Review<'a, O> = serde_json::from_str(text)?;
        if review.api_version != API_VERSION {
            return Err(ReviewError::Version(review.api_version.into_owned()));
        }
        let request = review.request.ok_or(ReviewError::NoRequest)?;
        if request.uid.is_empty() {
            return Err(ReviewError::NoUid);
        }
        request.check_names()?;
        Ok(request)
    }

    /// Checks the names of the request and of its objects. An API server has done so; whoever else
    /// posts a review must not choose the paths of requests that are sent for it.
    fn check_names(&self) -> Result<(), InvalidName> {
        let resource = if self.kind.kind == "Service" { "services" } else { "" };
        let check = |namespace: &str, name: &str| {
            if !namespace.is_empty() {
                check_namespace(namespace)?;
            }
            if !name.is_empty() {
                check_name(resource, name)?;
            }
            Ok(())
        };
        check(&self.namespace, &self.name)?;
        [&self.object, &self.old_object].into_iter().flatten().try_for_each(|object| {
            let (namespace, name) = object.names();
            // The usual case, and those of the request are checked.
            if namespace == self.namespace && name == self.name {
                return Ok(());
            }
            check(&namespace, &name)
        })
    }
}

impl<'a, O> AdmissionRequest<'a, O> {
    /// The same request with its objects read anew.
    ///
    /// # Errors
    /// With the first error of `read`.
    pub fn try_map<P, E>(
        self,
        mut read: impl FnMut(O) -> Result<P, E>,
    ) -> Result<AdmissionRequest<'a, P>, E> {
        let old_object = self.old_object.map(&mut read).transpose()?;
        let object = self.object.map(&mut read).transpose()?;
        Ok(AdmissionRequest {
            uid: self.uid,
            kind: self.kind,
            resource: self.resource,
            sub_resource: self.sub_resource,
            operation: self.operation,
            namespace: self.namespace,
            name: self.name,
            user_info: self.user_info,
            dry_run: self.dry_run,
            object,
            old_object,
        })
    }

    /// Whether the request is a dry run: the API server will store nothing.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run == Some(true)
    }
}

impl<'a> AdmissionRequest<'a> {
    /// Reads an object as a `T`; `None` where there is none.
    ///
    /// # Errors
    /// When the object does not fit the type.
    pub fn parse_object<T: Deserialize<'a>>(
        object: Option<&'a RawValue>,
    ) -> Result<Option<T>, serde_json::Error> {
        object.map(|raw| serde_json::from_str(raw.get())).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn review() -> serde_json::Value {
        json!({
            "apiVersion": API_VERSION, "kind": "AdmissionReview",
            "request": {
                "uid": "u-1", "operation": "UPDATE", "namespace": "shop", "name": "web",
                "kind": {"group": "", "version": "v1", "kind": "Service"},
                "resource": {"group": "", "version": "v1", "resource": "services"},
                "subResource": "status", "requestKind": {"kind": "Service"},
                "userInfo": {"username": "jane \"j\"", "groups": ["a", "b\u{e9}"], "extra": {"x": ["y"]}},
                "dryRun": true, "options": {"kind": "UpdateOptions"},
                "object": {"a": 1}, "oldObject": null,
            },
        })
    }

    #[test]
    fn everything_the_webhooks_need_is_read() {
        let body = review().to_string();
        let request: AdmissionRequest<'_> =
            AdmissionRequest::parse(body.as_bytes()).expect("a review");
        assert_eq!((&*request.uid, &*request.namespace, &*request.name), ("u-1", "shop", "web"));
        assert_eq!((&*request.kind.kind, &*request.resource.resource), ("Service", "services"));
        assert_eq!((&*request.sub_resource, request.operation), ("status", Operation::Update));
        assert_eq!(request.user_info.username, "jane \"j\"");
        assert_eq!(request.user_info.groups.iter().map(|g| &*g.0).collect::<Vec<_>>(), ["a", "bé"]);
        assert!(request.is_dry_run());
        assert_eq!(request.object.map(RawValue::get), Some("{\"a\":1}"));
        assert!(request.old_object.is_none());
    }

    #[test]
    fn a_text_without_escapes_is_not_copied() {
        let body = review().to_string();
        let request: AdmissionRequest<'_> =
            AdmissionRequest::parse(body.as_bytes()).expect("a review");
        assert!(matches!(request.uid, Cow::Borrowed(_)));
        assert!(matches!(request.user_info.groups.first(), Some(CowStr(Cow::Borrowed(_)))));
    }

    #[rstest]
    #[case(json!({"apiVersion": "admission.k8s.io/v1beta1"}), "v1beta1")]
    #[case(json!({"request": null}), "no request")]
    #[case(json!({"request": {"uid": ""}}), "no uid")]
    #[case(json!({"request": {"uid": 5}}), "no AdmissionReview")]
    fn what_is_no_review_is_refused_with_the_reason(
        #[case] patch: serde_json::Value,
        #[case] reason: &str,
    ) {
        let mut review = review();
        json_patch::merge(&mut review, &patch);
        let body = review.to_string();
        let error =
            AdmissionRequest::<'_, &RawValue>::parse(body.as_bytes()).expect_err("no review");
        assert!(error.to_string().contains(reason), "{error}");
    }

    #[test]
    fn an_operation_of_a_later_kubernetes_is_no_error() {
        let body = review().to_string().replace("UPDATE", "CONNECT");
        let request: AdmissionRequest<'_> =
            AdmissionRequest::parse(body.as_bytes()).expect("a review");
        assert_eq!(request.operation, Operation::Other);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_body_makes_the_reader_panic(body in any::<Vec<u8>>()) {
                let _ = AdmissionRequest::<'_, &RawValue>::parse(&body);
            }
        }
    }
}
