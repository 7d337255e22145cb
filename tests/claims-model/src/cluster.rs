//! The two Services of the model, and the forms that they can have.

use std::{
    collections::BTreeSet,
    fmt::{self, Display},
    sync::LazyLock,
};

use clbmigrate_core::object::Service;
use clbmigrate_webhook::claims::{
    binding::{Binding, ServiceName, joined_groups},
    bindings_in,
};
use serde_json::json;

/// The group that all is about.
const GROUP: &str = "rsp-bp1example";

/// One of the two Services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// The first.
    A,
    /// The second.
    B,
}

impl Name {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// As claims have it.
    pub fn service_name(self) -> ServiceName {
        ServiceName { namespace: "shop".to_owned(), name: format!("{self:?}").to_lowercase() }
    }

    /// The Service with that name in claims.
    pub fn of(service: &ServiceName) -> Self {
        if *service == Self::A.service_name() { Self::A } else { Self::B }
    }
}

/// A form of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// Port 80 in the group.
    Port80,
    /// Port 81 in the group.
    Port81,
    /// Port 80 in the group, and another CLB.
    OtherClb,
    /// The annotations of [`Shape::Port80`], but of another type: CCM does not take it.
    OtherType,
    /// Port 80, and the class of another controller.
    OtherClass,
}

const SHAPES: [Shape; 5] =
    [Shape::Port80, Shape::Port81, Shape::OtherClb, Shape::OtherType, Shape::OtherClass];

impl Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Port80 => "port 80",
            Self::Port81 => "port 81",
            Self::OtherClb => "port 80 of another CLB",
            Self::OtherType => "another type",
            Self::OtherClass => "another class",
        })
    }
}

impl Shape {
    fn index(self) -> usize {
        SHAPES.iter().position(|shape| *shape == self).unwrap_or_default()
    }

    /// The Service as it is stored.
    fn service(self) -> Service {
        let clb = if self == Self::OtherClb { "lb-bp2example" } else { "lb-bp1example" };
        let port = if self == Self::Port81 { 81 } else { 80 };
        let kind = if self == Self::OtherType { "ClusterIP" } else { "LoadBalancer" };
        let class = (self == Self::OtherClass).then_some("example.com/other");
        let prefix = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer";
        let service = json!({
            "metadata": {
                "namespace": "shop",
                "name": "a",
                "annotations": {
                    format!("{prefix}-id"): clb,
                    format!("{prefix}-vgroup-port"): format!("{GROUP}:{port}"),
                },
            },
            "spec": {
                "type": kind,
                "loadBalancerClass": class,
                "ports": [{"port": port, "protocol": "TCP", "targetPort": 8080}],
            },
        });
        serde_json::from_value(service).unwrap_or_default()
    }

    /// Its bindings in the group.
    pub fn bindings(self) -> &'static BTreeSet<Binding> {
        static BINDINGS: LazyLock<Vec<BTreeSet<Binding>>> = LazyLock::new(|| {
            SHAPES.iter().map(|shape| bindings_in(&shape.service(), GROUP)).collect()
        });
        static NONE: BTreeSet<Binding> = BTreeSet::new();
        BINDINGS.get(self.index()).unwrap_or(&NONE)
    }

    /// Whether Services of these forms may share the group.
    pub fn is_compatible(self, other: Self) -> bool {
        let (own, other) = (self.bindings(), other.bindings());
        own.is_empty() || other.is_empty() || own.union(other).count() == 1
    }
}

/// Whether a write that turns `old` into `new` must claim the group.
pub fn must_claim(old: Option<Shape>, new: Shape) -> bool {
    static JOINS: LazyLock<Vec<Vec<bool>>> = LazyLock::new(|| {
        let olds = std::iter::once(None).chain(SHAPES.map(Some));
        let joins = |old: Option<Shape>, new: &Shape| {
            let old = old.map(Shape::service);
            joined_groups(old.as_ref(), &new.service()).contains_key(GROUP)
        };
        olds.map(|old| SHAPES.iter().map(|new| joins(old, new)).collect()).collect()
    });
    let row = JOINS.get(old.map_or(0, |old| old.index() + 1));
    row.and_then(|row| row.get(new.index())).copied().unwrap_or(true)
}
