//! Episodes that open no order because a silence of the catalogue holds, and what becomes of them when it ends.
//!
//! All that is found in an epoch passes here on its way to the orders. An episode that is opened while a silence matches it is kept
//! quiet: each of its steps is recorded with the silence's name and makes no order. When no silence matches it any more, because
//! its time is over or it was taken out, an episode that still goes on is opened then, as it stands. One that was over before the
//! silence was stays quiet for good, also when its readings came later. An episode that has an order already goes on with it.
//!
//! What is said follows from the steps, the catalogue in force and city time alone, all of which the log has.
//!
//! Memory: for each episode that is kept quiet its last step and its series, about 400 bytes. One that is over is forgotten when late
//! readings can no longer bring it back: a day and twice what its metric allows after its end.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use yiwang_catalogue::Catalogue;
use yiwang_model::{Anomaly, AnomalyId, Phase, Series, Span, Timestamp};

use crate::item::Found;

/// The most quiet episodes that are told one by one.
pub const MAX_TOLD: usize = 200;

/// The episodes that are quiet now, as people are told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quiet {
    /// How many go on.
    pub count: usize,
    /// Those that began last, at most [`MAX_TOLD`].
    pub episodes: Vec<Anomaly>,
}

/// An episode that is kept quiet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// As it was last told, with the silence's name.
    anomaly: Anomaly,
    /// The series to look at.
    series: Vec<Series>,
    /// When the silence that kept it last ended, or is to end.
    until: Timestamp,
}

/// Under which revision of the catalogue all were looked at last, and when to look at all again.
type Looked = Option<(u32, Option<Timestamp>)>;

/// Keeps episodes quiet.
#[derive(Debug, Default)]
pub(crate) struct Hush {
    kept: BTreeMap<AnomalyId, Kept>,
    looked: Looked,
    /// Whether people were told of all that is kept.
    told: bool,
}

/// What holds at the end of an epoch.
#[derive(Clone, Copy)]
pub(crate) struct Now<'a> {
    pub(crate) revision: u32,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) city: Timestamp,
}

impl Hush {
    /// Takes what was found in an epoch: marks what is quiet, and adds what is quiet no longer. Gives how many episodes became quiet.
    pub(crate) fn sift(&mut self, now: Now<'_>, found: &mut Vec<Found>) -> u64 {
        if now.catalogue.silences.is_empty() && self.kept.is_empty() {
            return 0;
        }
        let (touched, new) = self.mark(now, found);
        let due = self.looked.is_none_or(|(revision, next)| {
            revision != now.revision || next.is_some_and(|next| next <= now.city)
        });
        let look: Vec<AnomalyId> =
            if due { self.kept.keys().copied().collect() } else { touched.iter().copied().collect() };
        for id in look {
            self.look(id, touched.contains(&id), now, found);
        }
        if due {
            self.looked = Some((now.revision, now.catalogue.next_end_of_silence(now.city)));
        }
        if due || !touched.is_empty() {
            self.kept.retain(|_, kept| !kept.is_settled(now));
            self.told = false;
        }
        new
    }

    /// Marks the steps of quiet episodes; gives those episodes, and how many of them are new.
    fn mark(&mut self, now: Now<'_>, found: &mut [Found]) -> (BTreeSet<AnomalyId>, u64) {
        let stands: BTreeMap<AnomalyId, Anomaly> =
            found.iter().map(|found| (found.anomaly.id, found.anomaly.clone())).collect();
        let (mut touched, mut new) = (BTreeSet::new(), 0);
        for step in found {
            let id = step.anomaly.id;
            if step.anomaly.phase == Phase::Raised && !self.kept.contains_key(&id) {
                let Some(silence) = now.catalogue.silence(&stands[&id], now.city) else { continue };
                let anomaly = Anomaly { silenced: Some(silence.id.clone()), ..step.anomaly.clone() };
                self.kept.insert(id, Kept { anomaly, series: step.series.clone(), until: silence.to });
                new += 1;
            }
            let Some(kept) = self.kept.get_mut(&id) else { continue };
            step.anomaly.silenced = kept.anomaly.silenced.clone();
            kept.anomaly = step.anomaly.clone();
            touched.insert(id);
        }
        (touched, new)
    }

    /// Looks at a quiet episode: withdrawn it is forgotten; quiet no longer, it is opened as it stands.
    fn look(&mut self, id: AnomalyId, touched: bool, now: Now<'_>, found: &mut Vec<Found>) {
        let Some(kept) = self.kept.get_mut(&id) else { return };
        if kept.anomaly.phase == Phase::Withdrawn {
            self.kept.remove(&id);
            return;
        }
        if let Some(silence) = now.catalogue.silence(&kept.anomaly, now.city) {
            kept.anomaly.silenced = Some(silence.id.clone());
            kept.until = silence.to;
            return;
        }
        // one that was taken out or shortened ended when that was seen
        kept.until = kept.until.min(now.city);
        let goes_on_beyond = kept.anomaly.end.is_none_or(|end| touched && end > kept.until);
        if goes_on_beyond {
            found.extend(self.kept.remove(&id).into_iter().flat_map(Kept::opened));
        }
    }

    /// What people are told, if it is not what they were told last.
    pub(crate) fn news(&mut self) -> Option<Quiet> {
        if std::mem::replace(&mut self.told, true) {
            return None;
        }
        let mut active: Vec<&Anomaly> =
            self.kept.values().map(|kept| &kept.anomaly).filter(|anomaly| anomaly.is_active()).collect();
        active.sort_by_key(|anomaly| (std::cmp::Reverse(anomaly.begin), anomaly.id));
        Some(Quiet { count: active.len(), episodes: active.into_iter().take(MAX_TOLD).cloned().collect() })
    }

    /// The whole state, as JSON: what is kept and when all was looked at last, in a row; empty for none.
    pub(crate) fn save(&self) -> Vec<u8> {
        let kept: Vec<&Kept> = self.kept.values().collect();
        if kept.is_empty() {
            Vec::new()
        } else {
            serde_json::to_vec(&(kept, self.looked)).unwrap_or_default()
        }
    }

    /// Takes over what [`Hush::save`] gave, now or when it told only what is kept: then all is looked at again.
    ///
    /// # Errors
    /// When the bytes are no such state.
    pub(crate) fn restore(state: &[u8]) -> Result<Self, String> {
        let (kept, looked): (Vec<Kept>, Looked) = match state {
            [] => (Vec::new(), None),
            state => serde_json::from_slice(state)
                .or_else(|error| Ok((serde_json::from_slice(state).map_err(|_| error)?, None)))
                .map_err(|error: serde_json::Error| {
                    format!("the episodes that are kept quiet are damaged: {error}")
                })?,
        };
        let kept = kept.into_iter().map(|kept| (kept.anomaly.id, kept)).collect();
        Ok(Self { kept, looked, ..Self::default() })
    }
}

impl Kept {
    /// The steps by which it is opened.
    fn opened(self) -> impl Iterator<Item = Found> {
        let Self { anomaly, series, .. } = self;
        let is = Anomaly { silenced: None, because: None, ..anomaly };
        let raised = Anomaly { phase: Phase::Raised, end: None, ..is.clone() };
        let cleared = is.end.map(|_| Anomaly { phase: Phase::Cleared, ..is });
        let step = move |anomaly| Found { anomaly, points: Vec::new(), series: series.clone() };
        std::iter::once(raised).chain(cleared).map(step)
    }

    /// Whether it is over, and no reading can come any more that changes it.
    fn is_settled(&self, now: Now<'_>) -> bool {
        let late = now.catalogue.allowed_lateness(&self.anomaly.series).times(2);
        self.anomaly.end.is_some_and(|end| end + late + Span::DAY < now.city)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state with one episode, as it was saved before it told when all was looked at, and as it is now.
    #[test]
    fn a_state_without_a_last_look_is_still_read() {
        let series = serde_json::json!({"source": "s-1", "metric": "pm10"});
        let anomaly = serde_json::json!({"id": "0".repeat(32), "detector": "silent", "series": series, "phase": "raised",
            "begin": "2026-03-01T00:00:00Z", "end": null, "extreme": 0.0, "limit": null, "edition": "a rule",
            "severity": "warning", "silenced": "known"});
        let kept =
            serde_json::json!([{"anomaly": anomaly, "series": [series], "until": "2026-03-02T00:00:00Z"}]);
        let mut hush = Hush::restore(kept.to_string().as_bytes()).unwrap();
        assert_eq!((hush.kept.len(), hush.looked), (1, None));
        hush.looked = Some((7, Some(Timestamp(9))));
        let again = Hush::restore(&hush.save()).unwrap();
        assert_eq!((again.kept, again.looked), (hush.kept, hush.looked));
    }

    #[test]
    fn a_state_of_nobodys_making_is_refused() {
        assert!(Hush::restore(&[]).is_ok_and(|hush| hush.save().is_empty()));
        for bytes in [&b"{"[..], b"[1]", b"[[1],null]", b"[[],1]", b"[{\"anomaly\":null}]", &[0xff, 0xfe]] {
            assert!(Hush::restore(bytes).unwrap_err().contains("kept quiet are damaged"), "{bytes:?}");
        }
    }
}
