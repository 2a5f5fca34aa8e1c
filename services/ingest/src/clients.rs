//! Who is connected: a client id is there once. Who comes with an id that is taken takes it over, as MQTT has it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;

/// The clients of a door. Bounded by its connections.
#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entered: u64,
    assigned: u64,
    present: HashMap<Arc<str>, (u64, oneshot::Sender<()>)>,
}

/// A client's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    clients: Arc<Clients>,
    id: Arc<str>,
    number: u64,
    /// Resolves when another connection takes the place.
    pub(crate) taken: oneshot::Receiver<()>,
}

impl Clients {
    /// Gives a client its place; whoever had it is told to leave.
    pub(crate) fn enter(self: &Arc<Self>, id: Arc<str>) -> Place {
        let (tell, taken) = oneshot::channel();
        let mut inner = self.lock();
        inner.entered += 1;
        let number = inner.entered;
        if let Some((_, former)) = inner.present.insert(Arc::clone(&id), (number, tell)) {
            let _ = former.send(());
        }
        Place { clients: Arc::clone(self), id, number, taken }
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

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Place {
    /// The client's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.clients.lock();
        if inner.present.get(&self.id).is_some_and(|(number, _)| *number == self.number) {
            inner.present.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_client_keeps_the_place_when_the_older_leaves() {
        let clients = Arc::new(Clients::default());
        let mut older = clients.enter("g1".into());
        let mut newer = clients.enter("g1".into());
        assert_eq!(older.taken.try_recv(), Ok(()));
        drop(older);
        assert!(newer.taken.try_recv().is_err());
        assert_eq!(clients.lock().present.len(), 1);
        drop(newer);
        assert!(clients.lock().present.is_empty());
    }
}
