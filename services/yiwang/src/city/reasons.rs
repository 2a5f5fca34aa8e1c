//! What the judgement says of capsules, for the console.

use yiwang_detect::Sample;
use yiwang_model::Row;
use yiwang_stream::explain::{Explanation, Reading, explain};
use yiwang_stream::what_if::{is_adjustable, what_if};
use yiwang_web::why::{Outcome, Param, Reasons, Why, Witness};

/// Reads capsules by what the judgement is.
pub struct Judgement;

impl Reasons for Judgement {
    fn why(&self, capsule: &[u8]) -> Result<Why, String> {
        explain(capsule).map(told).map_err(|why| why.to_string())
    }

    fn what_if(&self, capsule: &[u8], value: f64, readings: &[Row]) -> Result<Option<[Outcome; 2]>, String> {
        let sample = |row: &Row| Sample { time: row.time, value: row.value, quality: row.quality };
        let readings: Vec<Sample> = readings.iter().map(sample).collect();
        let found = what_if(capsule, value, &readings).map_err(|why| why.to_string())?;
        let outcome = |of: yiwang_stream::what_if::Outcome| Outcome {
            episodes: of.episodes,
            exceedances: of.exceedances,
        };
        Ok(found.map(|both| both.map(outcome)))
    }
}

fn told(of: Explanation) -> Why {
    let param = |(key, value): (String, serde_json::Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Param { key, value }
    };
    let reading = |reading: &Reading| (reading.time.millis(), reading.value);
    let judged = of.readings.iter().filter(|reading| reading.quality.is_judged());
    Why {
        adjustable: is_adjustable(&of.kind),
        readings: judged.map(reading).collect(),
        detector: of.detector,
        kind: of.kind,
        params: of.params.into_iter().map(param).collect(),
        edition: of.sealed.edition,
        limit: of.sealed.limit,
        begin: of.sealed.begin.to_string(),
        raised: of.raised.to_string(),
        extreme: of.sealed.extreme,
        witnesses: of
            .witnesses
            .into_iter()
            .map(|of| Witness { name: of.name, share: of.share, a_day: of.a_day })
            .collect(),
        catalogue_revision: of.catalogue_revision,
        hash: of.hash,
        differs: of.differs,
    }
}
