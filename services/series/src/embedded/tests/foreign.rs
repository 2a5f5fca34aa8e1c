//! Readers that nobody here wrote, DuckDB and Arrow, find in the folder what we find there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use yiwang_disk::RealDisk;

use super::city::*;
use crate::embedded::EmbeddedSeries;
use crate::{SeriesSink, SeriesStore};

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What another program reads in a store's folder, a line for each key; nothing when it is not there.
fn read_by_others(folder: &Path) -> Option<Vec<String>> {
    let tests = Path::new(PROJECT).join("tests");
    if !tests.join(".venv/installed").exists() {
        eprintln!("skipped: foreign readers: tests/.venv is not there; tests/install.sh makes it");
        return None;
    }
    let mut python = Command::new(tests.join(".venv/bin/python"));
    python.arg(tests.join("clients/read_series.py")).arg(folder);
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("duckdb.sql"));
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    Some(lines)
}

fn lines(model: &Model) -> Vec<String> {
    let nanos = |time: Option<yiwang_model::Timestamp>| time.map_or("-".into(), |at| at.nanos().to_string());
    let readings = model.rows.iter().map(|((series, time, vintage), row)| {
        let (source, metric, quality) = (series.source(), series.metric(), row.quality as u8);
        let (vintage, end, bits) = (nanos(vintage.0), nanos(row.period_end), row.value.to_bits());
        format!("{source}\t{metric}\t{}\t{vintage}\t{end}\t{bits:016x}\t{quality}", time.nanos())
    });
    let records = model.records.iter().map(|((measurement, time, key), body)| {
        format!("{}\t{}\t{key}\t{body}", measurement.replace('/', "%2f"), time.nanos())
    });
    let mut lines: Vec<_> = readings.chain(records).collect();
    lines.sort();
    lines
}

#[test]
fn duckdb_and_arrow_find_the_last_of_each_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder: PathBuf = folder.path().join(FOLDER);
    let store = EmbeddedSeries::open(Arc::new(RealDisk), &folder, options(&Arc::default())).unwrap();
    let city = City::seeded(11, 60);
    for (place, batch) in city.batches.iter().enumerate() {
        run(store.write(batch.clone())).unwrap();
        if place % 2 == 0 {
            run(store.flush()).unwrap();
        }
        if place % 11 == 0 {
            store.tidy().unwrap();
        }
    }
    run(store.flush()).unwrap();
    let model = city.model(60);
    let stored = store.stats().file_rows;
    assert!(stored > (model.rows.len() + model.records.len()) as u64, "keys are in several files");
    let Some(found) = read_by_others(&folder) else { return };
    assert_eq!(found, lines(&model));
    while store.tidy().unwrap() {}
    store.merge_all().unwrap();
    assert_eq!(read_by_others(&folder).unwrap(), lines(&model));
}
