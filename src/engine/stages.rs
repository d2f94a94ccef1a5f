//! Where the time for judging a text goes.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// A part of judging: label `stage` of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Statements, kinds and trees: both grammars.
    Parse,
    /// Names to numbers.
    Resolve,
    /// What the subject's rules say.
    Decide,
    /// The replacements.
    Rewrite,
    /// The final text against allow-lists.
    Verify,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::Parse, Self::Resolve, Self::Decide, Self::Rewrite, Self::Verify];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Resolve => "resolve",
            Self::Decide => "decide",
            Self::Rewrite => "rewrite",
            Self::Verify => "verify",
        }
    }
}

/// The time that each stage took for one text, over all of its statements. A stage that was not reached took none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages([Duration; Stage::ALL.len()]);

impl Stages {
    /// The time of a stage, if it was reached.
    pub fn of(&self, stage: Stage) -> Option<Duration> {
        self.0.get(stage as usize).copied().filter(|took| !took.is_zero())
    }

    /// Adds to the time of a stage.
    pub fn add(&mut self, stage: Stage, took: Duration) {
        if let Some(sum) = self.0.get_mut(stage as usize) {
            *sum = sum.saturating_add(took);
        }
    }
}

/// Measures the stages of one text, one after the other: every moment belongs to one of them.
#[derive(Debug)]
pub(super) struct Stopwatch {
    last: Cell<Instant>,
    stages: Cell<Stages>,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self { last: Cell::new(Instant::now()), stages: Cell::default() }
    }

    /// The time since the last lap was this stage's.
    pub(super) fn lap(&self, stage: Stage) {
        let now = Instant::now();
        let took = now.duration_since(self.last.replace(now));
        let mut stages = self.stages.get();
        stages.add(stage, took);
        self.stages.set(stages);
    }

    pub(super) fn stages(&self) -> Stages {
        self.stages.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_belongs_to_one_stage() {
        let (watch, before) = (Stopwatch::start(), Instant::now());
        std::thread::sleep(Duration::from_millis(2));
        watch.lap(Stage::Parse);
        watch.lap(Stage::Decide);
        std::thread::sleep(Duration::from_millis(1));
        watch.lap(Stage::Parse);
        let stages = watch.stages();
        assert!(stages.of(Stage::Parse).unwrap() >= Duration::from_millis(3));
        assert_eq!((stages.of(Stage::Resolve), stages.of(Stage::Verify)), (None, None));
        let all: Duration = Stage::ALL.iter().filter_map(|stage| stages.of(*stage)).sum();
        assert!(all <= before.elapsed() + Duration::from_millis(1));
    }
}
