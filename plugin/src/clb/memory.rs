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

#[cfg(test)]
mod tests {
    use clbmigrate_clb::{Error, ErrorKind};
    use clbmigrate_core::clb_answers::{ClbAnswer, GroupList};
    use rstest::rstest;

    use super::{Memory, QueryResult, Question};

    fn list() -> Question {
        Question::GroupList("lb-bp1example".to_owned())
    }

    fn clb() -> Question {
        Question::Clb("lb-bp1example".to_owned())
    }

    fn group() -> Question {
        Question::Group("rsp-bp1example".to_owned())
    }

    fn health() -> Question {
        Question::Health("lb-bp1example".to_owned(), 80, "tcp".to_owned())
    }

    fn answer() -> QueryResult {
        QueryResult::Answer(ClbAnswer::GroupList(GroupList { clb: None, groups: Vec::new() }))
    }

    fn failure() -> QueryResult {
        let kind = ErrorKind::NotFound;
        QueryResult::Failed(Error {
            kind,
            action: None,
            response: None,
            message: String::new(),
            hints: Vec::new(),
        })
    }

    /// Whether a question is asked anew.
    async fn asks(memory: &Memory, question: Question, result: QueryResult) -> bool {
        let mut is_asked = false;
        let ask = async {
            is_asked = true;
            vec![result]
        };
        assert_eq!(memory.answer(question, ask).await.len(), 1);
        is_asked
    }

    #[rstest]
    #[case::a_list(list(), answer(), false)]
    #[case::a_list_that_failed(list(), failure(), true)]
    #[case::a_group(group(), answer(), true)]
    #[case::health(health(), answer(), true)]
    #[case::a_clb(clb(), answer(), true)]
    #[tokio::test]
    async fn a_single_command_asks_for_lists_of_groups_once_and_for_the_rest_each_time(
        #[case] question: Question,
        #[case] result: QueryResult,
        #[case] again: bool,
    ) {
        let memory = Memory::default();
        assert!(asks(&memory, question.clone(), result.clone()).await);
        assert_eq!(asks(&memory, question, result).await, again);
    }

    #[tokio::test]
    async fn a_command_that_goes_on_asks_nothing_twice_until_it_is_forgotten() {
        let memory = Memory::default();
        memory.keep_all();
        let all = [list(), clb(), group(), health()];
        for (question, result) in all.iter().zip([answer(), answer(), failure(), failure()]) {
            assert!(asks(&memory, question.clone(), result.clone()).await);
            assert!(!asks(&memory, question.clone(), result).await, "{question:?}");
        }
        memory.forget_groups();
        for (question, again) in all.iter().zip([false, false, true, true]) {
            assert_eq!(asks(&memory, question.clone(), answer()).await, again, "{question:?}");
        }
        memory.forget_clb("lb-bp1example");
        for (question, again) in all.iter().zip([true, true, false, false]) {
            assert_eq!(asks(&memory, question.clone(), answer()).await, again, "{question:?}");
        }
        memory.forget_all();
        for question in all {
            assert!(asks(&memory, question, answer()).await);
        }
    }

    #[test]
    fn a_group_is_new_once_to_a_command_that_goes_on() {
        let memory = Memory::default();
        assert!(!memory.is_new("rsp-bp1example"), "a single command has nothing to forget");
        memory.keep_all();
        assert_eq!(["a", "a", "b"].map(|group| memory.is_new(group)), [true, false, true]);
        memory.forget_all();
        assert!(memory.is_new("a"));
    }
}
