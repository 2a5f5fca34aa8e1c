//! Each reading against the limit.

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::Timestamp;

use super::judge::{Judge, Window};
use super::{HEAD, NAME, Rules};
use crate::state::{Reader, put_byte, put_option, put_time};
use crate::{Detector, Error, Event, Input, Sample};

const _: () = assert!(size_of::<Instant>() <= 48);

pub(super) struct Instant {
    rules: Arc<Rules>,
    newest: Option<Timestamp>,
    judge: Judge,
}

impl Instant {
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        Self { rules, newest: None, judge: Judge::Calm }
    }

    fn reading(&mut self, sample: &Sample, out: &mut Vec<Event>) {
        if !sample.is_judged() || self.newest >= Some(sample.time) {
            return;
        }
        let at = sample.time;
        self.newest = Some(at);
        self.judge.value(&self.rules, Window { stamp: at, until: at, limit_at: at }, sample.value, out);
    }
}

impl Detector for Instant {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input {
            self.reading(sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        put_byte(out, 0);
        put_option(out, self.newest, put_time);
        self.judge.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        if from.byte()? != 0 {
            return Err(from.damaged("it is of a window, not of single readings"));
        }
        let newest = from.option(Reader::time)?;
        let judge = Judge::read(&mut from)?;
        from.end()?;
        (self.newest, self.judge) = (newest, judge);
        Ok(())
    }
}
