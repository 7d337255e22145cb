//! What one watch has brought so far.

use std::collections::BTreeMap;

use super::object::{Held, Name, shows_the_same};
use crate::live::error::{Error, ErrorKind};

/// After how many failures in a row a resource that was never listed is done without.
const TRIES: u32 = 2;

/// What a watch tells.
pub(super) enum Told {
    /// A list begins. What it does not hold is gone when it ends.
    Begin,
    /// An object of the list.
    Found(Name, Held),
    /// The list is complete.
    End,
    /// An object is new or has changed.
    Put(Name, Held),
    /// An object is gone.
    Gone(Name),
    /// The API server has answered.
    Answered,
    /// A list or a watch could not be begun. It is tried again.
    Failed(Error),
    /// The resource may not be listed, or is not served. It is asked for again much later.
    Refused(Error),
}

/// The objects of one resource, in one namespace or in all.
#[derive(Default)]
pub(super) struct Store {
    objects: BTreeMap<Name, Held>,
    /// Those of the list that is being read.
    incoming: BTreeMap<Name, Held>,
    /// Whether `objects` is a whole list, kept up to date.
    is_listed: bool,
    /// Why the last list or watch could not be begun; `None` where it was.
    failure: Option<Error>,
    failures: u32,
}

impl Store {
    /// Takes what the watch tells. Returns whether what is shown may be another than before.
    pub fn take(&mut self, told: Told) -> bool {
        match told {
            Told::Begin => {
                self.incoming.clear();
                false
            }
            Told::Found(name, held) => {
                self.incoming.insert(name, held);
                false
            }
            Told::End => {
                let new = std::mem::take(&mut self.incoming);
                let is_same = self.is_listed
                    && new.len() == self.objects.len()
                    && new.iter().all(|(name, new)| {
                        self.objects.get(name).is_some_and(|old| shows_the_same(old, new))
                    });
                self.objects = new;
                self.is_listed = true;
                self.answered() || !is_same
            }
            Told::Put(name, new) => {
                let is_same = self.objects.get(&name).is_some_and(|old| shows_the_same(old, &new));
                self.objects.insert(name, new);
                !is_same
            }
            Told::Gone(name) => self.objects.remove(&name).is_some(),
            Told::Answered => self.is_listed && self.answered(),
            Told::Failed(error) => {
                self.failures += 1;
                let is_news = self.failure.as_ref().map(|of| &of.message) != Some(&error.message);
                self.failure = Some(error);
                is_news || !self.is_listed
            }
            Told::Refused(error) => {
                let was_listed = std::mem::take(&mut self.is_listed);
                self.objects.clear();
                let is_news = self.failure.as_ref().map(|of| of.kind) != Some(error.kind);
                self.failure = Some(error);
                was_listed || is_news
            }
        }
    }

    /// Notes that nothing fails any more. Returns whether something did.
    fn answered(&mut self) -> bool {
        self.failures = 0;
        self.failure.take().is_some()
    }

    /// Whether there is a list, or a reason to go on without one.
    pub fn is_settled(&self) -> bool {
        let may_pass = |error: &Error| {
            matches!(error.kind, ErrorKind::Throttled | ErrorKind::ServerError)
                && self.failures < TRIES
        };
        self.is_listed || self.failure.as_ref().is_some_and(|error| !may_pass(error))
    }

    /// The objects, in the order of their names, or why there are none.
    pub fn listing(&self) -> Result<&BTreeMap<Name, Held>, Error> {
        match &self.failure {
            Some(error) if !self.is_listed => Err(error.clone()),
            _ => Ok(&self.objects),
        }
    }

    /// Why what is known may be out of date; `None` where it is not.
    pub fn staleness(&self) -> Option<&Error> {
        self.failure.as_ref().filter(|_| self.is_listed)
    }
}
