//! Reckoned series of one worker: readings of others in, values of frames to a judge of their own.
//!
//! A reckoned series belongs to the worker that its name falls to, like any other; what it is reckoned from is sent there at the end of
//! an epoch, sorted, and taken at once. What is found in it is told as in any other series. It is not heard: it says nothing of whether a
//! gateway lives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use yiwang_catalogue::Catalogue;
use yiwang_model::{AnomalyId, SeriesId, Timestamp};
use yiwang_proto::log::SeriesState;

use crate::directory::Directory;
use crate::item::{End, Item, Judged};
use crate::judge::Judge;
use crate::mixer::{Mixer, Reckoning};
use crate::pack::Pack;

/// Something for a reckoned series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fed {
    /// The number of the reckoned series.
    pub to: u64,
    /// Which of its sources, or of the detectors that it asks about, this is of.
    pub place: u32,
    /// The order in which the worker that it comes from said it.
    pub order: u64,
    /// What it is.
    pub what: What,
}

/// What a reckoned series is told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// A reading of a source; the value is none where it is not judged.
    Reading {
        /// Event time in nanoseconds.
        time: i64,
        /// Vintage in nanoseconds, 0 for none.
        vintage: i64,
        /// In the metric's unit.
        value: Option<f64>,
    },
    /// An episode of a detector: where it lies, in nanoseconds; nothing once it is withdrawn.
    Episode {
        /// Its name.
        id: [u8; 16],
        /// Begin, and end once it has one.
        covers: Option<(i64, Option<i64>)>,
    },
}

/// The reckoned series of a worker.
pub struct Deriver {
    directory: Arc<Directory>,
    catalogue: Option<Arc<Catalogue>>,
    revision: u32,
    mixers: BTreeMap<SeriesId, Mixer>,
    /// When to look at which again, in city time.
    wakes: BTreeSet<(Timestamp, SeriesId)>,
    judge: Judge,
}

impl Deriver {
    /// Knows nothing yet; begins under this revision of the catalogue, 0 for none, at this city time, if there is one.
    #[must_use]
    pub fn new(directory: Arc<Directory>, revision: u32, city: Option<Timestamp>) -> Self {
        let catalogue = directory.catalogue(revision);
        catalogue.iter().for_each(|catalogue| name(&directory, catalogue));
        let judge = Judge::new(Arc::clone(&directory), revision, city);
        Self { directory, catalogue, revision, mixers: BTreeMap::new(), wakes: BTreeSet::new(), judge }
    }

    /// Takes a whole epoch: what came for its series, in any order, and the tick that closed it.
    pub fn epoch(&mut self, fed: &mut [Fed], end: &End, out: &mut Vec<Judged>) {
        if self.catalogue.is_none() {
            self.switch(end.revision);
        }
        fed.sort_unstable_by_key(|fed| fed.to);
        let city = end.city.map(Timestamp);
        let (mut touched, mut early) = (BTreeSet::new(), Vec::new());
        for of_one in fed.chunk_by_mut(|a, b| a.to == b.to) {
            let id = SeriesId(of_one[0].to);
            let Some(mixer) = self.mixer(id) else { continue };
            touched.insert(id);
            take(mixer, of_one, city, |values| early.push((id, values)));
        }
        if let Some(city) = city {
            let later = self.wakes.split_off(&(Timestamp(city.0.saturating_add(1)), SeriesId(0)));
            touched.extend(std::mem::replace(&mut self.wakes, later).into_iter().map(|(_, id)| id));
        }
        let mut items = self.reckon(&touched, early, city, end.epoch);
        let mut said = Vec::new();
        self.judge.epoch(&mut items, end, &mut said);
        out.extend(said.into_iter().filter(|said| {
            !matches!(said, Judged::Heard(_) | Judged::Marked(_) | Judged::Counts(_) | Judged::Fed(_))
        }));
        if end.revision != self.revision {
            self.switch(end.revision);
        }
    }

    fn mixer(&mut self, id: SeriesId) -> Option<&mut Mixer> {
        if !self.mixers.contains_key(&id) {
            let mixer = self.fresh(id)?;
            self.mixers.insert(id, mixer);
        }
        self.mixers.get_mut(&id)
    }

    fn fresh(&self, id: SeriesId) -> Option<Mixer> {
        let (catalogue, series) = (self.catalogue.as_ref()?, self.directory.series(id)?);
        let how = catalogue.derived().of(&series)?;
        Some(Mixer::new(Arc::clone(how), catalogue.allowed_lateness(&series)))
    }

    /// What the frames of these come to, after what some came to earlier in the epoch.
    fn reckon(
        &mut self,
        touched: &BTreeSet<SeriesId>,
        early: Vec<(SeriesId, Vec<Reckoning>)>,
        city: Option<Timestamp>,
        epoch: u64,
    ) -> Vec<Item> {
        let mut values: BTreeMap<SeriesId, Vec<Reckoning>> = BTreeMap::new();
        early.into_iter().for_each(|(id, early)| values.entry(id).or_default().extend(early));
        for id in touched {
            let Some(mixer) = self.mixers.get_mut(id) else { continue };
            mixer.reckon(city, values.entry(*id).or_default());
            self.wakes.extend(mixer.wake_at().map(|at| (at, *id)));
        }
        let item = |series: SeriesId, at: usize, of: Reckoning| Item {
            series,
            at: at as u32,
            offset: epoch,
            time: of.time,
            value: of.value,
            quality: of.quality,
            ..Item::default()
        };
        let of_one = |(id, values): (SeriesId, Vec<Reckoning>)| {
            values.into_iter().enumerate().map(move |(at, of)| item(id, at, of))
        };
        values.into_iter().flat_map(of_one).collect()
    }

    /// From here on another catalogue is in force. What it reckons in another way begins anew.
    fn switch(&mut self, revision: u32) {
        let Some(catalogue) = self.directory.catalogue(revision) else { return };
        name(&self.directory, &catalogue);
        let directory = &self.directory;
        self.mixers.retain(|id, mixer| {
            let Some(series) = directory.series(*id) else { return false };
            let how = catalogue.derived().of(&series);
            how.is_some_and(|how| mixer.is(how, catalogue.allowed_lateness(&series)))
        });
        self.wakes.retain(|(_, id)| self.mixers.contains_key(id));
        (self.revision, self.catalogue) = (revision, Some(catalogue));
    }

    /// The whole state: of each series its frames, its judgement, or both. A change of the catalogue leaves the judgement alone.
    pub fn save(&self) -> impl Iterator<Item = Pack> {
        let mut states: BTreeMap<u64, SeriesState> =
            self.judge.states().map(|state| (state.id, state)).collect();
        for (id, mixer) in &self.mixers {
            let state =
                states.entry(id.0).or_insert_with(|| SeriesState { id: id.0, ..SeriesState::default() });
            state.reckoned = Some(mixer.save());
        }
        states.values_mut().for_each(|state| _ = state.reckoned.get_or_insert_default());
        Pack::of(states.into_values())
    }

    /// Whether it knows a series.
    pub(crate) fn has(&self, id: SeriesId) -> bool {
        self.mixers.contains_key(&id)
    }

    /// Takes over the saved state of one reckoned series.
    ///
    /// # Errors
    /// What does not fit.
    pub fn restore(&mut self, state: &SeriesState) -> Result<(), String> {
        let id = SeriesId(state.id);
        let Some(saved) = &state.reckoned else { return Ok(()) };
        let Some(mut mixer) = self.fresh(id) else { return Ok(()) };
        mixer.restore(saved)?;
        self.wakes.extend(mixer.wake_at().map(|at| (at, id)));
        self.mixers.insert(id, mixer);
        if state.history.is_some() { self.judge.restore(state) } else { Ok(()) }
    }
}

/// Enters the names of reckoned series, which no log has.
fn name(directory: &Directory, catalogue: &Catalogue) {
    catalogue.derived().series().for_each(|series| directory.name(series.clone()));
}

/// Tells a reckoned series what came of an epoch: episodes as they were said, then readings frame by frame. Frames are reckoned before a newer
/// one begins, as if each had come in an epoch of its own, so that none is forgotten unsaid; `early` is given what they come to.
fn take(mixer: &mut Mixer, fed: &mut [Fed], city: Option<Timestamp>, mut early: impl FnMut(Vec<Reckoning>)) {
    fed.sort_by_cached_key(|fed| (mixer.frame_of(fed), fed.place, fed.order));
    for fed in fed {
        if mixer.frame_of(fed).is_some_and(|frame| mixer.is_newer(frame)) {
            let mut values = Vec::new();
            mixer.reckon(city, &mut values);
            early(values);
        }
        tell(mixer, fed);
    }
}

fn tell(mixer: &mut Mixer, fed: &Fed) {
    let place = fed.place as usize;
    match fed.what {
        What::Reading { time, vintage, value } => {
            mixer.read(place, Timestamp(time), vintage, value.unwrap_or(f64::NAN));
        }
        What::Episode { id, covers } => {
            let covers = covers.map(|(begin, end)| (Timestamp(begin), end.map(Timestamp)));
            mixer.hear(place, AnomalyId(id), covers);
        }
    }
}
