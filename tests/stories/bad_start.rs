//! A start that cannot be: what is wrong is told whole, and with what would be right.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Output, Stdio};

use yiwang_tests::city::City;
use yiwang_tests::{programs, wait};

/// Bad usage or configuration.
const USAGE: Option<i32> = Some(64);

/// Unknown keys and wrong values, all of them told, with file and line; the exit code is that of bad usage.
#[test]
fn a_wrong_configuration_is_told_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    std::fs::write(
        &file,
        "workers = 0\nwrokers = 2\ngrpc_listen = \"everywhere\"\n\n[[credential]]\nname = \"x\"\n",
    )
    .unwrap();
    let output = check(&["--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), USAGE);
    tells(&output, &["wrong.toml:1", "wrong.toml:2", "wrokers", "wrong.toml:3", "everywhere", "secret_file"]);
    let output = check(&["--http-listen", "0.0.0.0:8080"]);
    assert_eq!(output.status.code(), USAGE);
    tells(&output, &["0.0.0.0:8080", "[[credential]]"]);
}

/// A catalogue with ten mistakes: ten faults, each with its file and line.
#[test]
fn a_catalogue_with_ten_mistakes_tells_all_ten() {
    let folder = tempfile::tempdir().unwrap();
    // What is right, the mistake, and the word by which the mistake's line is known.
    let mistakes = [
        ("unit = \"µg/m³\"\nmin = 0", "unit = \"\"\nmin = 0", "unit = \"\""),
        ("kind = \"environment\"", "kind = \"weather\"", "weather"),
        ("max = 2000", "max = -2000", "-2000"),
        ("prefix = \"story-\"\nzh", "prefix = \"story-\"\ncolour = \"red\"\nzh", "colour"),
        ("kind = \"flat\"", "kind = \"flatt\"", "flatt"),
        ("value = 60", "value = \"sixty\"", "sixty"),
        ("max_per_hour = 6000", "max_per_hour = -1", "-1"),
        ("department = \"device-office\"", "department = \"nobody\"", "nobody"),
        ("clock = \"working_day\"", "clock = \"sundial\"", "sundial"),
        ("severity = \"warning\"\nsource", "severity = \"panic\"\nsource", "panic"),
    ];
    let mut wrong = std::fs::read_to_string(yiwang_tests::city::story_catalogue()).unwrap();
    for (right, mistake, _) in mistakes {
        assert!(wrong.contains(right), "{right}");
        wrong = wrong.replacen(right, mistake, 1);
    }
    let file = folder.path().join("ten.toml");
    std::fs::write(&file, &wrong).unwrap();
    let output = check(&["--catalogue", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), USAGE);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    for (_, mistake, word) in mistakes {
        let at = wrong.find(mistake).unwrap() + mistake.find(word).unwrap();
        let place = format!("ten.toml:{}:", wrong[..at].matches('\n').count() + 1);
        let fault = told.lines().find(|line| line.contains(&place));
        let fault = fault.unwrap_or_else(|| panic!("{word}: {place} is not named:\n{told}"));
        let value = word.trim_start_matches("unit = ");
        assert!(fault.contains(value), "{value} is not told in: {fault}");
    }
}

/// A port that somebody has, a data folder that somebody holds, one that a newer release wrote.
#[test]
fn what_cannot_be_had_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let output = up(folder.path(), &["--mqtt-listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    tells(&output, &[&address, "mqtt_listen"]);

    let mut city = City::new();
    city.start();
    let holder = city.pid().as_raw_nonzero().to_string();
    let output = up(city.data(), &[]);
    assert_eq!(output.status.code(), Some(1));
    tells(&output, &["is held by process", &holder]);
    assert!(city.lives());

    city.stop();
    let output = up(city.data(), &["--clock", "feed"]);
    assert_eq!(output.status.code(), USAGE);
    tells(&output, &["clock is \"wall\"", "\"feed\" is asked for"]);
    for (file, at) in [(newest_segment(city.data()), 8), (newest_checkpoint(city.data()), 6)] {
        let whole = std::fs::read(&file).unwrap();
        let mut newer = whole.clone();
        newer[at] = 99;
        std::fs::write(&file, newer).unwrap();
        let output = up(city.data(), &[]);
        assert_eq!(output.status.code(), Some(1), "{}", file.display());
        tells(&output, &[file.file_name().unwrap().to_str().unwrap(), "99", "newer"]);
        std::fs::write(&file, whole).unwrap();
    }
    city.start();
}

/// The roles that need an engine of a cluster: this release has none, and each says which one it would need.
#[test]
fn a_role_without_its_engine_names_it() {
    let roles = [
        ("ingest", ["the log", "NATS JetStream"]),
        ("stream", ["the log", "NATS JetStream"]),
        ("web", ["the order store", "PostgreSQL"]),
    ];
    for (role, [seam, engine]) in roles {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut command = programs::yiwang();
        command.arg(role).arg("--data-dir").arg(&data).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = wait::ended(command.spawn().unwrap());
        assert_eq!(output.status.code(), USAGE, "{role}");
        tells(&output, &[&format!("\"{role}\""), seam, engine, "yiwang up"]);
        assert!(!data.exists(), "{role} made a data folder");
    }
}

fn check(arguments: &[&str]) -> Output {
    programs::yiwang().arg("check").args(arguments).output().unwrap()
}

/// Runs a city that is to end at once.
fn up(data: &Path, arguments: &[&str]) -> Output {
    let mut command = programs::yiwang();
    command.arg("up").arg("--data-dir").arg(data);
    for door in
        ["--grpc-listen", "--mqtt-listen", "--http-listen"].iter().filter(|door| !arguments.contains(door))
    {
        command.args([door, "127.0.0.1:0"]);
    }
    wait::ended(command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

fn tells(output: &Output, words: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    words.iter().for_each(|word| assert!(told.contains(word), "\"{word}\" is not told:\n{told}"));
}

fn newest_segment(data: &Path) -> std::path::PathBuf {
    last_file(&data.join("log/main"), ".seg")
}

fn newest_checkpoint(data: &Path) -> std::path::PathBuf {
    last_file(&data.join("checkpoints"), "")
}

fn last_file(folder: &Path, ending: &str) -> std::path::PathBuf {
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    files.sort();
    files.pop().unwrap()
}
