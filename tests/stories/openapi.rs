//! The description that the city serves is true: schemathesis, which nobody here wrote, sends what it allows and what it does not
//! and finds nothing that is answered otherwise; a client that is made from it works.

use std::path::Path;
use std::process::{Command, Stdio};

use yiwang_model::Span;
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::{http, programs, skip, wait};

const SECRET: &str = "correct-horse-battery";
/// Requests to each address in each phase, at most.
const EXAMPLES: &str = "25";

#[test]
fn the_description_is_true() {
    let Some(python) = programs::python() else {
        return skip("openapi", "tests/.venv is not there; tests/install.sh makes it");
    };
    let mut city = city();
    city.start();
    open_orders(&city);
    let document = fetched(&city);
    let mut command = Command::new(python.with_file_name("schemathesis"));
    command.arg("run").arg(&document).arg("--url").arg(format!("http://{}", city.at().http));
    let seed = programs::count("YIWANG_SEED", 20_260_302).to_string();
    command.args(["--auth", &format!("desk:{SECRET}"), "--seed", &seed, "--max-examples", EXAMPLES]);
    // The stream of events does not end; deadlines are no matter of the description.
    command.args(["--exclude-path", "/api/v1/live", "--phases", "examples,coverage,fuzzing"]);
    // What a name or a time may be the schema does not say: all of it would be refused as it should.
    command.args(["--checks", "all", "--exclude-checks", "positive_data_acceptance"]);
    command.args(["--suppress-health-check", "all", "--no-color", "--request-timeout", "60"]);
    command.current_dir(document.parent().unwrap());
    let output = wait::ended(spawned(&mut command));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(city.lives());
    city.stop();
}

#[test]
fn a_client_that_is_made_from_the_description_works() {
    let Some(python) = programs::python() else {
        return skip("openapi", "tests/.venv is not there; tests/install.sh makes it");
    };
    let mut city = city();
    city.start();
    open_orders(&city);
    let document = fetched(&city);
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/generated_client.py"));
    command.args([&format!("http://{}", city.at().http), SECRET]).arg(document.parent().unwrap());
    let output = wait::ended(spawned(&mut command));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), "3 opened accepted desk dispatched");
    city.stop();
}

/// A city with a credential that may do everything.
fn city() -> City {
    let mut city = City::story();
    let secret = city.beside("desk.secret");
    std::fs::write(&secret, SECRET).unwrap();
    city.config("[[credential]]").config("name = \"desk\"").config(&format!("secret_file = {secret:?}"));
    city.config("may = [\"write\", \"read\", \"act\", \"manage\"]").fed();
    city
}

fn get(city: &City, path: &str) -> String {
    let (status, body) = http::get_as(city.at().http, Some(&format!("Bearer {SECRET}")), path).unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// Three stations go above the limit.
fn open_orders(city: &City) {
    let begin = this_minute() - Span::HOUR;
    for station in ["story-01", "story-02", "story-03"] {
        let line = format!("readings,source={station},metric=pm2_5 value=90 {}", begin.nanos());
        let bearer = format!("Bearer {SECRET}");
        let (status, body) = http::post_as(city.at().http, Some(&bearer), "/write?db=city", &line).unwrap();
        assert_eq!(status, 204, "{body}");
    }
    let opened = || get(city, "/api/v1/orders?detector=now").matches("\"no\":").count();
    wait::until("three orders are open", || opened() == 3);
}

/// The description, in a folder of its own.
fn fetched(city: &City) -> std::path::PathBuf {
    let folder = city.beside("described");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("openapi.json");
    std::fs::write(&file, get(city, "/api/v1/openapi.json")).unwrap();
    file
}

fn spawned(command: &mut Command) -> std::process::Child {
    command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}
