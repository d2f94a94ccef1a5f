//! How many threads the sessions need, and who should move: decided from what each thread did in the last moments. Pure.
//!
//! Chosen: as few threads as carry the load. One that serves many sessions takes several events from the kernel at once
//! and sleeps less often, which costs less processor time per statement than the same sessions spread thinly. Given up:
//! for the moment that it takes to notice, a sudden load waits on one thread while others idle.

/// A thread that is busier than this needs help.
const FULL: f64 = 0.75;

/// Threads are given up when those that stay would not be busier than this.
const COMFORTABLE: f64 = 0.5;

/// For so many moments in a row: moving to and fro costs more than it saves.
const CALM_MOMENTS: u32 = 8;

/// Differences below this are not worth a move.
const UNEVEN: f64 = 0.15;

/// What one thread did since the last look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Its share of one processor, 0 to 1.
    pub busy: f64,
    /// Sessions that had anything to do.
    pub active: usize,
}

/// What remains known from one look to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Threads that new sessions are given to: the first ones.
    pub in_use: usize,
    calm: u32,
}

impl Balance {
    /// Begins with this many threads.
    pub const fn new(in_use: usize) -> Self {
        Self { in_use, calm: 0 }
    }

    /// Looks at all threads, and says for each how many of its active sessions should move.
    pub fn look(&mut self, loads: &[Load]) -> Vec<usize> {
        let total: f64 = loads.iter().map(|load| load.busy).sum();
        // A single session cannot be divided: another thread would not help it.
        let full = |load: &Load| load.busy > FULL && load.active > 1;
        if loads.iter().take(self.in_use).any(full) && self.in_use < loads.len() {
            self.in_use += 1;
            self.calm = 0;
        } else if self.in_use > 1 && total < COMFORTABLE * (self.in_use - 1) as f64 {
            self.calm += 1;
            if self.calm >= CALM_MOMENTS {
                self.in_use -= 1;
                self.calm = 0;
            }
        } else {
            self.calm = 0;
        }
        let fair = total / self.in_use as f64;
        let place = |(number, load): (usize, &Load)| match number < self.in_use {
            true => surplus(*load, fair),
            false => usize::MAX,
        };
        loads.iter().enumerate().map(place).collect()
    }
}

/// How many of a thread's active sessions make up what it does beyond its fair share.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count")]
fn surplus(load: Load, fair: f64) -> usize {
    if load.busy <= fair + UNEVEN || load.active < 2 {
        return 0;
    }
    let part = (load.busy - fair) / load.busy;
    ((load.active as f64 * part) as usize).clamp(1, load.active - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(busy: f64, active: usize) -> Load {
        Load { busy, active }
    }

    #[test]
    fn one_thread_is_enough_until_it_is_full() {
        let mut balance = Balance::new(1);
        assert_eq!(balance.look(&[load(0.6, 8), load(0.0, 0)]), [0, usize::MAX]);
        assert_eq!(balance.in_use, 1);
        assert_eq!(balance.look(&[load(0.9, 8), load(0.0, 0)]), [4, 0]);
        assert_eq!(balance.in_use, 2);
    }

    #[test]
    fn a_single_busy_session_stays_where_it_is() {
        let mut balance = Balance::new(1);
        assert_eq!(balance.look(&[load(1.0, 1), load(0.0, 0)]), [0, usize::MAX]);
        assert_eq!(balance.in_use, 1);
    }

    #[test]
    fn a_thread_is_given_up_after_a_while_of_calm_only() {
        let mut balance = Balance::new(2);
        let calm = [load(0.2, 3), load(0.2, 3)];
        for _ in 1..CALM_MOMENTS {
            assert_eq!(balance.look(&calm), [0, 0]);
        }
        assert_eq!(balance.look(&calm), [0, usize::MAX]);
        assert_eq!(balance.in_use, 1);
        let mut balance = Balance::new(2);
        for _ in 0..3 * CALM_MOMENTS {
            balance.look(&calm);
            balance.look(&[load(0.4, 3), load(0.3, 3)]);
        }
        assert_eq!(balance.in_use, 2, "the calm was interrupted");
    }

    #[test]
    fn what_is_even_enough_is_left_alone() {
        let mut balance = Balance::new(2);
        assert_eq!(balance.look(&[load(0.7, 9), load(0.5, 9)]), [0, 0]);
        assert_eq!(balance.look(&[load(0.7, 9), load(0.3, 9)]), [2, 0]);
    }

    proptest! {
        #[test]
        fn there_is_always_a_thread_and_nobody_moves_from_all_of_them(
            looks in proptest::collection::vec(proptest::collection::vec((0.0..1.0, 0_usize..50), 4), 1..60)
        ) {
            let mut balance = Balance::new(1);
            for look in looks {
                let loads: Vec<Load> = look.into_iter().map(|(busy, active)| load(busy, active)).collect();
                let moving = balance.look(&loads);
                prop_assert!((1..=4).contains(&balance.in_use));
                for (load, moving) in loads.iter().zip(&moving).take(balance.in_use) {
                    prop_assert!(*moving == 0 || *moving < load.active);
                }
                prop_assert!(moving.iter().take(balance.in_use).any(|moving| *moving == 0));
            }
        }
    }
}
