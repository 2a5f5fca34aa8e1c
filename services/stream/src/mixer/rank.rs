//! The place of a value among its peers', of [`Rule::Rank`](yiwang_catalogue::derived::Rule).
//!
//! Standard competition ranking: one more than there are peers with a better value, so that equal values share the better place and
//! the places after them are left out (1, 2, 2, 4). There is none without a value of its own, or with fewer peers than are wanted.

/// The place of the first value, from 1 on; NaN is a value that is not there.
pub(super) fn rank(values: &[f64], least: usize, smallest: bool) -> Option<f64> {
    let (own, others) = values.split_first().filter(|(own, _)| !own.is_nan())?;
    let there = others.iter().filter(|of| !of.is_nan()).count();
    let better = others.iter().filter(|of| if smallest { *of < own } else { *of > own }).count();
    (there >= least).then_some(1.0 + better as f64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use yiwang_catalogue::derived::{Derivation, Rule, Source};
    use yiwang_model::{Quality, Series, Span, Timestamp};

    use super::*;
    use crate::mixer::Mixer;

    const YEAR: i64 = Span::DAY.0 * 365;

    /// What was said last of each year, of figures of four cities that come in this order: place, year, vintage, value.
    fn said(figures: &[(usize, i64, i64, f64)]) -> Vec<(i64, Option<f64>)> {
        let source = |at: usize| Source {
            series: Series::new(format!("c-{at}"), "gdp").expect("good"),
            lag: Span::ZERO,
        };
        let how = Derivation {
            rule: Rule::Rank { least: 2, smallest: false },
            sources: (0..4).map(source).collect(),
            frame: Span(1),
            patience: Span(YEAR),
        };
        let mut mixer = Mixer::new(Arc::new(how), Span(3 * YEAR));
        let (mut out, mut last) = (Vec::new(), std::collections::BTreeMap::new());
        for (place, year, vintage, value) in figures {
            mixer.read(*place, Timestamp(year * YEAR), *vintage, *value);
            mixer.reckon(None, &mut out);
        }
        for of in out {
            last.insert(of.time.0 / YEAR, (of.quality == Quality::Good).then_some(of.value));
        }
        last.into_iter().collect()
    }

    #[test]
    fn figures_of_one_event_time_are_ranked_whatever_the_order() {
        let mut figures = vec![
            (0, 1, 0, 30.0),
            (1, 1, 0, 50.0),
            (2, 1, 0, 20.0),
            (3, 1, 0, 20.0),
            (0, 2, 0, 31.0),
            (1, 2, 0, 30.0),
            (2, 2, 0, 20.0),
            (3, 2, 0, 40.0),
            // the largest of the first year turns out to be the smallest
            (1, 1, 9, 5.0),
        ];
        assert_eq!(said(&figures), [(1, Some(1.0)), (2, Some(2.0))]);
        assert_eq!(said(&figures[..8]), [(1, Some(2.0)), (2, Some(2.0))]);
        figures.reverse();
        assert_eq!(said(&figures), [(1, Some(1.0)), (2, Some(2.0))]);
    }

    #[test]
    fn equal_values_share_the_better_place() {
        let values = [30.0, 50.0, 20.0, 20.0, 10.0];
        let placed = |own: usize, smallest: bool| {
            let mut turned = values;
            turned.swap(0, own);
            rank(&turned, 4, smallest)
        };
        let all = |smallest| [0, 1, 2, 3, 4].map(|own| placed(own, smallest).expect("four peers"));
        assert_eq!(all(false), [2.0, 1.0, 3.0, 3.0, 5.0]);
        assert_eq!(all(true), [4.0, 5.0, 2.0, 2.0, 1.0]);
    }

    #[test]
    fn too_few_peers_or_no_own_value_give_none() {
        assert_eq!(rank(&[1.0, 2.0, f64::NAN], 1, false), Some(2.0));
        assert_eq!(rank(&[1.0, 2.0, f64::NAN], 2, false), None);
        assert_eq!(rank(&[f64::NAN, 2.0, 3.0], 1, false), None);
        assert_eq!(rank(&[], 0, false), None);
    }
}
