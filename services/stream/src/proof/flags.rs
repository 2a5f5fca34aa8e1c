//! Readings that a source flags, or that come in a window of calibration or maintenance, never open an order about what they measure.

use yiwang_model::{Quality, Row, Vintage};

use super::city::{self, Arrival, moment};
use super::script::Writer;
use super::switch::{dust, verdict};

/// Every quality that a reading can have.
fn qualities() -> impl Iterator<Item = Quality> {
    (0..=u8::MAX).filter_map(Quality::from_number)
}

/// A quarter of an hour of readings far above every limit, then good ones inside it; what opened an order meanwhile, by category.
fn opened(quality: Quality) -> Vec<String> {
    let mut writer = Writer::new(city::TEXT);
    for second in (0..1_200).step_by(10) {
        let flagged = second < 900;
        let row = Row {
            series: dust("e-1").id(),
            time: moment(second),
            value: if flagged { 400.0 } else { 50.0 + (second / 10 % 3) as f64 },
            quality: if flagged { quality } else { Quality::Good },
            period_end: None,
            vintage: Vintage(None),
        };
        writer.rows(&[Arrival { at: second, series: dust("e-1"), row }]);
        writer.tick(moment(second + 1));
    }
    verdict(&writer).orders.into_values().map(|order| order.draft.category).collect()
}

#[test]
fn what_is_flagged_opens_no_order_about_what_is_measured() {
    let (judged, flagged): (Vec<Quality>, Vec<Quality>) =
        qualities().partition(|quality| quality.is_judged());
    assert!(flagged.len() > 3 && flagged.contains(&Quality::Calibration), "{flagged:?}");
    for quality in flagged {
        let opened = opened(quality);
        assert!(opened.iter().all(|category| category == "device"), "{quality:?}: {opened:?}");
    }
    assert!(judged.contains(&Quality::Good));
    assert!(opened(Quality::Good).contains(&"air".to_owned()), "the same values, judged");
}
