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
    let bits = (((place as u64 + 1) << 32) ^ frame as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Up and down by 6 in 31 frames, as no day does.
fn weather(frame: i64) -> f64 {
    let share = frame.rem_euclid(31) as f64 / 31.0;
    6.0 * (4.0 * (share - 0.5).abs() - 1.0)
}

/// What a source shows: its own level and scale, the weather, and noise of a spread of about 0.6 in its scale.
fn shown(place: usize, frame: i64) -> f64 {
    let (level, scale) = (10.0 * (1 + place % 7) as f64, 1.0 + 0.2 * (place % 3) as f64);
    level + scale * (weather(frame) + dice(place, frame))
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
    let mut mixer = Mixer::new(Arc::clone(how), FRAME.times(5));
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
    // a fifth less at 157, where those around happen to be further apart
    assert!((150..160).all(|frame| (14.0..23.0).contains(&at(&said, frame))));
    let brief = |place, frame| if place == 0 && (150..158).contains(&frame) { 20.0 } else { 0.0 };
    let (_, said) = live(&how(1, false), &readings(1, brief));
    assert!((170..216).all(|frame| at(&said, frame).abs() < 2.5));
    let (_, said) = live(&how(1, false), &readings(1, fault(2)));
    assert!((150..160).all(|frame| at(&said, frame).abs() < 2.5));
}

#[test]
fn a_fault_of_a_day_is_not_learnt_and_a_new_level_is() {
    let from_150 =
        |last: i64| move |place, frame| if place == 0 && (150..last).contains(&frame) { 20.0 } else { 0.0 };
    // days are learnt five frames late, when they cannot change any more: 13 frames of one, 7 of the next
    let (_, said) = live(&how(1, false), &readings(1, from_150(170)));
    assert!((171..216).all(|frame| at(&said, frame).abs() < 2.5));
    let (mixer, _) = live(&how(1, false), &readings(1, from_150(i64::MAX)));
    let levels = mixer.usual.expect("it has one").levels;
    assert!(levels.values().next_back().expect("the newest")[0].level > 11.5, "two days of 20 are a level");
}

#[test]
fn while_those_around_disagree_a_value_is_worth_less() {
    let own = |place: usize, frame: i64| if place == 0 && frame == 150 { 8.0 } else { 0.0 };
    let torn = |place: usize, frame: i64| match place {
        1 | 2 if frame == 150 => 6.0,
        3 | 4 if frame == 150 => -6.0,
        _ => own(place, frame),
    };
    let (_, calm) = live(&how(1, false), &readings(1, own));
    let (_, torn) = live(&how(1, false), &readings(1, torn));
    let (calm, torn) = (at(&calm, 150), at(&torn, 150));
    assert!(calm > 6.0 && (0.0..2.0).contains(&torn), "{calm} {torn}");
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
    let mut restored = Mixer::new(Arc::clone(&how), FRAME.times(5));
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

/// The last frame of a day and the first of the next, after days without any, may come in either order.
#[test]
fn the_order_around_midnight_after_days_without_frames_does_not_show() {
    let (gap, last, first) = (5 * 24..7 * 24 - 1, 7 * 24 - 1, 7 * 24);
    let mut in_order = readings(1, |_, _| 0.0);
    in_order.retain(|(_, frame, _)| !gap.contains(frame));
    let mut turned = in_order.clone();
    turned.sort_by_key(|(_, frame, _)| {
        if *frame == first {
            last
        } else if *frame == last {
            first
        } else {
            *frame
        }
    });
    assert_ne!(in_order, turned);
    let (in_order, turned) = (live(&how(1, false), &in_order).1, live(&how(1, false), &turned).1);
    for frame in first..DAYS * 24 {
        assert_eq!(at(&in_order, frame), at(&turned, frame), "{frame}");
    }
}

/// One value that no square holds does not silence a station for good.
#[test]
fn a_value_without_a_square_is_learnt_as_if_it_were_nearer() {
    let wild = |place: usize, frame: i64| if (place, frame) == (1, 30) { 1e200 } else { 0.0 };
    let (_, said) = live(&how(1, false), &readings(1, wild));
    let late = said.iter().filter(|of| of.time >= Timestamp(8 * Span::DAY.0) && of.quality == Quality::Good);
    assert!(late.clone().count() >= 20 && late.clone().all(|of| of.value.is_finite()));
}
