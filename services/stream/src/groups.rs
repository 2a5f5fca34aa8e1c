//! Puts the readings of an epoch together by series, each series' in their order.
//!
//! The state of a series is spread over a dozen cache lines. Taken in log order, every reading fetches all of them anew; together,
//! a series fetches them once an epoch. Which order series come in is of no account: what is found is sorted at the end.

/// No series: the reading is not judged.
pub(crate) const NONE: u32 = u32::MAX;

/// The arrangement of one epoch; kept for its memory.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// By reading, in log order: where its series is.
    pub(crate) places: Vec<u32>,
    /// Readings by their number, those of a series side by side.
    order: Vec<u32>,
    starts: Vec<u32>,
}

impl Groups {
    /// Arranges the readings by `places`, of so many series.
    pub(crate) fn arrange(&mut self, series: usize) {
        self.order.clear();
        let readings = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.order.extend(0..readings);
        // Counting wants a pass over all series; few readings are sorted faster.
        if self.places.len() < series / 4 || self.places.contains(&NONE) {
            self.order.sort_by_key(|reading| self.places[*reading as usize]);
        } else {
            self.count(series);
        }
    }

    fn count(&mut self, series: usize) {
        self.starts.clear();
        self.starts.resize(series + 1, 0);
        self.places.iter().for_each(|place| self.starts[*place as usize + 1] += 1);
        (1..self.starts.len()).for_each(|at| self.starts[at] += self.starts[at - 1]);
        for (reading, place) in (0..).zip(&self.places) {
            let start = &mut self.starts[*place as usize];
            self.order[*start as usize] = reading;
            *start += 1;
        }
    }

    /// The groups: where a series is, and its readings in log order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[u32])> {
        let place = |reading: &u32| self.places[*reading as usize];
        self.order.chunk_by(move |a, b| place(a) == place(b)).map(move |group| (place(&group[0]), group))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_reading_is_there_once_beside_its_like_in_order(
            places in prop::collection::vec(prop_oneof![9 => 0..20_u32, 1 => Just(NONE)], 0..100),
            more in 0..1000_usize,
        ) {
            let mut groups = Groups { places: places.clone(), ..Groups::default() };
            groups.arrange(20 + more);
            let mut seen = std::collections::BTreeSet::new();
            let mut count = 0;
            for (place, readings) in groups.iter() {
                prop_assert!(seen.insert(place), "two groups of {}", place);
                prop_assert!(readings.is_sorted());
                prop_assert!(readings.iter().all(|reading| places[*reading as usize] == place));
                count += readings.len();
            }
            prop_assert_eq!(count, places.len());
        }
    }
}
