//! Answers of the CLB API that are not asked for again.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use super::queries::QueryResult;

/// What the CLB API was asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// What a CLB is, and which listeners it has.
    Clb(String),
    /// Which groups a CLB has, and what they are called.
    GroupList(String),
    /// What a group holds.
    Group(String),
    /// The health that a listener sees: CLB, port and protocol.
    Health(String, u16, String),
}

/// Answers that are not asked for again. The lists of groups are always among them.
#[derive(Debug, Default)]
pub(super) struct Memory {
    answers: RefCell<BTreeMap<Question, Vec<QueryResult>>>,
    /// Whether all answers are kept, and failures.
    keeps_all: Cell<bool>,
    /// The groups that were asked about since everything was forgotten.
    groups: RefCell<BTreeSet<String>>,
}

impl Memory {
    /// The answer to a question, which is asked where the answer is not kept.
    pub async fn answer(
        &self,
        question: Question,
        ask: impl Future<Output = Vec<QueryResult>>,
    ) -> Vec<QueryResult> {
        if let Some(known) = self.answers.borrow().get(&question) {
            return known.clone();
        }
        let results = ask.await;
        let is_answered = || results.iter().all(|of| matches!(of, QueryResult::Answer(_)));
        let is_list = matches!(question, Question::GroupList(_));
        if self.keeps_all.get() || is_list && is_answered() {
            self.answers.borrow_mut().insert(question, results.clone());
        }
        results
    }

    /// Whether all answers are kept, and a group is looked at for the first time.
    pub fn is_new(&self, group: &str) -> bool {
        self.keeps_all.get() && self.groups.borrow_mut().insert(group.to_owned())
    }

    /// From now on all answers are kept, and failures, until they are forgotten.
    pub fn keep_all(&self) {
        self.keeps_all.set(true);
    }

    /// Forgets what groups hold, and their health.
    pub fn forget_groups(&self) {
        self.answers
            .borrow_mut()
            .retain(|question, _| !matches!(question, Question::Group(_) | Question::Health(..)));
    }

    /// Forgets what a CLB is, its listeners and the list of its groups.
    pub fn forget_clb(&self, id: &str) {
        let of_it = [Question::Clb(id.to_owned()), Question::GroupList(id.to_owned())];
        self.answers.borrow_mut().retain(|question, _| !of_it.contains(question));
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.answers.borrow_mut().clear();
        self.groups.borrow_mut().clear();
    }
}
