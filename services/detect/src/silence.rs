//! `silence`: a series that was heard before and is heard no more.
//!
//! An episode begins `after` behind the newest event time, once that moment has passed without a reading, and ends at the event
//! time of the next one. Readings of every quality are heard: a broken meter that says so is
//! not silent. A series that was never heard is not silent. The extreme is the silence in seconds: `after` while
//! it lasts, all of it once it ended.
//!
//! Memory: 32 bytes a series.
//!
//! Saved state: head 0x51; newest event time (option); whether an episode is open (byte 0 or 1).

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Severity, Span, Timestamp};

use crate::params::{Entry, Form, Parameter, SOURCE, optional};
use crate::registry::{Kind, Make};
use crate::state::{Reader, put_byte, put_option, put_time};
use crate::{Detector, Error, Event, Finding, Input, Prototype, SeriesContext, Spec};

const NAME: &str = "silence";
const HEAD: u8 = 0x51;
const _: () = assert!(size_of::<Silence>() <= 32);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "静默：序列超过规定时间没有读数",
    en: "no reading of the series for too long",
    unit: "s",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const PARAMS: &[Parameter] = &[
    optional("after", Form::Span, "how long a series may be silent; this or periods"),
    optional(
        "periods",
        Form::Number { least: 1.0, most: 1e6 },
        "how many of the series' periods it may be silent",
    ),
    SOURCE,
];

#[derive(Clone, Copy)]
enum After {
    Fixed(Span),
    Periods(f64),
}

struct Rules {
    severity: Severity,
    source: Arc<str>,
}

struct Prepared {
    after: After,
    rules: Arc<Rules>,
}

impl Prototype for Prepared {
    fn make(&self, series: &SeriesContext) -> Box<dyn Detector> {
        // a span is not that exact
        let after = match self.after {
            After::Fixed(after) => after,
            After::Periods(periods) => Span((series.period.0 as f64 * periods) as i64),
        };
        Box::new(Silence { rules: Arc::clone(&self.rules), after, heard: Heard::Never })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let after = entry.span("after");
    let periods = entry.number("periods");
    let given = |key| spec.params.contains_key(key);
    match (given("after"), given("periods")) {
        (false, false) => {
            entry.fault("after", "is missing: either after, a span, or periods, a number, is wanted")
        }
        (true, true) => entry.fault("periods", "stands beside after; only one of them can hold"),
        _ if after == Some(Span::ZERO) => entry.fault("after", "is 0s; a span above zero is wanted"),
        _ => {}
    }
    let after = after.map_or(After::Periods(periods.unwrap_or(1.0)), After::Fixed);
    let rules = Arc::new(Rules { severity: spec.severity, source: entry.source() });
    entry.finish(Box::new(Prepared { after, rules }))
}

struct Silence {
    rules: Arc<Rules>,
    /// Not above zero where the period is not known: then it never judges.
    after: Span,
    heard: Heard,
}

/// Whether the series was heard, and its newest event time.
#[derive(Clone, Copy)]
enum Heard {
    Never,
    At(Timestamp),
    /// An episode is open.
    NoMoreSince(Timestamp),
}

impl Silence {
    fn heard(&mut self, at: Timestamp, out: &mut Vec<Event>) {
        if let Heard::NoMoreSince(newest) = std::mem::replace(&mut self.heard, Heard::At(at)) {
            out.push(Event::Cleared(self.finding(newest, Some(at))));
        }
    }

    fn tick(&mut self, city: Timestamp, out: &mut Vec<Event>) {
        if let (Heard::At(newest), Some(wake)) = (self.heard, self.wake_at())
            && wake <= city
        {
            out.push(Event::Raised(self.finding(newest, None)));
            self.heard = Heard::NoMoreSince(newest);
        }
    }

    fn finding(&self, newest: Timestamp, end: Option<Timestamp>) -> Finding {
        let begin = newest + self.after;
        let end = end.map(|end| end.max(begin));
        Finding {
            begin,
            end,
            extreme: (end.unwrap_or(begin) - newest).as_secs_f64(),
            limit: Some(self.after.as_secs_f64()),
            edition: Arc::clone(&self.rules.source),
            severity: self.rules.severity,
        }
    }
}

impl Detector for Silence {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        match input {
            Input::Reading(sample) => self.heard(sample.time, out),
            Input::Tick { city } => self.tick(*city, out),
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        match self.heard {
            Heard::At(newest) if self.after > Span::ZERO => Some(newest + self.after + Span(1)),
            _ => None,
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        let (newest, open) = match self.heard {
            Heard::Never => (None, false),
            Heard::At(newest) => (Some(newest), false),
            Heard::NoMoreSince(newest) => (Some(newest), true),
        };
        put_option(out, newest, put_time);
        put_byte(out, open.into());
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let newest = from.option(Reader::time)?;
        let heard = match (from.byte()?, newest) {
            (0, None) => Heard::Never,
            (0, Some(newest)) => Heard::At(newest),
            (1, Some(newest)) => Heard::NoMoreSince(newest),
            (other, _) => return Err(from.damaged(format!("{other} does not say whether it is silent"))),
        };
        from.end()?;
        self.heard = heard;
        Ok(())
    }
}
