//! Counters of the server as growth since the last look.

use std::collections::HashMap;

use crate::model::catalog::Oid;

/// What was read last, by object; objects that were not read in this round are forgotten at its end.
#[derive(Default)]
pub(super) struct Counters {
    last: HashMap<Oid, [i64; 4]>,
    next: HashMap<Oid, [i64; 4]>,
    has_baseline: bool,
}

impl Counters {
    /// The growth since the last round. A value that shrank was reset in between, so all of it is new. An object that the last
    /// round did not have was made since, so all of its counts are new as well; in the first round nothing is.
    pub(super) fn since_last(&mut self, oid: Oid, now: [i64; 4]) -> [u64; 4] {
        let before = match self.last.get(&oid) {
            Some(before) => *before,
            None if self.has_baseline => [0; 4],
            None => now,
        };
        self.next.insert(oid, now);
        let mut grown = [0; 4];
        for ((grown, now), before) in grown.iter_mut().zip(now).zip(before) {
            let difference = if now >= before { now.saturating_sub(before) } else { now };
            *grown = u64::try_from(difference).unwrap_or(0);
        }
        grown
    }

    /// The end of a round.
    pub(super) fn forget_unseen(&mut self) {
        self.last = std::mem::take(&mut self.next);
        self.has_baseline = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_round_is_the_baseline_and_later_ones_count_what_was_added() {
        let mut counters = Counters::default();
        assert_eq!(counters.since_last(Oid(1), [10, 5, 0, 0]), [0; 4]);
        counters.forget_unseen();
        assert_eq!(counters.since_last(Oid(1), [12, 5, 1, 0]), [2, 0, 1, 0]);
        assert_eq!(counters.since_last(Oid(2), [3, 0, 0, 0]), [3, 0, 0, 0], "made after the baseline");
    }

    #[test]
    fn a_reset_counts_from_zero() {
        let mut counters = Counters::default();
        counters.since_last(Oid(1), [100, 100, 100, 100]);
        counters.forget_unseen();
        assert_eq!(counters.since_last(Oid(1), [4, 100, 0, 101]), [4, 0, 0, 1]);
    }

    #[test]
    fn dropped_objects_are_forgotten() {
        let mut counters = Counters::default();
        counters.since_last(Oid(1), [1; 4]);
        counters.forget_unseen();
        counters.forget_unseen();
        assert!(counters.last.is_empty());
    }
}
