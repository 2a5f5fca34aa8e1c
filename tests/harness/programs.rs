//! The programs under test, built once, or taken from the folder that `STORIES_PROGRAMS` names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository")
}

/// The program `yiwang`.
pub fn yiwang() -> Command {
    program("yiwang")
}

/// The program `sensors-sim`.
pub fn sensors_sim() -> Command {
    let mut command = program("sensors-sim");
    command.env("RUST_LOG", "error");
    command
}

/// The Python of `tests/.venv`, with the clients that the stories need; none where it could not be installed.
pub fn python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv");
    folder.join("installed").exists().then(|| folder.join("bin/python"))
}

/// Node.js, where it is there and `tests/node_modules` has the clients that the stories need.
pub fn node() -> Option<Command> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("node_modules");
    let there = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    (there && folder.join("installed").exists()).then(|| Command::new("node"))
}

/// A program of the workspace, without the environment's own configuration.
fn program(name: &str) -> Command {
    let mut command = Command::new(built().join(name));
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("YIWANG_")) {
        command.env_remove(key);
    }
    command.env("NO_COLOR", "1").env("YIWANG_LOG", "info,yiwang_stream::finish=warn");
    command
}

/// The folder of the built programs: that of the profile in which this test was built.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(folder) = std::env::var_os("STORIES_PROGRAMS") {
            return PathBuf::from(folder);
        }
        let test = std::env::current_exe().expect("a test knows its own path");
        let folder = test.ancestors().nth(2).expect("tests lie in target/<profile>/deps").to_owned();
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.current_dir(root()).args(["build", "--quiet", "-p", "yiwang", "-p", "sensors-sim"]);
        build.args(["--profile", profile]).arg("--target-dir").arg(folder.parent().expect("target"));
        assert!(build.status().expect("cargo runs").success(), "the programs under test do not build");
        folder
    })
}

/// A number from the environment, as how many kills there are.
pub fn count(variable: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(variable) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}; a number is wanted"))
}
