//! The names of CLBs and groups that a round makes: both clouds invent ids of their own, so that they are compared
//! by what they are called.

use std::collections::BTreeMap;

use clbmigrate_clb_double::State;

use crate::case::{Case, ExpectedRound};

/// Names by id. What was there before the round keeps its id.
#[derive(Debug, Default)]
pub struct Names {
    balancers: BTreeMap<String, String>,
    groups: BTreeMap<String, String>,
    /// Of CLBs that are made.
    addresses: BTreeMap<String, String>,
}

impl Names {
    /// What is there before the round.
    fn known(case: &Case) -> Self {
        let same = |id: &String| (id.clone(), id.clone());
        Self {
            balancers: case.cloud.load_balancers.iter().map(|one| same(&one.id)).collect(),
            groups: case.cloud.groups.iter().map(|one| same(&one.id)).collect(),
            addresses: BTreeMap::new(),
        }
    }

    /// The names in a recording.
    pub fn recorded(case: &Case) -> Self {
        let mut names = Self::known(case);
        let expected = &case.expected;
        for (id, balancer) in expected.load_balancers.iter().flatten() {
            names.add_balancer(id, &balancer.name, &balancer.address);
        }
        let rounds = [Some(&expected.round), expected.retry.as_ref(), expected.again.as_ref()];
        let others = expected.others.iter().map(|other| &other.round);
        for round in rounds.into_iter().flatten().chain(others) {
            names.add_round(round);
        }
        names
    }

    fn add_round(&mut self, round: &ExpectedRound) {
        for write in &round.writes {
            let called = write.params.get("VServerGroupName");
            if let (Some(id), Some(lb), Some(name)) = (&write.group, &write.lb, called) {
                self.add_group(id, lb, name);
            }
        }
        for (id, group) in &round.groups {
            self.add_group(id, &group.lb, &group.name);
        }
    }

    /// The names in the CLB double, from its state before the round.
    pub fn here(case: &Case) -> Self {
        Self::known(case)
    }

    /// Takes in what a round has made.
    pub fn add_state(&mut self, state: &State) {
        for balancer in &state.load_balancers {
            let address = balancer.address.map(|ip| ip.to_string()).unwrap_or_default();
            self.add_balancer(&balancer.id, &balancer.name, &address);
            for group in &balancer.groups {
                self.add_group(&group.id, &balancer.id, &group.name);
            }
        }
    }

    fn add_balancer(&mut self, id: &str, name: &str, address: &str) {
        if !self.balancers.contains_key(id) {
            let made = Self::made_balancer(name);
            self.addresses.insert(address.to_owned(), format!("address of {made}"));
            self.balancers.insert(id.to_owned(), made);
        }
    }

    fn add_group(&mut self, id: &str, balancer: &str, name: &str) {
        let made = self.made_group(balancer, name);
        self.groups.entry(id.to_owned()).or_insert(made);
    }

    /// The name of a CLB that is made.
    pub fn made_balancer(name: &str) -> String {
        format!("made {name}")
    }

    /// The name of a group that is made.
    pub fn made_group(&self, balancer: &str, name: &str) -> String {
        format!("made {} {name}", self.balancer(balancer))
    }

    /// The name of a CLB; its id if it is unknown.
    pub fn balancer(&self, id: &str) -> String {
        self.balancers.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// The name of a group; its id if it is unknown.
    pub fn group(&self, id: &str) -> String {
        self.groups.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// Whether a CLB is made, as its name says.
    pub fn is_made(name: &str) -> bool {
        name.starts_with("made ")
    }

    /// A text with names for the ids and the addresses of what is made.
    pub fn in_text(&self, text: &str) -> String {
        let known = self.balancers.iter().chain(&self.groups).chain(&self.addresses);
        let made = known.filter(|(id, name)| id != name);
        made.fold(text.to_owned(), |text, (id, name)| text.replace(id.as_str(), name))
    }
}
