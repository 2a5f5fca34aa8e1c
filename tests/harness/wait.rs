//! Waiting for a condition, never for a duration.

use std::process::{Child, Output};
use std::time::{Duration, Instant};

/// The longest that anything may take; a machine that is that slow fails the story.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until there is an answer.
///
/// # Panics
/// When there is none after a long time.
pub fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until it holds.
///
/// # Panics
/// When it does not after a long time.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_some(what, || holds().then_some(()));
}

/// Waits until a program has ended by itself; what it said must fit into its pipes.
///
/// # Panics
/// When it has not after a long time; it is killed then, and what it said is shown.
pub fn ended(mut child: Child) -> Output {
    let began = Instant::now();
    let mut ended = || child.try_wait().expect("a child can be asked").is_some();
    while !ended() && began.elapsed() < PATIENCE {
        std::thread::sleep(LOOK_EVERY);
    }
    let in_vain = !ended();
    if in_vain {
        let _ = child.kill();
    }
    let output = child.wait_with_output().expect("a child can be waited for");
    assert!(!in_vain, "waited {PATIENCE:?} in vain until a program ended; it said:\n{output:?}");
    output
}
