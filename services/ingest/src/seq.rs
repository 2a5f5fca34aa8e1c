//! The running numbers of gateways: a number that was left out is a message that did not come.
//!
//! A gateway may number what it sends, from any number on, each message one more than the last; readings of one message carry
//! the same number. What is missing is counted and told once for each gateway. Nothing is refused for its number.
//!
//! - A lower number, or one that is more than [`MAX_GAP`] ahead, is a gateway that began anew, no gap.
//! - A message that is marked as sent again says nothing of what is missing.
//! - What came before this process is not known: its first number is taken as it is.
//!
//! Bounded: [`MAX_GATEWAYS`] are watched, those of more are counted as not watched.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::counters::Counter;

/// How many gateways are watched.
pub const MAX_GATEWAYS: usize = 65_536;

/// The most messages that can be missing at once.
pub const MAX_GAP: u64 = 1 << 32;

/// How far the number of a message can be trusted to be the next of its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It came in the order in which it was sent.
    Kept,
    /// It is marked as sent again.
    Again,
    /// Nothing follows from it: it was retained, or others get the rest.
    Unknown,
}

/// The last numbers of all gateways.
#[derive(Debug, Default)]
pub struct Seqs {
    last: Mutex<HashMap<Box<str>, Last>>,
    /// Messages that did not come, by their numbers.
    pub missing: Counter,
    /// How often a gateway began anew with a lower number.
    pub restarts: Counter,
    /// Numbered messages of gateways that are not watched, because too many are.
    pub unwatched: Counter,
}

#[derive(Debug)]
struct Last {
    seq: u64,
    told: bool,
}

impl Seqs {
    /// Takes note of a number.
    pub(crate) fn see(&self, gateway: &str, seq: u64, order: Order) {
        if order == Order::Unknown {
            return;
        }
        let mut gateways = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = gateways.get_mut(gateway) else {
            if gateways.len() < MAX_GATEWAYS {
                gateways.insert(gateway.into(), Last { seq, told: false });
            } else {
                self.unwatched.add(1);
            }
            return;
        };
        if seq < last.seq && order == Order::Again {
            return;
        }
        let missing = seq.saturating_sub(last.seq).saturating_sub(1);
        if seq < last.seq || missing > MAX_GAP {
            self.restarts.add(1);
        } else if missing > 0 {
            self.missing.add(missing);
            if !std::mem::replace(&mut last.told, true) {
                tracing::warn!(
                    gateway,
                    missing,
                    seq,
                    "messages of a gateway are missing; told once, counted on"
                );
            }
        }
        last.seq = seq;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(numbers: &[(u64, Order)]) -> (u64, u64) {
        let seqs = Seqs::default();
        numbers.iter().for_each(|(seq, order)| seqs.see("g1", *seq, *order));
        (seqs.missing.get(), seqs.restarts.get())
    }

    #[test]
    fn a_gap_is_what_was_left_out() {
        use Order::{Again, Kept, Unknown};
        let kept = |numbers: &[u64]| counted(&numbers.iter().map(|seq| (*seq, Kept)).collect::<Vec<_>>());
        assert_eq!(kept(&[7, 8, 8, 8, 9]), (0, 0));
        assert_eq!(kept(&[7, 8, 11, 12, 14]), (3, 0));
        assert_eq!(kept(&[7, 0, 1, 2]), (0, 1));
        assert_eq!(kept(&[0, MAX_GAP + 1]), (MAX_GAP, 0));
        assert_eq!(kept(&[0, MAX_GAP + 2, u64::MAX]), (0, 2));
        assert_eq!(counted(&[(7, Kept), (8, Kept), (7, Again), (8, Again), (9, Kept)]), (0, 0));
        assert_eq!(counted(&[(7, Kept), (9, Again)]), (1, 0));
        assert_eq!(counted(&[(7, Kept), (90, Unknown), (8, Kept)]), (0, 0));
    }

    #[test]
    fn each_gateway_has_its_own_numbers_and_too_many_are_counted() {
        let seqs = Seqs::default();
        seqs.see("g1", 1, Order::Kept);
        seqs.see("g2", 9, Order::Kept);
        seqs.see("g1", 2, Order::Kept);
        assert_eq!(seqs.missing.get(), 0);
        (0..MAX_GATEWAYS).for_each(|number| seqs.see(&format!("more-{number}"), 1, Order::Kept));
        assert_eq!(seqs.unwatched.get(), 2);
        assert_eq!(seqs.last.lock().unwrap().len(), MAX_GATEWAYS);
    }
}
