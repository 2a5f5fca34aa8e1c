//! `yiwang reconcile`.

use std::path::Path;

use crate::programs;

/// What it answered.
#[derive(Debug)]
pub struct Books {
    /// The exit code: 0 balanced, 1 not.
    pub code: Option<i32>,
    /// The standard output and error.
    pub text: String,
}

impl Books {
    /// # Panics
    /// When the books do not balance.
    pub fn must_balance(&self) {
        assert_eq!(self.code, Some(0), "the books do not balance:\n{}", self.text);
    }

    /// # Panics
    /// When they balance, or nothing of what differs says this.
    pub fn must_differ(&self, saying: &str) {
        assert_eq!(self.code, Some(1), "a loss was not found:\n{}", self.text);
        assert!(self.text.contains(saying), "\"{saying}\" is not said:\n{}", self.text);
    }
}

/// Runs it.
pub fn reconcile(data: &Path, drain: bool, acked: &[&Path]) -> Books {
    let mut command = programs::yiwang();
    command.arg("reconcile").arg("--data-dir").arg(data);
    if drain {
        command.arg("--drain");
    }
    for file in acked {
        command.arg("--acked").arg(file);
    }
    let output = command.output().expect("reconcile runs");
    let text = [output.stdout, output.stderr].concat();
    Books { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() }
}
