//! `yiwang import` beside a city.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::city::City;
use crate::{programs, wait};

/// Imports to make into one city, with one state file.
#[derive(Clone, Debug)]
pub struct Import {
    state: PathBuf,
    arguments: Vec<String>,
}

/// How an import ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its report; null when it had none.
    pub report: Value,
    /// What it said on the standard error.
    pub said: String,
}

/// An import that runs; killed when dropped.
#[derive(Debug)]
pub struct Running(Option<Child>);

impl Import {
    /// Of these files or folders, into the gRPC door of a city that was started, by its catalogue.
    pub fn of(city: &City, inputs: &[&Path]) -> Self {
        let state = city.beside("import.state");
        let mut arguments: Vec<String> = inputs.iter().map(|input| input.display().to_string()).collect();
        arguments.extend(["--grpc".to_owned(), city.at().grpc.to_string()]);
        arguments.extend(city.catalogue_file().map(|file| format!("--catalogue={}", file.display())));
        arguments.push(format!("--state={}", state.display()));
        Self { state, arguments }
    }

    /// With this further flag.
    #[must_use]
    pub fn with(mut self, flag: impl Into<String>) -> Self {
        self.arguments.push(flag.into());
        self
    }

    /// Starts it.
    pub fn start(&self) -> Running {
        let mut command: Command = programs::yiwang();
        command.arg("import").args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(Some(command.spawn().expect("the import starts")))
    }

    /// Runs it to its end.
    pub fn run(&self) -> Ended {
        self.start().ended()
    }

    /// How many bytes of all files are acknowledged, as the state file has it.
    pub fn done(&self) -> u64 {
        let Ok(text) = std::fs::read(&self.state) else { return 0 };
        let state: Value = serde_json::from_slice(&text).expect("a state is whole at any time");
        let files = state["files"].as_object().into_iter().flatten();
        files.map(|(_, file)| file["mark"]["bytes"].as_u64().expect("a number")).sum()
    }
}

impl Running {
    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.0.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(mut self) {
        self.end();
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        if let Some(child) = &self.0 {
            kill_process(Pid::from_child(child), Signal::INT).expect("the import runs");
        }
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Ended {
        let output = wait::ended(self.0.take().expect("taken once"));
        let text = String::from_utf8_lossy(&output.stdout);
        let report = serde_json::from_str(text.trim()).unwrap_or(Value::Null);
        Ended {
            code: output.status.code(),
            report,
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn end(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
