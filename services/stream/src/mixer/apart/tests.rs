//! Stations that are high or low, coarse or fine, by their own nature, under the same weather.

use std::sync::Arc;

use yiwang_catalogue::derived::{Derivation, Group, Rule, Source};
use yiwang_model::{Quality, Series, Timestamp};

use super::*;
use crate::mixer::{Mixer, Reckoning};

const FRAME: Span = Span::HOUR;
const OTHERS: usize = 4;
const DAYS: i64 = 9;

/// So many metrics of one station and four others; the last goes the other way if `turned`.
fn how(metrics: usize, turned: bool) -> Arc<Derivation> {
    let group = |at: usize| Group { sources: 1 + OTHERS, turned: turned && at + 1 == metrics };
    let groups = (0..metrics).map(group).collect();
    let source = |at: usize| Source {
        series: Series::new(format!("s-{}", at % (1 + OTHERS)), format!("m{}", at / (1 + OTHERS)))
            .expect("good"),
        lag: Span::ZERO,
    };
    Arc::new(Derivation {
        rule: Rule::Apart(Arc::new(Apart { least: 3, memory: Span::DAY.times(28), groups })),
        sources: (0..metrics * (1 + OTHERS)).map(source).collect(),
        frame: FRAME,
        patience: Span::ZERO,
    })
}

/// Dice of a place and a frame: even from −1 to 1.
fn dice(place: usize, frame: i64) -> f64 {
    let bits = ((place as u64 + 1) << 32 ^ frame as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((bits ^ bits >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// What a source shows: its own level and scale, the weather, and noise of a spread of about 0.6 in its scale.
fn shown(place: usize, frame: i64) -> f64 {
    let (level, scale) = (10.0 * (1 + place % 7) as f64, 1.0 + 0.2 * (place % 3) as f64);
    level + scale * (6.0 * (frame as f64 / 5.0).sin() + dice(place, frame))
}

/// All readings with what is `added`, in scales.
fn readings(metrics: usize, added: impl Fn(usize, i64) -> f64) -> Vec<(usize, i64, f64)> {
    let places = metrics * (1 + OTHERS);
    let each = (0..DAYS * 24).flat_map(|frame| (0..places).map(move |place| (place, frame)));
    let scale = |place: usize| 1.0 + 0.2 * (place % 3) as f64;
    each.map(|(place, frame)| (place, frame, shown(place, frame) + scale(place) * added(place, frame)))
        .collect()
}

fn live(how: &Arc<Derivation>, readings: &[(usize, i64, f64)]) -> (Mixer, Vec<Reckoning>) {
    let mut mixer = Mixer::new(Arc::clone(how), FRAME.times(3));
    let mut out = Vec::new();
    for (place, frame, value) in readings {
        mixer.read(*place, Timestamp(frame * FRAME.0), 0, *value);
        mixer.reckon(None, &mut out);
    }
    (mixer, out)
}

/// The last that was said of a frame.
fn at(said: &[Reckoning], frame: i64) -> f64 {
    let of = said.iter().rev().find(|of| of.time == Timestamp(frame * FRAME.0));
    of.filter(|of| of.quality == Quality::Good).expect("a value").value
}

#[test]
fn levels_and_scales_of_stations_do_not_show_and_nothing_is_said_on_the_first_day() {
    let (_, said) = live(&how(1, false), &readings(1, |_, _| 0.0));
    assert!(said.iter().all(|of| of.time >= Timestamp(Span::DAY.0)));
    let late = said.iter().filter(|of| of.time >= Timestamp(5 * Span::DAY.0));
    let worst = late.map(|of| of.value.abs()).fold(0.0, f64::max);
    assert!(worst < 2.5, "{worst}");
}

#[test]
fn a_fault_shows_at_its_own_station_only_and_is_not_learnt() {
    let fault = |whose: usize| move |place, frame| if place == whose && frame >= 150 { 20.0 } else { 0.0 };
    let (_, said) = live(&how(1, false), &readings(1, fault(0)));
    assert!((150..160).all(|frame| (17.0..23.0).contains(&at(&said, frame))));
    let brief = |place, frame| if place == 0 && (150..158).contains(&frame) { 20.0 } else { 0.0 };
    let (_, said) = live(&how(1, false), &readings(1, brief));
    assert!((170..216).all(|frame| at(&said, frame).abs() < 2.5));
    let (_, said) = live(&how(1, false), &readings(1, fault(2)));
    assert!((150..160).all(|frame| at(&said, frame).abs() < 2.5));
}

#[test]
fn what_companions_have_too_is_no_news_even_the_other_way_round() {
    let event = |place, frame| match place {
        0 | 5 if frame >= 150 => 12.0,
        10 if frame >= 150 => -12.0,
        _ => 0.0,
    };
    let (_, said) = live(&how(3, true), &readings(3, event));
    assert!((150..160).all(|frame| at(&said, frame).abs() < 3.5), "{}", at(&said, 151));
    let (_, said) = live(&how(3, false), &readings(3, event));
    assert!(
        (150..160).all(|frame| at(&said, frame) > 8.0),
        "companions that part from one another excuse nothing"
    );
}

#[test]
fn the_order_of_arrival_does_not_show() {
    let how = how(2, false);
    let readings = readings(2, |_, _| 0.0);
    let (straight, said) = live(&how, &readings);
    let mut mixed = readings.clone();
    // within two frames of where they were
    mixed.chunks_mut(20).for_each(|chunk| chunk.reverse());
    let (other, also) = live(&how, &mixed);
    assert_eq!(straight.save(), other.save());
    assert!((24..DAYS * 24).all(|frame| at(&said, frame).to_bits() == at(&also, frame).to_bits()));
}

#[test]
fn a_saved_one_goes_on_as_it_was_and_a_strange_one_is_refused() {
    let how = how(2, true);
    let readings = readings(2, |_, _| 0.0);
    let (whole, _) = live(&how, &readings);
    let (before, after) = readings.split_at(readings.len() / 2);
    let (half, _) = live(&how, before);
    let mut restored = Mixer::new(Arc::clone(&how), FRAME.times(3));
    restored.restore(&half.save()).expect("its own state");
    let mut out = Vec::new();
    for (place, frame, value) in after {
        restored.read(*place, Timestamp(frame * FRAME.0), 0, *value);
        restored.reckon(None, &mut out);
    }
    assert_eq!(restored.save(), whole.save());
    let mut strange = half.save();
    strange.usual.as_mut().expect("it has one").sums.pop();
    assert!(restored.restore(&strange).is_err());
}
