//! The judgement of single series: one [`Judge`] a worker, for the series that the worker owns.
//!
//! At the end of an epoch it takes the epoch's readings in log order, steps the detectors of each, then wakes those
//! whose time has come. What it answers depends on the readings and ticks alone: not on how they were cut into
//! polls, and not on which other series the worker owns.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use yiwang_catalogue::Catalogue;
use yiwang_detect::{Event, Input, Sample};
use yiwang_model::{SeriesId, Timestamp};

use crate::directory::{BySeries, Directory};
use crate::history::Seen;
use crate::item::{Counts, End, HeardOf, Item, Judged};
use crate::watched::{Step, Watched};

/// Judges the series of one worker.
pub struct Judge {
    directory: Arc<Directory>,
    catalogue: Option<Arc<Catalogue>>,
    revision: u32,
    places: BySeries<u32>,
    watched: Vec<Watched>,
    /// When to look at which series next; of several entries for one series only the earliest counts.
    wakes: BinaryHeap<Reverse<(Timestamp, u32)>>,
    heard: BTreeMap<Arc<str>, (Timestamp, Timestamp)>,
    counts: Counts,
    events: Vec<Event>,
}

impl Judge {
    /// Knows no series yet; begins under this revision of the catalogue, 0 for none.
    #[must_use]
    pub fn new(directory: Arc<Directory>, revision: u32) -> Self {
        let catalogue = directory.catalogue(revision);
        Self {
            directory,
            catalogue,
            revision,
            places: BySeries::default(),
            watched: Vec::new(),
            wakes: BinaryHeap::new(),
            heard: BTreeMap::new(),
            counts: Counts::default(),
            events: Vec::new(),
        }
    }

    /// Takes a whole epoch: its readings in any order, and the tick that closed it.
    pub fn epoch(&mut self, items: &mut [Item], end: &End, out: &mut Vec<Judged>) {
        if !items.is_sorted_by_key(Item::place) {
            items.sort_unstable_by_key(Item::place);
        }
        if self.catalogue.is_none() {
            self.switch(end, out);
        }
        items.iter().for_each(|item| self.item(item, out));
        if let Some(city) = end.city {
            self.wake(Timestamp(city), out);
        }
        if end.revision != self.revision {
            self.switch(end, out);
        }
        self.report(out);
    }

    fn item(&mut self, item: &Item, out: &mut Vec<Judged>) {
        let Some(place) = self.place(item.series) else {
            self.counts.unknown += 1;
            return;
        };
        let watched = &mut self.watched[place as usize];
        let sample = Sample { time: item.time, value: item.value, quality: item.quality };
        let input = match watched.history.see(item) {
            Seen::New => {
                self.counts.judged += 1;
                hear(&mut self.heard, watched, item.time);
                Input::Reading(sample)
            }
            Seen::Correction(was) => {
                self.counts.corrections += 1;
                Input::Correction { was, is: sample }
            }
            Seen::Repeat => return self.counts.repeats += 1,
            Seen::Forgotten => return self.counts.forgotten += 1,
        };
        watched.step(Step::All(&input), &mut self.events, out);
        if let Some(at) = watched.reschedule() {
            self.wakes.push(Reverse((at, place)));
        }
    }

    /// Where the series is; made if the catalogue has it.
    fn place(&mut self, id: SeriesId) -> Option<u32> {
        if let Some(place) = self.places.get(&id) {
            return Some(*place);
        }
        let series = self.directory.series(id)?;
        let watched = Watched::new(series, self.catalogue.as_deref()?)?;
        Some(self.insert(id, watched))
    }

    fn insert(&mut self, id: SeriesId, watched: Watched) -> u32 {
        let place = u32::try_from(self.watched.len()).unwrap_or(u32::MAX);
        self.watched.push(watched);
        self.places.insert(id, place);
        place
    }

    /// Ticks the detectors whose time has come.
    fn wake(&mut self, city: Timestamp, out: &mut Vec<Judged>) {
        while let Some(Reverse((at, place))) = self.wakes.peek().copied().filter(|Reverse((at, _))| *at <= city) {
            self.wakes.pop();
            let watched = &mut self.watched[place as usize];
            if !watched.is_due(at) {
                continue;
            }
            watched.step(Step::Due(city), &mut self.events, out);
            if let Some(next) = watched.reschedule() {
                self.wakes.push(Reverse((next, place)));
            }
        }
    }

    /// From here on another catalogue is in force.
    fn switch(&mut self, end: &End, out: &mut Vec<Judged>) {
        let Some(catalogue) = self.directory.catalogue(end.revision) else { return };
        self.wakes.clear();
        let city = end.city.map(Timestamp);
        for (place, watched) in (0..).zip(&mut self.watched) {
            watched.switch(&catalogue, city, out);
            if let Some(at) = watched.reschedule() {
                self.wakes.push(Reverse((at, place)));
            }
        }
        self.revision = end.revision;
        self.catalogue = Some(catalogue);
    }

    fn report(&mut self, out: &mut Vec<Judged>) {
        for (gateway, (oldest, newest)) in std::mem::take(&mut self.heard) {
            let (oldest, newest) = (oldest.nanos(), newest.nanos());
            out.push(Judged::Heard(HeardOf { gateway: gateway.to_string(), oldest, newest }));
        }
        if self.counts != Counts::default() {
            out.push(Judged::Counts(std::mem::take(&mut self.counts)));
        }
    }

    /// The whole state, one encoded `SeriesState` a series.
    #[must_use]
    pub fn save(&self) -> Vec<Vec<u8>> {
        let state = |(id, place): (&SeriesId, &u32)| self.watched[*place as usize].save(*id);
        self.places.iter().map(state).collect()
    }

    /// Takes over the saved state of one series.
    ///
    /// # Errors
    /// What does not fit.
    pub fn restore(&mut self, state: &yiwang_proto::log::SeriesState) -> Result<(), String> {
        let id = SeriesId(state.id);
        let series = self.directory.series(id).ok_or_else(|| format!("series {id:?} has no name"))?;
        let catalogue = self.catalogue.as_deref().ok_or("its catalogue is not in the log")?;
        let Some(mut watched) = Watched::new(series, catalogue) else { return Ok(()) };
        watched.restore(state)?;
        let scheduled = watched.reschedule();
        let place = self.insert(id, watched);
        self.wakes.extend(scheduled.map(|at| Reverse((at, place))));
        Ok(())
    }
}

fn hear(heard: &mut BTreeMap<Arc<str>, (Timestamp, Timestamp)>, watched: &Watched, time: Timestamp) {
    match heard.get_mut(&watched.gateway) {
        Some((oldest, newest)) => {
            *oldest = time.min(*oldest);
            *newest = time.max(*newest);
        }
        None => {
            heard.insert(Arc::clone(&watched.gateway), (time, time));
        }
    }
}
