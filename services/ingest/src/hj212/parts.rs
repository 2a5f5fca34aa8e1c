//! Split packets: each part is taken alone; here it is only noted which came.
//!
//! Parts belong together by CN and DataTime, of one logger. Their QN differ.

use std::collections::VecDeque;

use yiwang_proto::hj212::Part;

use super::counts::Counts;

/// The most split packets of a logger that are followed at once.
const MAX_OPEN: usize = 8;
/// The most parts that are told apart; later ones count as there.
const MAX_PARTS: u16 = 64;

/// The split packets of one logger that are not whole.
#[derive(Debug, Default)]
pub(super) struct Parts(VecDeque<Open>);

#[derive(Debug)]
struct Open {
    cn: u16,
    /// `DataTime` as a number.
    time: i64,
    /// How many parts it is said to have.
    of: u16,
    missing: u64,
}

impl Parts {
    /// Notes a part.
    pub(super) fn note(&mut self, cn: u16, time: i64, part: Part, counts: &Counts) {
        let at = self.0.iter().position(|open| (open.cn, open.time) == (cn, time)).unwrap_or_else(|| {
            if self.0.len() == MAX_OPEN {
                self.0.pop_front();
                counts.torn.add(1);
            }
            self.0.push_back(Open { cn, time, of: part.of, missing: all(part.of) });
            self.0.len() - 1
        });
        let Some(open) = self.0.get_mut(at) else { return };
        if open.of != part.of {
            // It is another packet, or nobody can say how many parts it has: begin anew.
            (open.of, open.missing) = (part.of, all(part.of));
            counts.torn.add(1);
        }
        open.missing &= !(1 << (part.number.min(MAX_PARTS) - 1));
        if open.missing == 0 {
            self.0.remove(at);
            counts.whole.add(1);
        }
    }

    /// Nothing more will come.
    pub(super) fn end(&self, counts: &Counts) {
        counts.torn.add(self.0.len() as u64);
    }
}

/// A bit for each part.
fn all(parts: u16) -> u64 {
    u64::MAX >> (MAX_PARTS - parts.clamp(1, MAX_PARTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_as_whole_in_any_order_and_as_torn_when_given_up() {
        let (mut parts, counts) = (Parts::default(), Counts::default());
        for (time, number) in [(1, 2), (2, 1), (1, 2), (1, 1)] {
            parts.note(2061, time, Part { of: 2, number }, &counts);
        }
        assert_eq!((counts.whole.get(), counts.torn.get()), (1, 0));
        for time in 10..20 {
            parts.note(2061, time, Part { of: 65_535, number: 65_535 }, &counts);
        }
        assert_eq!(counts.torn.get(), 3);
        parts.end(&counts);
        assert_eq!((counts.whole.get(), counts.torn.get()), (1, 11));
    }

    #[test]
    fn parts_that_do_not_agree_on_how_many_they_are_are_not_whole() {
        let (mut parts, counts) = (Parts::default(), Counts::default());
        for (of, number) in [(2, 1), (3, 2), (2, 1), (3, 3)] {
            parts.note(2061, 1, Part { of, number }, &counts);
        }
        assert_eq!((counts.whole.get(), counts.torn.get()), (0, 3));
        for number in [2, 1] {
            parts.note(2061, 1, Part { of: 3, number }, &counts);
        }
        assert_eq!((counts.whole.get(), counts.torn.get()), (1, 3));
    }
}
