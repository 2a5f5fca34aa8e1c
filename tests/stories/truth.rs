//! Real data with known truth, by `yiwang replay` and the catalogues that `make truth` measures with: not its figures, but what must be so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;
use yiwang_tests::{programs, skip};

type Row = BTreeMap<String, String>;

/// The figures of gross product that the README of the data names as wrong, or as jumps.
const NAMED: [(&str, i32); 10] = [
    ("平凉市", 2005),
    ("大同市", 2005),
    ("晋城市", 2005),
    ("白山市", 2005),
    ("克拉玛依市", 2008),
    ("丹东市", 2012),
    ("佳木斯市", 2012),
    ("呼伦贝尔市", 2012),
    ("呼和浩特市", 2012),
    ("开封市", 2012),
];

#[test]
fn the_errors_that_a_yearbook_is_known_for_are_told() {
    let Some(file) = shared("economy/china-cities-2004-2012.csv", "economy") else { return };
    let figures: Vec<(String, i32, f64)> = rows(std::fs::File::open(file).unwrap())
        .iter()
        .map(|row| {
            let number = |name: &str| row[name].parse::<f64>().unwrap();
            (row["city"].clone(), row["year"].parse().unwrap(), number("gdp_current_10k_cny"))
        })
        .collect();
    let lines = figures.iter().map(|(city, year, value)| figure(city, *year, *value, year + 1)).collect();
    let told: BTreeSet<_> = economy(lines)
        .iter()
        .map(|one| (text(one, "source").to_owned(), text(one, "begin")[..4].parse::<i32>().unwrap() + 1))
        .collect();
    for (city, year) in NAMED {
        assert!(told.contains(&(city.to_owned(), year)), "{city} {year} is not told");
    }
    assert!(told.len() < figures.len() / 50, "{} of {} are told", told.len(), figures.len());
}

#[test]
fn a_figure_is_not_judged_by_what_was_published_later() {
    let own = [(2004, 100.0), (2005, 117.0), (2006, 137.0), (2007, 160.0), (2008, 187.0)];
    let mut lines: Vec<_> = own.iter().map(|(year, value)| figure("city", *year, *value, year + 1)).collect();
    assert_eq!(economy(lines.clone()), [] as [Value; 0]);
    // In 2010 the figure of 2005 turns out to have been 500.
    lines.push(figure("city", 2005, 500.0, 2010));
    let found = economy(lines);
    assert!(!found.is_empty());
    for one in &found {
        assert!(text(one, "opened") >= "2010-12-30", "told before it was known: {one}");
    }
}

#[test]
fn fault_codes_and_gaps_of_river_sensors_are_told() {
    let Some(logan) = shared("water-quality/logan-river-TonyGrove2014.csv.gz", "rivers") else { return };
    let (mut lines, mut faults, mut gaps) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for row in rows(GzDecoder::new(std::fs::File::open(&logan).unwrap())) {
        let time = format!("{}Z", row["datetime"]);
        lines.push(format!("TonyGrove2014,temp,{time},{}", row["temp"]));
        if row["temp"] == "-9999.0" {
            faults.insert(time);
        }
    }
    for station in ["sandy", "pioneer"] {
        let file = logan.with_file_name(format!("queensland-{station}.csv.gz"));
        for row in rows(GzDecoder::new(std::fs::File::open(file).unwrap())) {
            let time = format!("{}Z", row["timestamp"]);
            lines.push(format!("{station},level,{time},{}", row["level"]));
            if row["type_level"] == "K" {
                gaps.insert((station.to_owned(), time));
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let found = replay(folder.path(), "source,metric,time,value", &lines, &truth().join("rivers"));
    let of =
        |detector: &str| found.iter().filter(|one| text(one, "detector") == detector).collect::<Vec<_>>();
    let impossible = of("temp-impossible");
    for fault in faults.iter().map(String::as_str) {
        let covers =
            |one: &&Value| text(one, "begin") <= fault && one["end"].as_str().is_none_or(|end| fault < end);
        assert!(impossible.iter().any(covers), "{fault}: a fault code is not told");
    }
    // A silence ends with the reading that the label stands at.
    let ends: BTreeSet<_> = of("silence")
        .iter()
        .filter(|one| text(one, "metric") == "level" && !one["end"].is_null())
        .map(|one| (text(one, "source").to_owned(), text(one, "end").to_owned()))
        .collect();
    assert_eq!(ends, gaps);
    assert!(faults.len() > 20 && gaps.len() == 5, "{} fault codes, {} gaps", faults.len(), gaps.len());
}

/// A year's figure, published at the end of another year.
fn figure(city: &str, year: i32, value: f64, published: i32) -> String {
    format!("{city},gdp,{year}-01-01T00:00:00+08:00,{value},{published}-12-31T00:00:00+08:00")
}

/// What is told of figures of gross product.
fn economy(lines: Vec<String>) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = folder.path().join("catalogue");
    std::fs::create_dir(&catalogue).unwrap();
    std::fs::copy(truth().join("economy/catalogue.toml"), catalogue.join("catalogue.toml")).unwrap();
    let cities: BTreeSet<_> = lines.iter().map(|line| line.split(',').next().unwrap()).collect();
    let mut stations = String::new();
    for city in cities {
        writeln!(
            stations,
            "[[station]]\nid = \"{city}\"\nzh = \"{city}\"\nen = \"{city}\"\nkind = \"statistics_office\"\n\
             district = \"china\"\ngateway = \"yearbook\"\nmetrics = [\"gdp\"]\n"
        )
        .unwrap();
    }
    std::fs::write(catalogue.join("cities.toml"), stations).unwrap();
    replay(folder.path(), "source,metric,time,value,vintage", &lines, &catalogue)
}

/// The episodes of `yiwang replay`.
fn replay(folder: &Path, header: &str, lines: &[String], catalogue: &Path) -> Vec<Value> {
    let input = folder.join("readings.csv");
    std::fs::write(&input, format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    let mut command = programs::yiwang();
    let output = command.arg("replay").arg("--input").arg(input).arg("--catalogue").arg(catalogue).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn rows(from: impl Read) -> Vec<Row> {
    csv::Reader::from_reader(from).into_deserialize().map(Result::unwrap).collect()
}

fn text<'a>(one: &'a Value, key: &str) -> &'a str {
    one[key].as_str().unwrap()
}

fn truth() -> PathBuf {
    programs::root().join("tests/truth")
}

/// A file beside the checkout; where there is none, this is told.
fn shared(path: &str, story: &str) -> Option<PathBuf> {
    let file = programs::root().join("../shared/data").join(path);
    if !file.exists() {
        skip(story, &format!("there is no ../shared/data/{path} beside the checkout"));
        return None;
    }
    Some(file)
}
