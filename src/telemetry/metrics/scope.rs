//! Handles by name, for as long as somebody holds them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// The living handles of one kind.
///
/// A reload asks for the handles of all its routes and upstreams: names that stay
/// get the handle they had, warm; names that went lose it when the last request
/// on the old snapshot is done, and their series with it.
pub struct Scope<T>(Mutex<HashMap<String, Weak<T>>>);

impl<T> Scope<T> {
    /// The handle of this name; `make` makes it if nobody holds one.
    pub fn get(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let mut living = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = living.get(name).and_then(Weak::upgrade) {
            return handle;
        }
        let handle = Arc::new(make());
        living.insert(name.to_owned(), Arc::downgrade(&handle));
        handle
    }

    /// Called by a handle that is being dropped: runs `remove` unless the name
    /// has a living successor, which shares its series.
    pub fn release(&self, name: &str, remove: impl FnOnce()) {
        let mut living = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if living.get(name).is_some_and(|handle| handle.strong_count() == 0) {
            living.remove(name);
            remove();
        }
    }
}

impl<T> Default for Scope<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
