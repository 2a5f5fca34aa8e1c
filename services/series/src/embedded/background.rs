//! The two threads of a store: one flushes, one merges and drops.

use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::compact::Eagerness;
use super::engine::{Engine, lock};
use crate::Error;

/// After running out of room, so long until the next try.
const RETRY: Duration = Duration::from_secs(1);
/// Retention is looked at at least so often.
const TIDY: Duration = Duration::from_secs(60);

/// What a thread was woken for.
enum Reason {
    Work,
    Stop,
}

/// The running threads.
pub(super) struct Background(Vec<JoinHandle<()>>);

impl Background {
    pub(super) fn start(engine: &Arc<Engine>) -> Self {
        let (flush, merge) = (Arc::clone(engine), Arc::clone(engine));
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            Builder::new().name(name.into()).spawn(work).expect("the system has room for two threads")
        };
        Self(vec![
            spawn("series-flush", Box::new(move || flush_on_demand(&flush))),
            spawn("series-merge", Box::new(move || merge_on_demand(&merge))),
        ])
    }

    pub(super) fn join(self) {
        for thread in self.0 {
            if thread.join().is_err() {
                tracing::error!("a thread of the series store panicked");
            }
        }
    }
}

fn flush_on_demand(engine: &Engine) {
    let age = engine.options.flush_age;
    loop {
        let reason = engine.wait(age, |wake| match (engine.is_stopping(), std::mem::take(&mut wake.flush)) {
            (true, _) => Some(Reason::Stop),
            (false, true) => Some(Reason::Work),
            (false, false) => None,
        });
        if matches!(reason, Some(Reason::Stop)) {
            return;
        }
        match engine.flush() {
            Ok(()) => {
                if note(&engine.put_off.flush, None) {
                    tracing::info!("there is room again, rows go to files");
                }
            }
            Err(error @ Error::NoRoom { .. }) => {
                if note(&engine.put_off.flush, Some(&error)) {
                    tracing::warn!(%error, "flush put off: rows stay in memory and in the log until there is room");
                }
                if pause(engine) {
                    return;
                }
            }
            Err(error) => return tracing::error!(%error, "series store stopped"),
        }
    }
}

fn merge_on_demand(engine: &Engine) {
    loop {
        let reason =
            engine.wait(TIDY, |wake| match (engine.is_stopping(), std::mem::take(&mut wake.merge)) {
                (true, _) => Some(Reason::Stop),
                (false, true) => Some(Reason::Work),
                (false, false) => None,
            });
        if matches!(reason, Some(Reason::Stop)) {
            return;
        }
        match engine.step(Eagerness::AsNeeded) {
            Ok(step) => {
                note_merge(engine, step.put_off.as_ref());
                engine.wake(|wake| wake.merge |= step.done);
                if !step.done && step.put_off.is_some() && pause(engine) {
                    return;
                }
            }
            Err(Error::Stopped) => return,
            Err(error) => return tracing::error!(%error, "no more merges until the next start"),
        }
    }
}

fn note_merge(engine: &Engine, put_off: Option<&Error>) {
    match (note(&engine.put_off.merge, put_off), put_off) {
        (true, Some(error)) => {
            tracing::warn!(%error, "merge put off: files stay many and small until there is room");
        }
        (true, None) => tracing::info!("there is room again, files are merged"),
        (false, _) => {}
    }
}

/// What waits for room, and why.
#[derive(Default)]
pub(super) struct PutOff {
    pub(super) flush: Mutex<Option<String>>,
    pub(super) merge: Mutex<Option<String>>,
}

/// Notes why something is put off, or that it is not any more; answers whether the one became the other.
fn note(put_off: &Mutex<Option<String>>, why: Option<&Error>) -> bool {
    let now = why.map(ToString::to_string);
    let changed = now.is_some();
    let before = std::mem::replace(&mut *lock(put_off), now);
    before.is_some() != changed
}

/// Waits before the next try; answers whether to stop.
fn pause(engine: &Engine) -> bool {
    engine.wait(RETRY, |_| engine.is_stopping().then_some(())).is_some()
}
