//! What is measured, and what is changed in between.

use crate::{
    route::{
        Mode::{Cluster, Eni, Local},
        NEW, OLD, Route,
    },
    step::Step,
};

/// A route, and how its traffic moves, one step after the other.
pub struct Case {
    pub title: &'static str,
    pub route: Route,
    /// Whether CCM's integer division makes other shares of the weights that people write.
    pub floors: bool,
    pub steps: &'static [Step],
}

/// Weights of one Service: up, down, to 0, and back.
const WEIGHTS: &[Step] = &[
    Step::Set { cluster: NEW, weight: 61 },
    Step::Set { cluster: NEW, weight: 13 },
    Step::Set { cluster: NEW, weight: 0 },
    Step::Undo { clusters: NEW },
];

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
        steps: &[Step::Shift { from: OLD, to: NEW, share: 40 }],
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
        steps: &[Step::Shift { from: NEW, to: OLD, share: 50 }],
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
        steps: &[Step::Shift { from: "external", to: NEW, share: 50 }],
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
        steps: &[Step::Shift { from: OLD, to: "external=i-ecs1", share: 40 }],
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
            Step::Shift { from: "external", to: NEW, share: 5 },
            Step::Shift { from: "external", to: NEW, share: 50 },
            Step::Shift { from: "external", to: NEW, share: 100 },
            Step::Undo { clusters: NEW },
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
        steps: &[
            Step::Shift { from: OLD, to: NEW, share: 50 },
            Step::Shift { from: OLD, to: NEW, share: 100 },
            Step::Undo { clusters: "old,new" },
        ],
    },
    Case {
        title: "weights in Cluster mode",
        route: Route {
            name: "setcluster",
            port: 86,
            services: &[(NEW, Cluster, 20)],
            machines: &[("ecs1", 20)],
        },
        floors: true,
        steps: WEIGHTS,
    },
    Case {
        title: "weights in Local mode",
        route: Route {
            name: "setlocal",
            port: 87,
            services: &[(NEW, Local, 20)],
            machines: &[("ecs1", 20)],
        },
        floors: false,
        steps: WEIGHTS,
    },
    Case {
        title: "weights in ENI mode",
        route: Route {
            name: "seteni",
            port: 88,
            services: &[(NEW, Eni, 23)],
            machines: &[("ecs1", 20)],
        },
        floors: true,
        steps: WEIGHTS,
    },
];
