//! Severity that rises while an episode goes on.
//!
//! Any detector of single series can have this around it: it says what the detector says, and besides that an episode which has gone on
//! for `after` is at least as grave as `to`. How far out values are raises severity in the detectors themselves (`serious_at`,
//! `critical_at`); the graver of the two holds.
//!
//! The entry's parameter `rises` is a text of steps, `6h serious, 24h critical`, each later and graver than the one before. A step is due at
//! begin + `after`; then there is a tick, and an episode that still goes on is said to have worsened. One that is opened when a step
//! is due already, as by a mean over a day, is opened with it.
//!
//! Memory: 32 bytes, and 100 while an episode is open, with the text of its edition. Saved as: head, the open episode (option) as
//! begin, extreme, limit (option), edition, severity, steps reached; then the state of the detector.

use std::sync::Arc;

use yiwang_model::{Severity, Span, Timestamp};

use crate::state::{Reader, put_byte, put_count, put_number, put_option, put_text, put_time};
use crate::{Detector, Error, Event, Finding, Input, Param, Prototype, SeriesContext, Spec, Witness};

/// The parameter, which every kind of single series has.
pub const KEY: &str = "rises";

/// What a state opens with.
const HEAD: u8 = 0x29;
/// The most steps.
const MAX_STEPS: usize = 3;

/// After how long an episode is how grave.
type Steps = Arc<[(Span, Severity)]>;

/// Takes `rises` out of an entry: the entry without it, and its steps.
pub(crate) fn split(spec: &Spec) -> (Spec, Result<Steps, Error>) {
    let mut rest = spec.clone();
    let steps = match rest.params.remove(KEY) {
        None => Some(Steps::default()),
        Some(Param::Text(text)) => read(&text),
        Some(_) => None,
    };
    let why = "is no row of steps; steps as \"6h serious, 24h critical\", each later and graver, is wanted";
    (rest, steps.ok_or_else(|| Error::Param { key: KEY.into(), why: why.into() }))
}

fn read(text: &str) -> Option<Steps> {
    let step = |part: &str| {
        let (after, to) = part.trim().split_once(' ')?;
        let after = after.parse().ok().filter(|after: &Span| *after > Span::ZERO)?;
        Some((after, to.trim().parse().ok()?))
    };
    let steps: Vec<(Span, Severity)> = text.split(',').map(step).collect::<Option<_>>()?;
    let rise = steps.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1);
    (rise && steps.len() <= MAX_STEPS).then(|| steps.into())
}

/// Makes detectors whose episodes grow graver; without steps what is given is given back.
pub(crate) fn around(inner: Box<dyn Prototype>, steps: Steps) -> Box<dyn Prototype> {
    if steps.is_empty() { inner } else { Box::new(Rise { inner, steps }) }
}

struct Rise {
    inner: Box<dyn Prototype>,
    steps: Steps,
}

impl Prototype for Rise {
    fn make(&self, series: &SeriesContext) -> Box<dyn Detector> {
        let (inner, steps) = (self.inner.make(series), Arc::clone(&self.steps));
        Box::new(Rising { inner, steps, open: None })
    }
}

struct Rising {
    inner: Box<dyn Detector>,
    steps: Steps,
    open: Option<Box<Open>>,
}

/// An episode that goes on.
#[derive(Clone, Debug, PartialEq)]
struct Open {
    /// As the detector said it last.
    finding: Finding,
    /// How many steps are over.
    reached: usize,
}

impl Rising {
    /// What is said in place of an event of the detector, which was told something of this time.
    fn pass(&mut self, event: Event, at: Timestamp) -> Event {
        let before = self.open.take().map_or(0, |open| open.reached);
        match event {
            Event::Raised(finding) => {
                let over = |(after, _): &&(Span, Severity)| finding.begin + *after <= at;
                let reached = self.steps.iter().take_while(over).count();
                Event::Raised(self.goes_on(finding, reached))
            }
            Event::Worsened(finding) => Event::Worsened(self.goes_on(finding, before)),
            Event::Cleared(finding) => {
                Event::Cleared(Finding { severity: self.grade(finding.severity, before), ..finding })
            }
        }
    }

    fn goes_on(&mut self, finding: Finding, reached: usize) -> Finding {
        let said = Finding { severity: self.grade(finding.severity, reached), ..finding.clone() };
        self.open = Some(Box::new(Open { finding, reached }));
        said
    }

    /// Tells itself of the moments before a reading that nobody told it of.
    fn catch_up(&mut self, before: Timestamp, out: &mut Vec<Event>) {
        let mut last = Timestamp::MIN;
        while let Some(wake) = self.wake_at().filter(|wake| *wake < before && *wake > last) {
            self.step(&Input::Tick { city: wake }, out);
            last = wake;
        }
    }

    /// How grave an episode is, by the detector and by the steps that are over.
    fn grade(&self, own: Severity, reached: usize) -> Severity {
        let least = reached.checked_sub(1).and_then(|last| self.steps.get(last));
        least.map_or(own, |(_, to)| own.max(*to))
    }

    /// When the next step of the open episode is due.
    fn due(&self) -> Option<Timestamp> {
        let open = self.open.as_deref()?;
        self.steps.get(open.reached).map(|(after, _)| open.finding.begin + *after)
    }

    /// Takes the steps that are due; says so if the episode is graver for them.
    fn rise(&mut self, now: Timestamp) -> Option<Event> {
        let Open { finding, reached } = *self.open.take()?;
        let over = |(after, _): &&(Span, Severity)| finding.begin + *after <= now;
        let (was, is) = (reached, self.steps.iter().take_while(over).count().max(reached));
        let was = self.grade(finding.severity, was);
        let said = self.goes_on(finding, is);
        (said.severity > was).then_some(Event::Worsened(said))
    }
}

impl Detector for Rising {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input {
            self.catch_up(sample.time, out);
        }
        let at = match input {
            Input::Reading(sample) => sample.time,
            Input::Tick { city } => *city,
        };
        let is_its_own =
            matches!(input, Input::Reading(_)) || self.inner.wake_at().is_some_and(|wake| wake <= at);
        let mut events = Vec::new();
        if is_its_own {
            self.inner.step(input, &mut events);
        }
        out.extend(events.into_iter().map(|event| self.pass(event, at)));
        if matches!(input, Input::Tick { .. }) {
            out.extend(self.rise(at));
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.inner.wake_at().into_iter().chain(self.due()).min()
    }

    fn score(&self) -> Option<f64> {
        self.inner.score()
    }

    fn witnesses(&self) -> Vec<Witness> {
        self.inner.witnesses()
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        put_option(out, self.open.as_deref(), |out, Open { finding, reached }| {
            put_time(out, finding.begin);
            put_number(out, finding.extreme);
            put_option(out, finding.limit, put_number);
            put_text(out, &finding.edition);
            put_byte(out, finding.severity as u8);
            put_count(out, *reached);
        });
        self.inner.snapshot(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(KEY, HEAD, state)?;
        let most = self.steps.len();
        let open = from.option(|from| {
            let finding = Finding {
                begin: from.time()?,
                end: None,
                extreme: from.number()?,
                limit: from.option(Reader::number)?,
                edition: from.text()?,
                severity: from.severity()?,
            };
            Ok(Box::new(Open { finding, reached: from.count(most)? }))
        })?;
        self.inner.restore(from.rest())?;
        self.open = open;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
