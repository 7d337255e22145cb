//! Numbers in place of values that are large and seldom differ.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The number of a value.
pub(crate) type Id = u32;

/// Values, each once.
pub(crate) struct Interner<T>(Mutex<Values<T>>);

struct Values<T> {
    ids: HashMap<Arc<T>, Id>,
    values: Vec<Arc<T>>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self(Mutex::new(Values { ids: HashMap::new(), values: Vec::new() }))
    }
}

impl<T: Hash + Eq> Interner<T> {
    /// The number of a value, the same for equal ones.
    pub fn id(&self, value: T) -> Id {
        let mut values = lock(&self.0);
        if let Some(id) = values.ids.get(&value) {
            return *id;
        }
        let (value, id) = (Arc::new(value), Id::try_from(values.values.len()).unwrap_or(Id::MAX));
        values.ids.insert(Arc::clone(&value), id);
        values.values.push(value);
        id
    }

    /// The value with that number.
    pub fn get(&self, id: Id) -> Option<Arc<T>> {
        lock(&self.0).values.get(usize::try_from(id).ok()?).cloned()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        lock(&self.0).values.len()
    }
}

/// Results of a function, each computed once.
pub(crate) struct Memo<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Copy> Memo<K, V> {
    /// The result for `key`, by `compute` where it is not known yet.
    pub fn get(&self, key: K, compute: impl FnOnce(&K) -> V) -> V {
        if let Some(known) = lock(&self.0).get(&key) {
            return *known;
        }
        let value = compute(&key);
        lock(&self.0).insert(key, value);
        value
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
