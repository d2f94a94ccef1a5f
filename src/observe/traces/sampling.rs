//! Which statements become spans, and the ids of these.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::observe::event::TraceParent;

/// Which statements become spans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Where the application says to which span a statement belongs, it has decided already.
    pub parent_based: bool,
    /// Share of all others, from 0 to 1.
    pub roots: f64,
}

/// The lower seven bytes of a trace id are the ones that are random, and decide.
const RANDOM: u64 = (1 << 56) - 1;

/// Ids of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) trace: u128,
    pub(super) span: u64,
}

/// Decides. Costs an addition for each statement that is not taken.
#[derive(Debug)]
pub(super) struct Sampler {
    parent_based: bool,
    /// Roots whose random bytes are below this are taken.
    threshold: u64,
    /// The upper half of all trace ids of this process.
    upper: u64,
    next: AtomicU64,
}

impl Sampler {
    /// `seed` tells processes apart.
    pub(super) fn new(sampling: Sampling, seed: [u64; 2]) -> Self {
        // 2^56 is exact, and a product out of bounds ends at the bound.
        let threshold = (sampling.roots.clamp(0.0, 1.0) * (1_u64 << 56) as f64) as u64;
        let [upper, next] = seed;
        Self { parent_based: sampling.parent_based, threshold, upper, next: AtomicU64::new(next) }
    }

    /// The ids of the span for a statement, if it gets one.
    pub(super) fn decide(&self, parent: Option<&TraceParent>) -> Option<Ids> {
        match parent {
            Some(parent) if self.parent_based => (parent.flags & 1 == 1).then(|| self.child(parent)),
            Some(parent) => (self.threshold > parent.trace as u64 & RANDOM).then(|| self.child(parent)),
            None if self.threshold == 0 => None,
            None => {
                let lower = self.draw();
                let taken = self.threshold > lower & RANDOM;
                taken.then(|| Ids { trace: u128::from(self.upper) << 64 | u128::from(lower), span: self.draw() })
            }
        }
    }

    fn child(&self, parent: &TraceParent) -> Ids {
        Ids { trace: parent.trace, span: self.draw() }
    }

    /// The next of 2^64 different numbers in an order that looks like none (splitmix64).
    fn draw(&self) -> u64 {
        let mut mixed = self.next.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Zero is no id.
        (mixed ^ mixed >> 31).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(parent_based: bool, roots: f64, parent: Option<TraceParent>) -> usize {
        let sampler = Sampler::new(Sampling { parent_based, roots }, [7, 1]);
        (0..100_000).filter(|_| sampler.decide(parent.as_ref()).is_some()).count()
    }

    fn parent(flags: u8) -> Option<TraceParent> {
        Some(TraceParent { trace: 0xff_ffff_ffff_ffff, span: 2, flags })
    }

    #[test]
    fn the_share_of_roots_is_the_one_that_was_asked_for() {
        let share = taken(true, 0.01, None);
        assert!((850..1150).contains(&share), "{share} of 100000");
        assert_eq!((taken(true, 0.0, None), taken(true, 1.0, None)), (0, 100_000));
    }

    #[test]
    fn the_application_decides_for_its_own_spans() {
        assert_eq!((taken(true, 1.0, parent(0)), taken(true, 0.0, parent(1))), (0, 100_000));
        assert_eq!(taken(true, 0.0, parent(3)), 100_000, "other flags do not matter");
        assert_eq!((taken(false, 1.0, parent(0)), taken(false, 0.5, parent(1))), (100_000, 0), "unless told otherwise");
    }

    #[test]
    fn ids_are_never_the_same_and_a_child_keeps_the_trace() {
        let sampler = Sampler::new(Sampling { parent_based: true, roots: 1.0 }, [9, 3]);
        let ids: std::collections::BTreeSet<_> =
            (0..10_000).flat_map(|_| sampler.decide(None)).flat_map(|ids| [ids.trace as u64, ids.span]).collect();
        assert_eq!(ids.len(), 20_000);
        let child = sampler.decide(parent(1).as_ref()).unwrap();
        assert_eq!(child.trace, 0xff_ffff_ffff_ffff);
        assert_ne!(child.span, 2);
    }
}
