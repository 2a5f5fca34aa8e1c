//! The judgement of single series: one [`Judge`] a worker, for the series that the worker owns.
//!
//! At the end of an epoch it takes the epoch's readings in log order, steps the detectors of each, then wakes those
//! whose time has come. What it answers depends on the readings and ticks alone: not on how they were cut into
//! polls, and not on which other series the worker owns.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use yiwang_catalogue::Catalogue;
use yiwang_detect::Event;
use yiwang_model::{SeriesId, Timestamp};
use yiwang_proto::log::SeriesState;

use crate::directory::{BySeries, Directory};
use crate::groups::{Groups, NONE};
use crate::item::{Counts, End, HeardOf, Item, Judged, Save};
use crate::outlet::Outlet;
use crate::saving::Saving;
use crate::watched::Watched;

/// Judges the series of one worker.
pub struct Judge {
    directory: Arc<Directory>,
    catalogue: Option<Arc<Catalogue>>,
    revision: u32,
    /// City time of the tick before: no reading of an epoch came earlier.
    city: Option<Timestamp>,
    places: BySeries<u32>,
    watched: Vec<Watched>,
    /// The series of each place.
    ids: Vec<SeriesId>,
    saving: Saving,
    /// Of what is saved; kept for its memory.
    scratch: Vec<u8>,
    /// When to look at which series next; of several entries for one series only the earliest counts.
    wakes: BinaryHeap<Reverse<(Timestamp, u32)>>,
    heard: BTreeMap<Arc<str>, (Timestamp, Timestamp)>,
    counts: Counts,
    events: Vec<Event>,
    groups: Groups,
    /// The readings of one series in an epoch, by event time.
    sorted: Vec<Item>,
    /// Whether those who ask about episodes may not know of all that are open: at a start, and when another catalogue came into force.
    untold: bool,
}

impl Judge {
    /// Knows no series yet; begins under this revision of the catalogue, 0 for none, at this city time, if there is one.
    #[must_use]
    pub fn new(directory: Arc<Directory>, revision: u32, city: Option<Timestamp>) -> Self {
        let catalogue = directory.catalogue(revision);
        Self {
            directory,
            catalogue,
            revision,
            city,
            places: BySeries::default(),
            watched: Vec::new(),
            ids: Vec::new(),
            saving: Saving::default(),
            scratch: Vec::new(),
            wakes: BinaryHeap::new(),
            heard: BTreeMap::new(),
            counts: Counts::default(),
            events: Vec::new(),
            groups: Groups::default(),
            sorted: Vec::new(),
            untold: true,
        }
    }

    /// Takes a whole epoch: its readings in any order, and the tick that closed it.
    pub fn epoch(&mut self, items: &mut [Item], end: &End, out: &mut Vec<Judged>) {
        if !is_in_order(items) {
            items.sort_unstable_by_key(Item::place);
        }
        if self.catalogue.is_none() {
            self.switch(end, out);
        }
        if std::mem::take(&mut self.untold) {
            self.watched.iter().for_each(|watched| watched.tell_open(out));
        }
        self.judge(items, out);
        if let Some(city) = end.city {
            self.city = Some(Timestamp(city));
            self.wake(Timestamp(city), out);
        }
        if end.revision != self.revision {
            self.switch(end, out);
        }
        self.report(out);
    }

    /// Judges readings that are in log order, series by series.
    fn judge(&mut self, items: &[Item], out: &mut Vec<Judged>) {
        let mut groups = std::mem::take(&mut self.groups);
        groups.places.clear();
        groups.places.extend(items.iter().map(|item| self.place(item.series).unwrap_or(NONE)));
        groups.arrange(self.watched.len());
        for (place, readings) in groups.iter() {
            let readings = readings.iter().map(|reading| &items[*reading as usize]);
            if place == NONE {
                self.counts.unknown += readings.len() as u64;
            } else {
                self.judge_series(place, readings, out);
            }
        }
        self.groups = groups;
    }

    fn judge_series<'a>(&mut self, place: u32, items: impl Iterator<Item = &'a Item>, out: &mut Vec<Judged>) {
        self.touch(place);
        let Some(catalogue) = self.catalogue.as_deref() else { return };
        let watched = &mut self.watched[place as usize];
        self.sorted.clear();
        self.sorted.extend(items.copied());
        let key = |item: &Item| (item.time, item.vintage);
        if !self.sorted.is_sorted_by_key(key) {
            self.sorted.sort_by_key(key);
        }
        let (counts, events) = (&mut self.counts, &mut self.events);
        let mut outlet = Outlet { catalogue, revision: self.revision, counts, events, out };
        let heard = watched.take(&self.sorted, self.city, &mut outlet);
        heard.into_iter().for_each(|span| hear(&mut self.heard, &watched.gateway, span));
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
        self.ids.push(id);
        self.places.insert(id, place);
        place
    }

    /// Ticks the detectors whose time has come.
    fn wake(&mut self, city: Timestamp, out: &mut Vec<Judged>) {
        let Some(catalogue) = self.catalogue.clone() else { return };
        let (catalogue, revision) = (&*catalogue, self.revision);
        while let Some(Reverse((at, place))) =
            self.wakes.peek().copied().filter(|Reverse((at, _))| *at <= city)
        {
            self.wakes.pop();
            let watched = &mut self.watched[place as usize];
            if !watched.is_due(at) {
                continue;
            }
            self.touch(place);
            let watched = &mut self.watched[place as usize];
            let (counts, events) = (&mut self.counts, &mut self.events);
            watched.wake(city, &mut Outlet { catalogue, revision, counts, events, out });
            if let Some(next) = watched.reschedule() {
                self.wakes.push(Reverse((next, place)));
            }
        }
    }

    /// From here on another catalogue is in force. Series that it does not have are forgotten, as they would be by a
    /// restart. Who asks about episodes is told of the open ones in the next epoch: what is said in this one goes to those who asked before.
    fn switch(&mut self, end: &End, out: &mut Vec<Judged>) {
        let Some(catalogue) = self.directory.catalogue(end.revision) else { return };
        self.go_on_saving(true, out);
        self.saving.forget();
        self.ids.clear();
        self.wakes.clear();
        let before = self.catalogue.replace(Arc::clone(&catalogue)).unwrap_or_else(|| Arc::clone(&catalogue));
        let mut watched: Vec<Option<Watched>> =
            std::mem::take(&mut self.watched).into_iter().map(Some).collect();
        for (id, place) in std::mem::take(&mut self.places) {
            let watched = watched[place as usize].take().expect("each place is one series'");
            self.keep(id, watched, (&before, &catalogue), end.city.map(Timestamp), out);
        }
        self.revision = end.revision;
        self.untold = true;
    }

    fn keep(
        &mut self,
        id: SeriesId,
        mut watched: Watched,
        catalogues: (&Catalogue, &Catalogue),
        city: Option<Timestamp>,
        out: &mut Vec<Judged>,
    ) {
        if watched.switch(catalogues, city, out) {
            let wanted = watched.reschedule();
            let place = self.insert(id, watched);
            self.wakes.extend(wanted.map(|at| Reverse((at, place))));
        }
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

    /// A series is about to change.
    fn touch(&mut self, place: u32) {
        let Self { saving, watched, ids, scratch, .. } = self;
        saving.touch(place as usize, |place, out| watched[place].put(ids[place], out, scratch));
    }

    /// After an epoch: goes on with the save that is under way, and begins one if it is asked for.
    pub fn save(&mut self, epoch: u64, save: Save, out: &mut Vec<Judged>) {
        if save < Save::Last {
            self.go_on_saving(save > Save::No, out);
        }
        self.saving.begin(epoch, save, self.watched.len());
        if save == Save::Last {
            self.go_on_saving(true, out);
        }
    }

    fn go_on_saving(&mut self, all: bool, out: &mut Vec<Judged>) {
        let Self { saving, watched, ids, scratch, .. } = self;
        saving.go_on(all, |place, out| watched[place].put(ids[place], out, scratch), out);
    }

    /// The states of all series.
    pub fn states(&self) -> impl Iterator<Item = SeriesState> {
        self.places.iter().map(|(id, place)| self.watched[*place as usize].save(*id))
    }

    /// Whether it knows a series.
    pub(crate) fn has(&self, id: SeriesId) -> bool {
        self.places.contains_key(&id)
    }

    /// Takes over the saved state of one series, which it does not know.
    ///
    /// # Errors
    /// What does not fit.
    pub fn restore(&mut self, state: &SeriesState) -> Result<(), String> {
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

/// Whether the readings of each partition are in log order. A series has all of its own in one, so how those of several lie
/// between each other is of no account; they lie anyhow where workers hand them to one another.
fn is_in_order(items: &[Item]) -> bool {
    let mut last = BTreeMap::new();
    items.chunk_by(|a, b| a.partition == b.partition).all(|run| {
        let ends = run[0].place()..=run[run.len() - 1].place();
        run.is_sorted_by_key(Item::place)
            && last.insert(run[0].partition, *ends.end()).is_none_or(|last| last < *ends.start())
    })
}

/// Notes that a gateway was heard, with the earliest and latest event time.
fn hear(
    heard: &mut BTreeMap<Arc<str>, (Timestamp, Timestamp)>,
    gateway: &Arc<str>,
    span: (Timestamp, Timestamp),
) {
    let all = heard.entry(Arc::clone(gateway)).or_insert(span);
    *all = (all.0.min(span.0), all.1.max(span.1));
}
