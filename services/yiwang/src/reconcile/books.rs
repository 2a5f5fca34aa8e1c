//! The comparisons, and what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::Path;

use anyhow::Context;
use yiwang_model::order::Channel;
use yiwang_model::{Anomaly, Phase, Series, Timestamp, Vintage};
use yiwang_orders::{EpisodeRow, OrderStore};
use yiwang_series::Mark;

use super::log_book::{Key, LogBook};

/// How many differences of a kind are shown.
const SHOWN: usize = 10;

/// What a series store holds: by key the value, bit by bit.
pub type Stored = BTreeMap<Key, u64>;

/// One comparison: what was looked at, and what differs.
#[derive(Debug, Default)]
pub struct Account {
    looked_at: u64,
    differences: u64,
    shown: Vec<String>,
}

impl Account {
    fn differ(&mut self, what: impl Display) {
        self.differences += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(what.to_string());
        }
    }
}

/// The comparisons.
#[derive(Debug, Default)]
pub struct Books {
    /// The log against itself: whether all of it can be read.
    log: Account,
    acked: Account,
    store: Account,
    episodes: Account,
    /// Orders that alerts of other systems opened; the log has nothing of them.
    alerts: Account,
    /// Acknowledged readings of which nothing can be said, because retention cut the log.
    beyond: u64,
    dropped: u64,
}

impl Books {
    /// Takes note of how far the log could be read.
    pub fn log(&mut self, log: &LogBook) {
        self.log.looked_at = log.records;
        self.dropped = log.dropped;
        log.damage.iter().for_each(|why| self.log.differ(format!("the log cannot be read: {why}")));
    }

    /// The acknowledgements of a sender against the log; where retention has cut that, against the store.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn acked(&mut self, log: &LogBook, stored: &Stored, file: &Path) -> anyhow::Result<()> {
        let name = file.display();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        // A sender that was killed may have left half a line.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for (line, text) in (1..).zip(whole.lines()) {
            self.acked.looked_at += 1;
            match acknowledged(text) {
                None => self.acked.differ(format!("{name}:{line}: \"{text:.200}\" is no acknowledgement")),
                Some(acked) if log.has(&acked) || (log.dropped > 0 && stored.contains_key(&acked.0)) => {}
                Some(_) if log.dropped > 0 => self.beyond += 1,
                Some(_) => self.acked.differ(format!("{name}:{line}: {text} is not in the log")),
            }
        }
        Ok(())
    }

    /// A store that cannot be read.
    pub fn no_store(&mut self, why: impl Display) {
        self.store.differ(why);
    }

    /// Orders that cannot be read.
    pub fn no_orders(&mut self, why: impl Display) {
        self.episodes.differ(why);
    }

    /// The store against the log, and the log against the store.
    pub fn store(&mut self, log: &LogBook, stored: &Stored, mark: &Mark) {
        for (key, said) in &log.readings {
            let due = said.iter().rposition(|place| place.is_before(mark));
            let Some(due) = due else { continue };
            self.store.looked_at += 1;
            match stored.get(key) {
                None => self.store.differ(format!("{} is in the log and not in the store", log.show(key))),
                // What lies beyond the mark may be in the store already.
                Some(bits) if said[due..].iter().any(|place| place.bits == *bits) => {}
                Some(bits) => {
                    let (is, last) = (f64::from_bits(*bits), f64::from_bits(said[due].bits));
                    self.store
                        .differ(format!("{}: the store has {is}, the last value is {last}", log.show(key)));
                }
            }
        }
        let whole = log.dropped == 0 && log.damage.is_none();
        for key in stored.keys().filter(|key| whole && !log.readings.contains_key(key)) {
            self.store.differ(format!("{} is in the store and not in the log", log.show(key)));
        }
    }

    /// Each episode against its order, and the other way round.
    ///
    /// # Errors
    /// When the orders cannot be read.
    pub async fn episodes(&mut self, log: &LogBook, orders: &dyn OrderStore) -> anyhow::Result<()> {
        let mut ordered = BTreeSet::new();
        let mut after = None;
        loop {
            let page = orders.episodes(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.anomaly.id);
            for row in &page {
                if row.channel == Channel::Alert {
                    self.alert(log, row);
                    continue;
                }
                ordered.insert(row.anomaly.id);
                self.episode(log, row);
            }
        }
        let missing = log.found.iter().filter(|(id, of)| !ordered.contains(id) && !log.is_untold(of));
        for (id, anomaly) in missing {
            let Anomaly { detector, series, begin, .. } = anomaly;
            self.episodes.differ(format!("episode {id} ({detector}, {series}, since {begin}) has no order"));
        }
        Ok(())
    }

    /// An order of an episode: the log has it, and says the same of it.
    fn episode(&mut self, log: &LogBook, row: &EpisodeRow) {
        self.episodes.looked_at += 1;
        let (no, id) = (&row.no, row.anomaly.id);
        match log.found.get(&id).map(standing) {
            Some(said) if said == standing(&row.anomaly) => {}
            Some(said) => self.episodes.differ(format!(
                "episode {id} {said} by the log and {} by order {no}",
                standing(&row.anomaly)
            )),
            None if log.dropped > 0 || log.damage.is_some() => {}
            None => self.episodes.differ(format!("order {no} is of episode {id}, which is not in the log")),
        }
        if row.active != row.anomaly.is_active() {
            self.episodes.differ(format!("order {no} contradicts itself about whether its episode goes on"));
        }
    }

    /// An order of an alert: no episode of the log is its, and it is over when it has an end.
    fn alert(&mut self, log: &LogBook, row: &EpisodeRow) {
        self.alerts.looked_at += 1;
        let EpisodeRow { no, anomaly, active, .. } = row;
        if log.found.contains_key(&anomaly.id) {
            self.alerts.differ(format!("order {no} is of an alert and of episode {}", anomaly.id));
        }
        if *active == anomaly.end.is_some() || anomaly.end.is_some_and(|end| end < anomaly.begin) {
            self.alerts.differ(format!("order {no} of an alert contradicts itself about its end"));
        }
    }

    fn accounts(&self) -> [(&'static str, &Account); 5] {
        [
            ("records of the log", &self.log),
            ("acknowledged readings in the log", &self.acked),
            ("keys of the log in the store", &self.store),
            ("episodes and their orders", &self.episodes),
            ("orders of other systems' alerts", &self.alerts),
        ]
    }

    /// Whether nothing differs.
    pub fn balanced(&self) -> bool {
        self.accounts().iter().all(|(_, account)| account.differences == 0)
    }
}

impl Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, account) in self.accounts() {
            writeln!(f, "{what}: {} looked at, {} differ", account.looked_at, account.differences)?;
            account.shown.iter().try_for_each(|shown| writeln!(f, "  {shown}"))?;
        }
        if self.dropped > 0 {
            writeln!(f, "{} records were dropped by retention and cannot be balanced", self.dropped)?;
            writeln!(
                f,
                "{} acknowledged readings are neither in what is left of the log nor in the store",
                self.beyond
            )?;
        }
        writeln!(f, "{}", if self.balanced() { "balanced" } else { "NOT balanced" })
    }
}

/// How many orders are read at once.
const PAGE: u32 = 500;

/// How an episode stands, in words.
fn standing(anomaly: &Anomaly) -> &'static str {
    match (anomaly.phase, anomaly.is_active()) {
        (Phase::Withdrawn, _) => "is withdrawn",
        (_, true) => "goes on",
        (_, false) => "is over",
    }
}

/// A line `source,metric,time,value[,vintage]`: its key and the bits of its value.
fn acknowledged(line: &str) -> Option<(Key, u64)> {
    let mut fields = line.split(',');
    let series = Series::new(fields.next()?, fields.next()?).ok()?;
    let time = Timestamp(fields.next()?.parse().ok()?);
    let value: f64 = fields.next()?.parse().ok()?;
    let vintage = fields.next().map(str::parse).transpose().ok()?.map(Timestamp);
    Some(((series.id(), time, Vintage(vintage)), value.to_bits()))
}

#[cfg(test)]
mod tests {
    use yiwang_model::{AnomalyId, OrderNo, OrderState, SeriesId, Severity};

    use super::super::log_book::Said;
    use super::*;

    fn said(values: &[(u64, f64)]) -> Vec<Said> {
        values
            .iter()
            .map(|(offset, value)| Said { partition: 0, offset: *offset, bits: value.to_bits() })
            .collect()
    }

    fn key(time: i64) -> Key {
        (SeriesId(1), Timestamp(time), Vintage(None))
    }

    fn differences(log: &[(i64, &[(u64, f64)])], store: &[(i64, f64)]) -> u64 {
        let log = LogBook {
            readings: log.iter().map(|(time, values)| (key(*time), said(values))).collect(),
            ..LogBook::default()
        };
        let store = store.iter().map(|(time, value)| (key(*time), value.to_bits())).collect();
        let mut books = Books::default();
        books.store(&log, &store, &Mark::from([("readings/0".to_owned(), 10)]));
        books.store.differences
    }

    #[test]
    fn the_store_must_have_the_last_value_up_to_its_mark_and_nothing_else() {
        assert_eq!(differences(&[(1, &[(3, 1.0)])], &[(1, 1.0)]), 0);
        assert_eq!(differences(&[(1, &[(3, 1.0)])], &[]), 1, "lost");
        assert_eq!(differences(&[], &[(1, 1.0)]), 1, "invented");
        assert_eq!(differences(&[(1, &[(3, 1.0), (4, 2.0)])], &[(1, 1.0)]), 1, "not corrected");
        assert_eq!(differences(&[(1, &[(3, 1.0), (4, 2.0)])], &[(1, 2.0)]), 0);
        assert_eq!(differences(&[(1, &[(30, 1.0)])], &[]), 0, "beyond the mark");
        assert_eq!(
            differences(&[(1, &[(3, 1.0), (30, 2.0)])], &[(1, 2.0)]),
            0,
            "beyond the mark, there already"
        );
    }

    /// The differences of a log that says this last of an episode, and an order that says that.
    fn told(log: Option<Anomaly>, order: Anomaly) -> Vec<String> {
        let row = EpisodeRow {
            no: OrderNo("YW20260302-000001".into()),
            channel: Channel::Sensor,
            department: "ecology".into(),
            state: OrderState::Opened,
            active: order.is_active(),
            anomaly: order,
        };
        let log =
            LogBook { found: log.map(|said| (said.id, said)).into_iter().collect(), ..LogBook::default() };
        let mut books = Books::default();
        books.episode(&log, &row);
        books.episodes.shown
    }

    #[test]
    fn log_and_orders_must_agree_how_an_episode_stands() {
        let goes_on = raised();
        let is_over = Anomaly { phase: Phase::Cleared, end: Some(Timestamp(2)), ..goes_on.clone() };
        let withdrawn = Anomaly { phase: Phase::Withdrawn, ..is_over.clone() };
        let all = [goes_on, is_over, withdrawn];
        for (a, said) in all.iter().enumerate() {
            assert_eq!(told(None, said.clone()).len(), 1, "invented");
            for (b, order) in all.iter().enumerate() {
                let differ = told(Some(said.clone()), order.clone());
                assert_eq!(differ.len(), usize::from(a != b), "{differ:?}");
            }
        }
    }

    #[test]
    fn only_what_was_told_needs_an_order() {
        let part = Anomaly { phase: Phase::Withdrawn, into: Some(AnomalyId([7; 16])), ..raised() };
        let mut log = LogBook { found: [(part.id, part.clone())].into(), ..LogBook::default() };
        assert!(log.is_untold(&part), "it was part of another before anybody heard of it");
        assert!(!log.is_untold(&raised()));
        log.told.insert(part.id);
        assert!(!log.is_untold(&part), "it was told");
    }

    fn raised() -> Anomaly {
        let series = Series::new("a", "pm2_5").expect("good names");
        Anomaly {
            id: AnomalyId::of("rule", &series, Timestamp(1)),
            detector: "rule".into(),
            series,
            phase: Phase::Raised,
            begin: Timestamp(1),
            end: None,
            extreme: 1.0,
            limit: None,
            edition: "e".into(),
            severity: Severity::Warning,
            because: None,
            into: None,
            silenced: None,
        }
    }

    #[test]
    fn a_line_that_is_no_acknowledgement_is_told() {
        assert!(acknowledged("a,b,1,2.5").is_some() && acknowledged("a,b,1,2.5,7").is_some());
        for line in ["", "a,b", "a,b,x,1", "a,b,1,x", "a b,c,1,1"] {
            assert!(acknowledged(line).is_none(), "{line}");
        }
    }
}
