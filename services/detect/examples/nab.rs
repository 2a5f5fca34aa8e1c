//! How much of the figures of `make nab` is fitted: the detector's parameters are fitted on half of the files and scored on the
//! other half, and all of them shaken by a fifth.
//!
//! `cargo run --release -p yiwang-detect --example nab -- FOLDER fit|fold|shake`, where FOLDER is that of the benchmark. Scores are standard,
//! low FP, low FN, at the best threshold, by the rules of the benchmark (Lavin and Ahmad, ICMLA 2015).

use std::collections::BTreeMap;
use std::path::Path;

use yiwang_detect::{Input, Param, Params, Sample, SeriesContext, Spec, registry};
use yiwang_model::{Quality, Severity, Timestamp};

type Scores = [f64; 3];

/// What a missed window and a false alarm cost, in the order of the scores.
const COSTS: [(f64, f64); 3] = [(1.0, 0.11), (1.0, 0.22), (2.0, 0.11)];
/// Parameters that are fitted, and how they begin: round numbers that nobody fitted.
const FITTED: [(&str, f64); 20] = [
    ("warm_up", 400.0),
    ("range_bar", 0.01),
    ("forecast_bar", 5.0),
    ("level_bar", 3.6),
    ("rank_bar", 3.7),
    ("roughness_bar", 3.3),
    ("jump_bar", 30.0),
    ("rest", 75.0),
    ("fatigue", 0.15),
    ("fade", 5000.0),
    ("error_readings", 10.0),
    ("level_readings", 24.0),
    ("rank_readings", 50.0),
    ("rough_readings", 50.0),
    ("keep_every", 16.0),
    ("memory", 20_000.0),
    ("slow", 0.05),
    ("quick", 0.2),
    ("quick_jump", 0.1),
    ("jump_clip", 5.0),
];
/// Those that count readings.
const WHOLE: [&str; 7] =
    ["warm_up", "rest", "error_readings", "level_readings", "rank_readings", "rough_readings", "keep_every"];
/// Factors by which a parameter is moved, round after round.
const STEPS: [f64; 6] = [1.5, 1.25, 1.1, 1.3, 1.5, 1.25];
const SHAKES: usize = 60;

struct File {
    category: String,
    samples: Vec<Sample>,
    /// What a row is worth: inside a window up to 1, outside down to −1.
    worth: Vec<f64>,
    window: Vec<Option<usize>>,
    windows: usize,
    probation: usize,
}

type Fit = BTreeMap<&'static str, f64>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, what] = arguments.as_slice() else { panic!("FOLDER fit|fold|shake is wanted") };
    let files = load(Path::new(folder));
    let all: Vec<&File> = files.iter().collect();
    match what.as_str() {
        "fit" => {
            let fit = fit(&all, Fit::from(FITTED));
            println!("{fit:?}: {:.2?}", scores(&all, &fit));
        }
        "fold" => fold(&files),
        "shake" => shake(&all),
        other => panic!("{other:?} is not known; known are fit, fold and shake"),
    }
}

/// Four ways to halve the files of each category, both ways each.
fn fold(files: &[File]) {
    let mut sum = Scores::default();
    for split in 1..=4 {
        for half in 0..2 {
            let (mut fitted, mut others) = (Vec::new(), Vec::new());
            let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
            for file in files {
                let count = seen.entry(&file.category).or_default();
                if *count / split % 2 == half {
                    fitted.push(file)
                } else {
                    others.push(file)
                }
                *count += 1;
            }
            let fit = fit(&fitted, Fit::from(FITTED));
            let (own, other) = (scores(&fitted, &fit), scores(&others, &fit));
            println!("fitted on {:.2?}, scored {other:.2?}", own);
            sum.iter_mut().zip(other).for_each(|(sum, score)| *sum += score / 8.0);
        }
    }
    println!("two-fold: {sum:.2?}");
}

/// All parameters off by up to a fifth, from their defaults.
fn shake(files: &[&File]) {
    let kind = registry::kind("ensemble").expect("it is registered");
    let default = |wanted: &str| {
        let parameter = kind.params.iter().find(|parameter| parameter.key == wanted)?;
        parameter.default?.parse::<f64>().ok()
    };
    let mut seed = 1_u64;
    let mut random = || {
        // xorshift64
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut found: Vec<f64> = (0..SHAKES)
        .map(|_| {
            let shaken = FITTED.iter().map(|(key, _)| {
                let value = default(key).expect("a number") * (0.8 + 0.4 * random());
                (*key, rounded(key, value))
            });
            scores(files, &shaken.collect())[0]
        })
        .collect();
    found.sort_by(f64::total_cmp);
    println!("shaken: {:.2} on average, {:.2} at worst", found.iter().sum::<f64>() / SHAKES as f64, found[0]);
}

fn rounded(key: &str, value: f64) -> f64 {
    if WHOLE.contains(&key) { value.round().max(2.0) } else { value }
}

/// Moves one parameter after the other as long as that helps.
fn fit(files: &[&File], mut fit: Fit) -> Fit {
    let worth = |fit: &Fit| {
        let [standard, low_fp, low_fn] = scores(files, fit);
        standard + (low_fp + low_fn) / 2.0
    };
    let mut best = worth(&fit);
    for step in STEPS {
        for (key, _) in FITTED {
            for factor in [step, 1.0 / step] {
                let before = fit[key];
                fit.insert(key, rounded(key, before * factor));
                let found = worth(&fit);
                if found > best {
                    best = found;
                } else {
                    fit.insert(key, before);
                }
            }
        }
    }
    fit
}

/// The scores of the detector on these files.
fn scores(files: &[&File], fit: &Fit) -> Scores {
    let params: Params = fit.iter().map(|(key, value)| ((*key).to_owned(), Param::Number(*value))).collect();
    let (name, kind) = ("nab".into(), "ensemble".to_owned());
    let spec = Spec { name, kind, severity: Severity::Warning, params, limits: [].into() };
    // A fit that went out of bounds is none.
    let Ok(prototype) = registry::build(&spec) else { return Scores::default() };
    let (mut rows, mut said) = (Vec::new(), Vec::new());
    for (at, file) in files.iter().enumerate() {
        let mut detector = prototype.make(&SeriesContext::default());
        for (row, sample) in file.samples.iter().enumerate() {
            detector.step(&Input::Reading(*sample), &mut said);
            said.clear();
            let score = detector.score().expect("it scores");
            if row >= file.probation && score > 0.0 {
                rows.push((score, at, row));
            }
        }
    }
    rows.sort_by(|one, other| other.0.total_cmp(&one.0));
    COSTS.map(|costs| best(files, &rows, costs))
}

/// The score at the best threshold. `rows` are (score, file, row), highest first.
fn best(files: &[&File], rows: &[(f64, usize, usize)], (missed, false_alarm): (f64, f64)) -> f64 {
    let windows: f64 = files.iter().map(|file| file.windows as f64).sum();
    let mut earliest: Vec<Vec<Option<usize>>> = files.iter().map(|file| vec![None; file.windows]).collect();
    let (mut gain, mut best) = (0.0, 0.0);
    for same in rows.chunk_by(|one, other| one.0 == other.0) {
        for (_, file, row) in same {
            let worth = &files[*file].worth;
            let Some(window) = files[*file].window[*row] else {
                gain += false_alarm * worth[*row];
                continue;
            };
            let first = &mut earliest[*file][window];
            match first {
                Some(first) if *first <= *row => continue,
                Some(first) => gain -= worth[*first],
                None => gain += missed,
            }
            gain += worth[*row];
            *first = Some(*row);
        }
        best = f64::max(best, gain);
    }
    100.0 * best / (windows * (1.0 + missed))
}

fn load(folder: &Path) -> Vec<File> {
    let windows = std::fs::read_to_string(folder.join("labels/combined_windows.json")).expect("labels");
    let windows: BTreeMap<String, Vec<[String; 2]>> = serde_json::from_str(&windows).expect("windows");
    windows.iter().map(|(name, windows)| file(folder, name, windows)).collect()
}

fn file(folder: &Path, name: &str, windows: &[[String; 2]]) -> File {
    let text = std::fs::read_to_string(folder.join("data").join(name)).expect("data");
    let rows: Vec<(&str, &str)> = text.lines().skip(1).filter_map(|line| line.split_once(',')).collect();
    let sample = |(time, value): &(&str, &str)| {
        let time: jiff::civil::DateTime = time.parse().expect("a time");
        let time = Timestamp::from_secs(time.duration_since(jiff::civil::date(1970, 1, 1).into()).as_secs());
        Sample { time, value: value.parse().expect("a number"), quality: Quality::Good }
    };
    let count = rows.len();
    let (mut worth, mut window) = (vec![-1.0; count], vec![None; count]);
    let place = |time: &str| rows.iter().position(|row| row.0 == &time[..19]).expect("a row");
    let spans: Vec<(usize, usize)> = windows.iter().map(|[from, to]| (place(from), place(to))).collect();
    for (number, (first, last)) in spans.iter().copied().enumerate() {
        let width = (last - first + 1) as f64;
        for row in first..=last {
            window[row] = Some(number);
            worth[row] = curve((row as f64 - last as f64 - 1.0) / width) / curve(-1.0);
        }
        let until = spans.get(number + 1).map_or(count, |next| next.0);
        for (behind, worth) in worth[last + 1..until].iter_mut().enumerate() {
            let behind = (behind + 1) as f64 / (width - 1.0).max(1.0);
            *worth = if behind > 3.0 { -1.0 } else { curve(behind) };
        }
    }
    File {
        category: name.split('/').next().unwrap_or_default().to_owned(),
        samples: rows.iter().map(sample).collect(),
        worth,
        window,
        windows: windows.len(),
        probation: (count * 15 / 100).min(750),
    }
}

fn curve(place: f64) -> f64 {
    -libm::tanh(2.5 * place)
}
