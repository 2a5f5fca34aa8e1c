//! Who is connected: a client id is there once. Who comes with an id that is taken takes it over, as MQTT has it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;

/// The clients of a door. Bounded by its connections.
///
/// `T` is what others may find by a client's id while it is there.
#[derive(Debug)]
pub(crate) struct Clients<T = ()>(Mutex<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    entered: u64,
    assigned: u64,
    present: HashMap<Arc<str>, Present<T>>,
}

#[derive(Debug)]
struct Present<T> {
    number: u64,
    leave: oneshot::Sender<()>,
    held: T,
}

/// A client's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place<T = ()> {
    clients: Arc<Clients<T>>,
    id: Arc<str>,
    number: u64,
    /// Resolves when another connection takes the place.
    pub(crate) taken: oneshot::Receiver<()>,
}

impl<T> Default for Clients<T> {
    fn default() -> Self {
        Self(Mutex::new(Inner { entered: 0, assigned: 0, present: HashMap::new() }))
    }
}

impl<T> Clients<T> {
    /// Gives a client its place; whoever had it is told to leave.
    pub(crate) fn enter(self: &Arc<Self>, id: Arc<str>, held: T) -> Place<T> {
        let (leave, taken) = oneshot::channel();
        let mut inner = self.lock();
        inner.entered += 1;
        let number = inner.entered;
        if let Some(former) = inner.present.insert(Arc::clone(&id), Present { number, leave, held }) {
            let _ = former.leave.send(());
        }
        Place { clients: Arc::clone(self), id, number, taken }
    }

    /// What the client of this id is found by.
    pub(crate) fn find(&self, id: &str) -> Option<T>
    where
        T: Clone,
    {
        self.lock().present.get(id).map(|present| present.held.clone())
    }

    /// An id that no client has, for one that brings none.
    pub(crate) fn new_id(&self) -> String {
        let mut inner = self.lock();
        loop {
            inner.assigned += 1;
            let id = format!("unnamed-{}", inner.assigned);
            if !inner.present.contains_key(id.as_str()) {
                return id;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T> Place<T> {
    /// The client's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        let mut inner = self.clients.lock();
        if inner.present.get(&self.id).is_some_and(|present| present.number == self.number) {
            inner.present.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_client_keeps_the_place_when_the_older_leaves() {
        let clients = Arc::<Clients<u8>>::default();
        let mut older = clients.enter("g1".into(), 1);
        let mut newer = clients.enter("g1".into(), 2);
        assert_eq!(older.taken.try_recv(), Ok(()));
        drop(older);
        assert!(newer.taken.try_recv().is_err());
        assert_eq!(clients.find("g1"), Some(2));
        drop(newer);
        assert_eq!(clients.find("g1"), None);
    }
}
