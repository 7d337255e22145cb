//! What is measured, and what is changed in between.

use crate::route::{
    Mode::{Cluster, Eni, Local},
    NEW, OLD, Route,
};

/// A route, and what becomes of the new cluster's weight, one after the other.
pub struct Case {
    pub title: &'static str,
    pub route: Route,
    pub steps: &'static [u8],
}

/// Weights are such that CCM's floors change the shares by more than 20,000 connections can
/// overlook.
pub const CASES: &[Case] = &[
    Case {
        title: "Cluster mode",
        route: Route {
            name: "cluster",
            port: 80,
            services: &[(OLD, Cluster, 80), (NEW, Cluster, 20)],
            machines: &[("ecs1", 20), ("ecs2", 10)],
        },
        steps: &[56],
    },
    Case {
        title: "Local mode",
        route: Route {
            name: "local",
            port: 81,
            services: &[(OLD, Local, 20), (NEW, Local, 23)],
            machines: &[("ecs1", 5), ("ecs2", 5)],
        },
        steps: &[7],
    },
    Case {
        title: "ENI mode",
        route: Route {
            name: "eni",
            port: 82,
            services: &[(OLD, Eni, 17), (NEW, Eni, 23)],
            machines: &[("ecs1", 10), ("ecs2", 3)],
        },
        steps: &[90],
    },
    Case {
        title: "Cluster mode beside ENI mode, and a machine at 0",
        route: Route {
            name: "mixed",
            port: 83,
            services: &[(OLD, Cluster, 31), (NEW, Eni, 39)],
            machines: &[("ecs1", 15), ("ecs2", 0)],
        },
        steps: &[0],
    },
];
