//! What is measured, and what is changed in between.

use crate::route::{
    Mode::{Cluster, Eni, Local},
    NEW, OLD, Route,
};

/// A route, and how its traffic moves, one step after the other.
pub struct Case {
    pub title: &'static str,
    pub route: Route,
    /// Whether CCM's integer division makes other shares of the weights that people write.
    pub floors: bool,
    pub steps: &'static [Step],
}

/// A change that `shift` makes.
#[derive(Debug)]
pub struct Step {
    /// The giving side: a cluster, `external`, or `external=ID,ID`.
    pub from: &'static str,
    /// The receiving side, written in the same way.
    pub to: &'static str,
    /// Percent of the whole route that the receiving side has afterwards.
    pub share: u8,
}

pub const CASES: &[Case] = &[
    Case {
        title: "Cluster mode",
        route: Route {
            name: "cluster",
            port: 80,
            services: &[(OLD, Cluster, 80), (NEW, Cluster, 20)],
            machines: &[("ecs1", 20), ("ecs2", 10)],
        },
        floors: true,
        steps: &[Step { from: OLD, to: NEW, share: 40 }],
    },
    Case {
        title: "Local mode",
        route: Route {
            name: "local",
            port: 81,
            services: &[(OLD, Local, 20), (NEW, Local, 23)],
            machines: &[("ecs1", 5), ("ecs2", 5)],
        },
        floors: true,
        steps: &[Step { from: NEW, to: OLD, share: 50 }],
    },
    Case {
        title: "ENI mode",
        route: Route {
            name: "eni",
            port: 82,
            services: &[(OLD, Eni, 17), (NEW, Eni, 23)],
            machines: &[("ecs1", 10), ("ecs2", 3)],
        },
        floors: true,
        steps: &[Step { from: "external", to: NEW, share: 50 }],
    },
    Case {
        title: "Cluster mode beside ENI mode, back to one of the machines",
        route: Route {
            name: "mixed",
            port: 83,
            services: &[(OLD, Cluster, 31), (NEW, Eni, 39)],
            machines: &[("ecs1", 15), ("ecs2", 0)],
        },
        floors: true,
        steps: &[Step { from: OLD, to: "external=i-ecs1", share: 40 }],
    },
    Case {
        title: "from old machines into a cluster, step by step",
        route: Route {
            name: "machines",
            port: 84,
            services: &[(NEW, Cluster, 0)],
            machines: &[("ecs1", 100), ("ecs2", 100)],
        },
        floors: false,
        steps: &[
            Step { from: "external", to: NEW, share: 5 },
            Step { from: "external", to: NEW, share: 25 },
            Step { from: "external", to: NEW, share: 50 },
            Step { from: "external", to: NEW, share: 100 },
        ],
    },
    Case {
        title: "from one cluster into another, step by step",
        route: Route {
            name: "across",
            port: 85,
            services: &[(OLD, Local, 100), (NEW, Eni, 0)],
            machines: &[],
        },
        floors: false,
        steps: &[Step { from: OLD, to: NEW, share: 50 }, Step { from: OLD, to: NEW, share: 100 }],
    },
];
