//! A value that is replaced while calls use it, as an account's credentials are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The value of now, and how often it was replaced.
#[derive(Debug)]
pub(crate) struct Rotating<T>(Mutex<(u64, Arc<T>)>);

impl<T> Rotating<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Self(Mutex::new((0, value)))
    }

    /// The value for a call that starts now.
    pub(crate) fn current(&self) -> Arc<T> {
        Arc::clone(&self.lock().1)
    }

    /// Replaces the value for calls that start from now on.
    pub(crate) fn replace(&self, value: Arc<T>) {
        let mut current = self.lock();
        *current = (current.0 + 1, value);
    }

    /// How often the value was replaced.
    pub(crate) fn version(&self) -> u64 {
        self.lock().0
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Arc<T>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
