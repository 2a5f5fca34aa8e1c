//! Each reading against the limit.

use std::mem::size_of;
use std::sync::Arc;

use super::judge::{Judge, Window};
use super::{HEAD, NAME, Rules};
use crate::state::{Reader, put_byte};
use crate::{Detector, Error, Event, Input, Sample};

const _: () = assert!(size_of::<Instant>() <= 16);

pub(super) struct Instant {
    rules: Arc<Rules>,
    judge: Judge,
}

impl Instant {
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        Self { rules, judge: Judge::default() }
    }

    fn reading(&mut self, sample: &Sample, out: &mut Vec<Event>) {
        let at = sample.time;
        self.judge.value(&self.rules, Window { stamp: at, until: at, limit_at: at }, sample.value, out);
    }
}

impl Detector for Instant {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.reading(sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        put_byte(out, 0);
        self.judge.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        if from.byte()? != 0 {
            return Err(from.damaged("it is of a window, not of single readings"));
        }
        let judge = Judge::read(&mut from)?;
        from.end()?;
        self.judge = judge;
        Ok(())
    }
}
