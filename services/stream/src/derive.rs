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
use crate::mixer::Mixer;
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
        fed.sort_unstable_by_key(|fed| (fed.to, fed.place, fed.order));
        let mut touched: BTreeSet<SeriesId> = BTreeSet::new();
        for fed in fed.iter() {
            let id = SeriesId(fed.to);
            if let Some(mixer) = self.mixer(id) {
                take(mixer, fed);
                touched.insert(id);
            }
        }
        let city = end.city.map(Timestamp);
        if let Some(city) = city {
            let later = self.wakes.split_off(&(Timestamp(city.0.saturating_add(1)), SeriesId(0)));
            touched.extend(std::mem::replace(&mut self.wakes, later).into_iter().map(|(_, id)| id));
        }
        let mut items = self.reckon(&touched, city, end.epoch);
        let mut said = Vec::new();
        self.judge.epoch(&mut items, end, &mut said);
        out.extend(
            said.into_iter()
                .filter(|said| !matches!(said, Judged::Heard(_) | Judged::Counts(_) | Judged::Fed(_))),
        );
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

    fn reckon(&mut self, touched: &BTreeSet<SeriesId>, city: Option<Timestamp>, epoch: u64) -> Vec<Item> {
        let (mut items, mut values) = (Vec::new(), Vec::new());
        for id in touched {
            let Some(mixer) = self.mixers.get_mut(id) else { continue };
            mixer.reckon(city, &mut values);
            self.wakes.extend(mixer.wake_at().map(|at| (at, *id)));
            items.extend((0..).zip(values.drain(..)).map(|(at, of)| Item {
                series: *id,
                at,
                offset: epoch,
                time: of.time,
                value: of.value,
                quality: of.quality,
                ..Item::default()
            }));
        }
        items
    }

    /// From here on another catalogue is in force. What it reckons in another way begins anew.
    fn switch(&mut self, revision: u32) {
        let Some(catalogue) = self.directory.catalogue(revision) else { return };
        name(&self.directory, &catalogue);
        let directory = &self.directory;
        self.mixers.retain(|id, mixer| {
            let series = directory.series(*id);
            series.and_then(|series| catalogue.derived().of(&series)).is_some_and(|how| mixer.is(how))
        });
        self.wakes.retain(|(_, id)| self.mixers.contains_key(id));
        (self.revision, self.catalogue) = (revision, Some(catalogue));
    }

    /// The whole state.
    pub fn save(&self) -> impl Iterator<Item = Pack> {
        let mut judged: BTreeMap<u64, SeriesState> =
            self.judge.states().map(|state| (state.id, state)).collect();
        let states = self.mixers.iter().map(move |(id, mixer)| {
            let judged =
                judged.remove(&id.0).unwrap_or_else(|| SeriesState { id: id.0, ..SeriesState::default() });
            SeriesState { reckoned: Some(mixer.save()), ..judged }
        });
        Pack::of(states.collect::<Vec<_>>().into_iter())
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

fn take(mixer: &mut Mixer, fed: &Fed) {
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
