//! Years of history in files: `yiwang import` into a running city.
//!
//! What is imported in the order of time is judged as if it had been sent; what is imported as history is stored and not
//! judged; whatever ends an import, the same command goes on, and nothing acknowledged is missing.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_model::{Span, Timestamp};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::import::Import;
use yiwang_tests::sim::number;
use yiwang_tests::{orders, programs, skip, wait};

use crate::beijing::{assert_same, lines, oracle, stations};

/// Exit codes.
const REFUSED: Option<i32> = Some(65);
const INTERRUPTED: Option<i32> = Some(75);
const USAGE: Option<i32> = Some(64);
/// Values of the six metrics in the two shipped files, and how many are missing.
const TWO_STATIONS: (u64, u64) = (408_896, 11_872);

/// The longest that an import lives on after something more of it was acknowledged, in milliseconds.
const MAX_PAUSE_MS: u64 = 300;

fn shipped() -> std::path::PathBuf {
    programs::root().join("sensors-sim/data/beijing")
}

/// The long form, sorted by time, into a city whose clock follows: the orders are the oracle's.
#[test]
fn an_import_in_the_order_of_time_is_judged() {
    let files = stations(&shipped());
    let mut all: Vec<String> = files.iter().flat_map(|file| lines(file)).collect();
    all.sort_by_cached_key(|line| line.split(',').nth(2).map(str::to_owned));
    let mut city = City::new();
    city.fed().start();
    let input = city.beside("sorted.csv");
    std::fs::write(&input, format!("source,metric,time,value\n{}", all.join("\n"))).unwrap();
    let acked = city.beside("acked.csv");
    let ended = Import::of(&city, &[&input]).with(format!("--acked={}", acked.display())).run();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert_eq!(number(&ended.report, "acked"), all.len() as u64);
    city.settle();
    let detectors = ["pm2_5-day", "pm2_5-24h"];
    let found = detectors.map(|detector| orders::orders(&city, &format!("detector={detector}")));
    let found = found.iter().flatten().map(|order| {
        let anomaly = &order.draft.evidence.anomaly;
        let detector = detectors.into_iter().find(|name| **name == *anomaly.detector).unwrap();
        (anomaly.series.source().to_string(), detector, anomaly.begin, anomaly.end, anomaly.extreme.to_bits())
    });
    assert_same(found.collect(), oracle(&files));
    city.stop().reconcile(false, &[&acked]).must_balance();
}

/// The wide form by a mapping, into a city of today: too late for a gateway, but stored as history, and without orders.
#[test]
fn history_is_stored_and_not_judged() {
    let mut city = City::new();
    city.start();
    let mapping = shipped().join("mapping.toml");
    let acked = city.beside("acked.csv");
    let refused = city.beside("refused.csv");
    let import = Import::of(&city, &[&shipped()])
        .with(format!("--mapping={}", mapping.display()))
        .with(format!("--acked={}", acked.display()))
        .with(format!("--refused={}", refused.display()));
    let late = import.run();
    assert_eq!(late.code, REFUSED, "{}", late.said);
    assert!(late.said.contains("--history"), "{}", late.said);
    let (values, missing) = TWO_STATIONS;
    let reasons = &late.report["refused"];
    assert_eq!(number(reasons, "too_late") + number(reasons, "unnamed"), values);
    let told = std::fs::read_to_string(&refused).unwrap();
    assert!(told.contains("Aotizhongxin_20130301-20170228.csv.gz,2,PM2.5,too_late,"), "{told:.500}");
    let ended = import.with("--history").run();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(ended.said.contains("beginning anew"), "{}", ended.said);
    let counted = ["rows", "readings", "acked", "missing"].map(|key| number(&ended.report, key));
    assert_eq!(counted, [2 * 35_064, values, values, missing]);
    city.settle();
    assert_eq!(orders::orders(&city, "category=environment").len(), 0, "an order about years ago");
    let query = "/api/v1/query?source=Changping&metric=co&from=2013-03-01T00:00:00%2B08:00&to=2013-03-01T01:00:00%2B08:00";
    assert!(city.get(query).contains("0.3"), "{}", city.get(query));
    city.stop().reconcile(false, &[&acked]).must_balance();
}

/// All stations, where they lie beside the checkout, from one folder.
#[test]
fn eight_stations_are_imported_from_their_folder() {
    let folder = programs::root().join("../shared/data/beijing-air");
    let files = stations(&folder);
    if files.is_empty() {
        return skip("import, eight stations", "there is no ../shared/data/beijing-air beside the checkout");
    }
    let mut city = City::new();
    city.start();
    let mapping = shipped().join("mapping.toml");
    let ended = Import::of(&city, &[&folder])
        .with(format!("--mapping={}", mapping.display()))
        .with("--history")
        .run();
    assert_eq!(number(&ended.report, "rows"), 8 * 35_064, "{}", ended.said);
    assert_eq!(number(&ended.report, "readings") + number(&ended.report, "missing"), 8 * 35_064 * 6);
    assert_eq!((ended.code, &ended.report["refused"]), (Some(0), &serde_json::json!({})), "{}", ended.said);
    assert_eq!(number(&ended.report, "acked"), number(&ended.report, "readings"));
}

/// `kill -9` of the import, of the city and of both at random moments: the same command goes on, and nothing is missing.
/// `YIWANG_IMPORT_KILLS` is how often (5; 100 in `make long`), `YIWANG_SEED` repeats a run.
#[test]
fn what_was_killed_goes_on() {
    let kills = programs::count("YIWANG_IMPORT_KILLS", 5);
    let seed = programs::count("YIWANG_SEED", u64::from(std::process::id()));
    eprintln!("{kills} kills, YIWANG_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // It takes longer than all lives together, however fast the machine is.
    let rows = kills * 75_000;
    let mut city = City::story();
    city.fed().start();
    let input = city.beside("long.csv");
    long(&input, rows);
    let import = Import::of(&city, &[&input]);
    let paced = import.clone().with("--rate=50000");
    let mut running = paced.start();
    for kill in 0..kills {
        let before = import.done();
        wait::until("some more is acknowledged", || import.done() > before || !running.runs());
        std::thread::sleep(Duration::from_millis(random.random_range(0..MAX_PAUSE_MS)));
        assert!(running.runs(), "it was over before kill {kill}: {:?}", running.ended());
        if kill % 3 != 1 {
            running.kill();
            running = paced.start();
        }
        if kill % 3 != 0 {
            city.kill().start();
        }
    }
    running.kill();
    let ended = import.run();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert_eq!(ended.report["complete"], true);
    assert_eq!((number(&ended.report, "rows"), number(&ended.report, "acked")), (rows, rows));
    let again = import.run();
    assert!(again.code == Some(0) && again.said.starts_with("0 files"), "{}", again.said);
    // Each row of the file is its own witness.
    let witness = city.beside("all.csv");
    std::fs::write(&witness, witness_of(rows)).unwrap();
    city.stop().reconcile(true, &[&witness]).must_balance();
}

/// Ctrl-C while the city is away; the rest when it is back, also of a file that has grown, and anew of one that has changed.
#[test]
fn what_was_interrupted_goes_on() {
    let mut city = City::story();
    city.fed().start().stop();
    let input = city.beside("some.csv");
    long(&input, 1_000);
    let import = Import::of(&city, &[&input]);
    let running = import.start();
    wait::until("it has begun", || city.beside("import.state").exists());
    running.interrupt();
    let ended = running.ended();
    assert_eq!(ended.code, INTERRUPTED, "{}", ended.said);
    assert!(ended.said.contains("the same command goes on"), "{}", ended.said);
    assert_eq!(import.done(), 0);
    city.start();
    let whole = import.run();
    assert_eq!((whole.code, number(&whole.report, "acked")), (Some(0), 1_000), "{}", whole.said);
    long(&input, 1_500);
    let grown = import.run();
    assert_eq!((grown.code, number(&grown.report, "acked")), (Some(0), 1_500), "{}", grown.said);
    assert!(!grown.said.contains("anew"), "{}", grown.said);
    // As long as it was, with another first value.
    let changed = std::fs::read_to_string(&input).unwrap().replacen(",0\n", ",7\n", 1);
    std::fs::write(&input, changed).unwrap();
    let changed = import.run();
    assert_eq!((changed.code, number(&changed.report, "acked")), (Some(0), 1_500), "{}", changed.said);
    assert!(changed.said.contains("not what it was"), "{}", changed.said);
    long(&input, 500);
    let cut = import.run();
    assert_eq!((cut.code, number(&cut.report, "acked")), (Some(0), 500), "{}", cut.said);
    assert!(cut.said.contains("not what it was"), "{}", cut.said);
}

/// Rows that cannot be read, and readings that the city refuses, are told one by one, and the others go in.
#[test]
fn what_is_refused_is_told_with_file_and_line() {
    let mut city = City::story();
    city.fed().start();
    let folder = city.beside("folder");
    std::fs::create_dir(&folder).unwrap();
    let now = this_minute();
    let good = format!("story-01,pm2_5,{now},5");
    let bad = format!(
        "source,metric,time,value\n{good}\nstory-01,pm2_5,{now},x\nstory-01,pm2_5\nnowhere,pm2_5,{now},5\nstory-01,pm2_5,{now},-5\n"
    );
    std::fs::write(folder.join("a.csv"), bad).unwrap();
    let line = format!("readings,source=story-02,metric=pm2_5 value=6 {}\nnonsense\n", now.nanos());
    std::fs::write(folder.join("b.lp"), line).unwrap();
    std::fs::write(
        folder.join("c.csv.gz"),
        &std::fs::read(stations(&shipped()).first().unwrap()).unwrap()[..5_000],
    )
    .unwrap();
    std::fs::write(folder.join("notes.txt"), "no readings").unwrap();
    let refused = city.beside("refused.csv");
    let import = Import::of(&city, &[&folder]).with(format!("--refused={}", refused.display()));
    let strange = import.run();
    assert_eq!(strange.code, USAGE, "{}", strange.said);
    assert!(strange.said.contains("c.csv.gz: header: column \"No\" is not known"), "{}", strange.said);
    assert_eq!(
        city.metric("yiwang_readings_admitted_total"),
        0.0,
        "something was sent before all was looked at"
    );
    std::fs::write(folder.join("c.csv.gz"), packed_and_cut(&good)).unwrap();
    let ended = import.run();
    assert_eq!(ended.code, REFUSED, "{}", ended.said);
    assert_eq!(number(&ended.report, "acked"), 2 + 100, "{}", ended.said);
    let told = std::fs::read_to_string(&refused).unwrap();
    for wanted in [
        "a.csv,3,value,malformed,x,it is not a number",
        "a.csv,4,,malformed,\"story-01,pm2_5\",2 cells under 4 columns",
        "a.csv,5,value,unknown_source,\"nowhere,pm2_5,",
        "a.csv,6,value,impossible_value,\"story-01,pm2_5,",
        "b.lp,2,,malformed,nonsense,",
        "c.csv.gz,102,,unreadable,,",
    ] {
        assert!(told.contains(wanted), "{wanted} is not told:\n{told}");
    }
    assert_eq!(told.lines().count(), 7, "{told}");
}

/// Who may write may not write history; who has no credential may nothing.
#[test]
fn history_needs_a_right_of_its_own() {
    let mut city = City::story();
    for (name, may) in [("gateway", "\"write\""), ("archivist", "\"write\", \"history\"")] {
        std::fs::write(city.beside(&format!("{name}.secret")), format!("secret-of-the-{name}")).unwrap();
        city.config("[[credential]]").config(&format!("name = \"{name}\""));
        city.config(&format!("secret_file = \"{name}.secret\"")).config(&format!("may = [{may}]"));
    }
    city.start();
    let input = city.beside("old.csv");
    long(&input, 10);
    let import = Import::of(&city, &[&input]);
    let by = |name: &str| format!("--credential={name}:{}", city.beside(&format!("{name}.secret")).display());
    for (import, code, saying) in [
        (import.clone(), Some(1), "Unauthenticated"),
        (import.clone().with(by("gateway")), REFUSED, "too_late"),
        (import.clone().with(by("gateway")).with("--history"), Some(1), "may not import history"),
        (import.with(by("archivist")).with("--history"), Some(0), "10 acknowledged"),
    ] {
        let ended = import.run();
        assert!(ended.code == code && ended.said.contains(saying), "{code:?} {saying}: {ended:?}");
    }
}

/// Rows of a source, 100 ms apart, from 2020 on.
fn long(path: &Path, rows: u64) {
    let mut text = "source,metric,time,value\n".to_owned();
    each(rows, |time, value| writeln!(text, "story-01,pm2_5,{time},{value}").unwrap());
    std::fs::write(path, text).unwrap();
}

/// The same, as acknowledgements are written.
fn witness_of(rows: u64) -> String {
    let mut text = String::new();
    each(rows, |time, value| writeln!(text, "story-01,pm2_5,{},{value}", time.nanos()).unwrap());
    text
}

fn each(rows: u64, mut row: impl FnMut(Timestamp, u64)) {
    let begin: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    (0..rows).for_each(|at| row(begin + Span::from_millis(100).times(at as i64), at % 40));
}

/// A gzip that ends early, behind a hundred whole rows.
fn packed_and_cut(row: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed
        .write_all(format!("source,metric,time,value\n{}", format!("{row}\n").repeat(100)).as_bytes())
        .unwrap();
    packed.flush().unwrap();
    packed.get_ref().clone()
}
