//! Real water against pymannkendall 1.4.3, whose figures `tests/truth/trend/reference.csv` has; `trend.py reference` made it.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::path::Path;

use super::*;

/// Station, layer, variable.
type Key = [String; 3];
/// Date, as `2016-05-12`, and value, in the order of the file.
type Dated = BTreeMap<Key, Vec<(String, f64)>>;

const VARIABLES: [&str; 7] = ["secchi", "salinity", "do", "wtemp", "chla", "tn", "tp"];
const INDICES: [&str; 4] = ["NDCI_Mean", "NDVI_Mean", "B3B2_Mean", "B4B8A_Mean"];

#[test]
fn p_and_slope_of_real_water_are_those_of_pymannkendall() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/water-quality");
    if !folder.is_dir() {
        // Past the test run, which shows what a test prints only when it fails.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: there is no ../shared/data/water-quality beside the checkout"
        );
        return;
    }
    let data = chesapeake(&folder).into_iter().chain(klamath(&folder)).collect::<Dated>();
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/truth/trend/reference.csv");
    let mut rows = csv::Reader::from_path(reference).unwrap();
    let mut compared = [0, 0];
    for row in rows.records().map(Result::unwrap) {
        let number = |at: usize| row[at].parse::<f64>().unwrap();
        let (first, years, seasons) = (number(3) as i64, number(4) as usize, number(5) as usize);
        let key = [0, 1, 2].map(|at| row[at].to_owned());
        let values = means(&data[&key], first, years, seasons);
        let found = Table { values: &values, seasons, years }.trend(false).unwrap();
        assert!((found.p - number(6)).abs() < 1e-12, "{key:?}: p {} for {}", found.p, number(6));
        assert!((found.slope - number(7)).abs() < 1e-12, "{key:?}: slope {}", found.slope);
        compared[0] += 1;
        if !row[8].is_empty() {
            let whole = whole_years(&values, seasons);
            let found = Table { values: &whole, seasons, years }.trend(true).unwrap();
            // It leaves the one out that this takes from the score, since scores are whole numbers.
            let z = (number(8).abs() - 1.0).max(0.0) / number(9).sqrt();
            let expected = libm::erfc(z / std::f64::consts::SQRT_2);
            assert!((found.p - expected).abs() < 1e-12, "{key:?}: p {} for {expected}", found.p);
            compared[1] += 1;
        }
    }
    assert!(compared[0] > 100 && compared[1] > 40, "{compared:?}");
}

fn chesapeake(folder: &Path) -> Dated {
    let file = std::fs::File::open(folder.join("chesapeake-bay.csv.gz")).unwrap();
    let mut data = Dated::new();
    for row in rows(flate2::read::GzDecoder::new(file)) {
        for variable in VARIABLES {
            let ends = ["lo", "hi"].map(|end| row[&format!("{variable}_{end}")].parse::<f64>());
            if let ("S" | "B", [Ok(low), Ok(high)]) = (row["layer"].as_str(), ends) {
                let key = [&row["station"], &row["layer"], variable].map(str::to_owned);
                data.entry(key).or_default().push((row["date"].clone(), f64::midpoint(low, high)));
            }
        }
    }
    data
}

fn klamath(folder: &Path) -> Dated {
    let mut data = Dated::new();
    for place in ["belowcopco", "copco", "irongate"] {
        let path = folder.join(format!("klamath-sentinel2-{place}.csv"));
        for row in rows(std::fs::File::open(path).unwrap()) {
            let date = &row["Sentinel_Date"];
            for index in INDICES {
                if let (false, Ok(value)) = (date.is_empty(), row[index].parse()) {
                    let key = [place, "satellite", index].map(str::to_owned);
                    data.entry(key).or_default().push((date.clone(), value));
                }
            }
        }
    }
    data
}

/// Rows by the names of their columns.
fn rows(from: impl Read) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(from).into_deserialize().map(Result::unwrap).collect()
}

/// The mean of each part of each year.
fn means(dated: &[(String, f64)], first: i64, years: usize, seasons: usize) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0.0); years * seasons];
    for (date, value) in dated {
        let (year, month): (i64, usize) = (date[..4].parse().unwrap(), date[5..7].parse().unwrap());
        let at = usize::try_from(year - first).ok().map(|year| year * seasons + (month - 1) * seasons / 12);
        if let Some((sum, count)) = at.and_then(|at| sums.get_mut(at)) {
            *sum += value;
            *count += 1.0;
        }
    }
    sums.into_iter().map(|(sum, count)| (count > 0.0).then(|| sum / count)).collect()
}

/// Without the years that have a gap.
fn whole_years(values: &[Option<f64>], seasons: usize) -> Vec<Option<f64>> {
    let whole = |year: &[Option<f64>]| {
        if year.iter().all(Option::is_some) { year.to_vec() } else { vec![None; seasons] }
    };
    values.chunks(seasons).flat_map(whole).collect()
}
