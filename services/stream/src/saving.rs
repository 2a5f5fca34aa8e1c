//! The state of a worker's series on its way into a checkpoint, without holding the flow up.
//!
//! A save is asked for at the end of an epoch and is of the state at that moment. It is not taken all at once: after each of the epochs that
//! follow some series are put into packs ([`STEP`]), and a series that is about to change before its turn is put there first. So what is saved
//! is one moment's, whoever speaks meanwhile. A save of what changed has the series that were touched since the save before.
//!
//! Memory: two bits a series, and the packs that are not handed on.

use std::collections::VecDeque;

use crate::item::{Judged, Part, Save};
use crate::pack::{Pack, Packer};

/// How many series are put into packs after an epoch: some ten milliseconds.
const STEP: usize = 32_768;

/// What of a worker's series is to be saved.
#[derive(Default)]
pub(crate) struct Saving {
    /// What changed since the save before.
    changed: Places,
    pending: Option<Pending>,
}

/// A save that is under way.
struct Pending {
    epoch: u64,
    /// Those whose turn has not come, and where to look for the next.
    places: Places,
    word: usize,
    packer: Packer,
    packs: VecDeque<Pack>,
}

impl Pending {
    fn put(&mut self, place: usize, put: impl FnOnce(usize, &mut Vec<u8>)) {
        self.packs.extend(self.packer.add(|out| put(place, out)));
    }
}

impl Saving {
    /// A series is about to change.
    pub(crate) fn touch(&mut self, place: usize, put: impl FnOnce(usize, &mut Vec<u8>)) {
        self.changed.insert(place);
        if let Some(pending) = &mut self.pending
            && pending.places.remove(place)
        {
            pending.put(place, put);
        }
    }

    /// Begins to save the state as it is after an epoch, with so many series. One that was under way must be finished before.
    pub(crate) fn begin(&mut self, epoch: u64, save: Save, series: usize) {
        let changed = std::mem::take(&mut self.changed);
        let places = match save {
            Save::No => return self.changed = changed,
            Save::Changes { .. } => changed,
            Save::Whole | Save::Last => Places::all(series),
        };
        let (packer, packs) = (Packer::default(), VecDeque::new());
        self.pending = Some(Pending { epoch, places, word: 0, packer, packs });
    }

    /// Puts some more series into packs, or all that are left, and hands packs on.
    pub(crate) fn go_on(
        &mut self,
        all: bool,
        mut put: impl FnMut(usize, &mut Vec<u8>),
        out: &mut Vec<Judged>,
    ) {
        let Some(pending) = &mut self.pending else { return };
        let mut left = if all { usize::MAX } else { STEP };
        while let Some(place) = pending.places.next(&mut pending.word).filter(|_| left > 0) {
            left -= 1;
            pending.places.remove(place);
            pending.put(place, &mut put);
        }
        let epoch = pending.epoch;
        let is_done = left > 0;
        if is_done {
            pending.packs.extend(pending.packer.end());
        }
        let part = |pack| Judged::State(Part { epoch, pack: Some(pack) });
        out.extend(pending.packs.drain(..).map(part));
        if is_done {
            out.push(Judged::State(Part { epoch, pack: None }));
            self.pending = None;
        }
    }

    /// Forgets what changed and what is under way: places mean other series from now on.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// A set of places.
#[derive(Default)]
struct Places(Vec<u64>);

impl Places {
    /// All below a number.
    fn all(count: usize) -> Self {
        let mut words = vec![u64::MAX; count / 64];
        words.extend((!count.is_multiple_of(64)).then(|| (1 << (count % 64)) - 1));
        Self(words)
    }

    fn insert(&mut self, place: usize) {
        if self.0.len() <= place / 64 {
            self.0.resize(place / 64 + 1, 0);
        }
        self.0[place / 64] |= 1 << (place % 64);
    }

    /// Takes a place out; false when it was not there.
    fn remove(&mut self, place: usize) -> bool {
        let Some(word) = self.0.get_mut(place / 64) else { return false };
        let bit = 1 << (place % 64);
        let was = *word & bit != 0;
        *word &= !bit;
        was
    }

    /// The first from a word on, which moves up to it.
    fn next(&self, word: &mut usize) -> Option<usize> {
        *word += self.0.get(*word..)?.iter().position(|bits| *bits != 0)?;
        Some(*word * 64 + self.0[*word].trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A worker whose series are numbers.
    #[derive(Default)]
    struct World {
        saving: Saving,
        values: Vec<u8>,
        out: Vec<Judged>,
    }

    impl World {
        fn write(&mut self, place: usize, value: u8) {
            let values = &self.values;
            self.saving.touch(place, |place, out| put(values, place, out));
            self.values[place] = value;
        }

        fn go_on(&mut self, all: bool) {
            let values = &self.values;
            self.saving.go_on(all, |place, out| put(values, place, out), &mut self.out);
        }

        /// What the save of an epoch has, if it is whole.
        fn saved(&self, epoch: u64) -> Option<BTreeSet<(u64, i64)>> {
            let parts: Vec<_> = self
                .out
                .iter()
                .filter_map(|said| if let Judged::State(part) = said { Some(part) } else { None })
                .collect();
            let own = || parts.iter().filter(|part| part.epoch == epoch);
            own().find(|part| part.pack.is_none())?;
            let states = own().filter_map(|part| part.pack.as_ref()).flat_map(|pack| pack.states().unwrap());
            Some(states.map(|state| (state.id, state.lag_nanos)).collect())
        }
    }

    fn put(values: &[u8], place: usize, out: &mut Vec<u8>) {
        use prost::Message as _;
        let state = yiwang_proto::log::SeriesState {
            id: place as u64,
            lag_nanos: values[place].into(),
            ..Default::default()
        };
        state.encode(out).unwrap();
    }

    proptest! {
        #[test]
        fn a_save_is_of_its_moment_whoever_changes_meanwhile(
            count in 1..300_usize,
            before in prop::collection::vec((0..300_usize, any::<u8>()), 0..60),
            after in prop::collection::vec((0..300_usize, any::<u8>()), 0..60),
        ) {
            let mut world = World { values: vec![0; count], ..World::default() };
            world.saving.begin(1, Save::Whole, count);
            world.go_on(true);
            for (place, value) in &before {
                world.write(place % count, *value);
            }
            let moment = world.values.clone();
            world.saving.begin(2, Save::Changes { since: 1 }, count);
            for (place, value) in &after {
                world.write(place % count, *value);
            }
            prop_assert_eq!(world.saved(2), None, "it is not done before its turn");
            world.go_on(true);
            let wanted: BTreeSet<(u64, i64)> =
                before.iter().map(|(place, _)| place % count).map(|place| (place as u64, moment[place].into())).collect();
            prop_assert_eq!(world.saved(2), Some(wanted));
            prop_assert_eq!(world.saved(1).map(|all| all.len()), Some(count));
            world.saving.begin(3, Save::Changes { since: 2 }, count);
            world.go_on(false);
            let touched: BTreeSet<u64> = after.iter().map(|(place, _)| (place % count) as u64).collect();
            prop_assert_eq!(world.saved(3).map(|all| all.into_iter().map(|(place, _)| place).collect()), Some(touched));
        }
    }

    #[test]
    fn a_large_save_is_taken_in_steps() {
        let count = 2 * STEP + 5;
        let mut world = World { values: vec![7; count], ..World::default() };
        world.saving.begin(9, Save::Whole, count);
        for step in 0..3 {
            assert_eq!(world.saved(9), None, "before step {step}");
            world.go_on(false);
        }
        assert_eq!(world.saved(9).map(|all| all.len()), Some(count));
    }
}
