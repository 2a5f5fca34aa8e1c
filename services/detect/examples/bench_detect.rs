//! Nanoseconds that each kind of detector takes for an ordinary reading, over 10,000 series in turn.
//!
//! `cargo run --release -p yiwang-detect --example bench_detect`

use std::hint::black_box;
use std::sync::Arc;

use yiwang_detect::registry::build;
use yiwang_detect::{Detector, Input, LimitRow, Param, Params, Sample, SeriesContext, Spec};
use yiwang_model::{Quality, Severity, Span, Timestamp};

const SERIES: usize = 10_000;
const READINGS: i64 = 400;

fn main() {
    let text = |text: &str| Param::Text(text.to_owned());
    let number = Param::Number;
    let entries: [(&str, &[(&str, Param)]); 20] = [
        ("limit", &[("window", text("instant"))]),
        ("limit", &[("window", text("20 min mean"))]),
        ("limit", &[("window", text("20 min mean")), ("mean", text("energy"))]),
        ("limit", &[("window", text("hour mean"))]),
        ("limit", &[("window", text("24 h mean"))]),
        ("limit", &[("window", text("day mean"))]),
        ("spike", &[("min_scale", number(5.0))]),
        ("spike", &[("min_scale", number(0.1))]),
        ("rate", &[("max_per_hour", number(1e6))]),
        ("flat", &[("duration", text("1h"))]),
        ("silence", &[("after", text("5m"))]),
        ("impossible", &[("least", number(0.0))]),
        ("shift", &[]),
        ("shift", &[("profile", text("none"))]),
        ("variance", &[]),
        ("drift", &[]),
        ("seasonal", &[]),
        ("changepoint", &[]),
        ("trend", &[]),
        ("ensemble", &[]),
    ];
    for period in [Span::from_secs(10), Span::HOUR] {
        println!("one reading in {period}: ns a reading");
        for (kind, params) in &entries {
            let params: Params =
                params.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            let named: Vec<_> = params.iter().map(|(key, value)| format!("{key} {value:?}")).collect();
            println!("  {:6.1}  {kind} {}", ns_per_reading(kind, params, period), named.join(", "));
        }
    }
}

fn ns_per_reading(kind: &str, params: Params, period: Span) -> f64 {
    let limit = LimitRow { value: 1e6, valid_from: Timestamp(0), valid_to: None, edition: "a bench".into() };
    let spec = Spec {
        name: "bench".into(),
        kind: kind.to_owned(),
        severity: Severity::Notice,
        params,
        limits: Arc::new([limit]),
    };
    let prototype = build(&spec).expect("the entries above are right");
    let context = SeriesContext { period, ..SeriesContext::default() };
    let mut detectors: Vec<_> = (0..SERIES).map(|_| prototype.make(&context)).collect();
    // Batches as a gateway sends them: some readings of a series in a row.
    measure(&mut detectors, period) / (SERIES as f64 * READINGS as f64)
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time; no detector does")]
fn measure(detectors: &mut [Box<dyn Detector>], period: Span) -> f64 {
    let mut out = Vec::new();
    let start = std::time::Instant::now();
    for round in 0..READINGS {
        for (series, detector) in detectors.iter_mut().enumerate() {
            let time = Timestamp::from_secs(1_772_294_400) + period.times(round);
            let value = 40.0 + ((round * 7 + series as i64) % 16) as f64;
            let sample = Sample { time, value, quality: Quality::Good };
            detector.step(black_box(&Input::Reading(sample)), &mut out);
        }
    }
    black_box(out.len());
    start.elapsed().as_secs_f64() * 1e9
}
