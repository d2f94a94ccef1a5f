//! `ddl` of a policy as written: who may change the structure, when, and how.

use jiff::{SignedDuration, Timestamp};

use super::Audience;

/// The section `ddl`. What is left out says nothing: then other policies decide, or the defaults.
#[derive(Debug, Clone, Default)]
pub struct DdlRules {
    /// Who may change the structure of what the contracts beside it describe.
    pub to: Option<Audience>,
    /// When nobody may.
    pub freeze: Vec<Freeze>,
    /// What is asked of the setting `lock_timeout`.
    pub lock_timeout: Option<LockTimeout>,
    /// What becomes of a change that takes something away which is in use.
    pub in_use: Option<InUse>,
    /// How long ago a use still counts.
    pub in_use_window: Option<SignedDuration>,
}

/// A time in which the structure stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Freeze {
    /// Begins.
    pub from: Timestamp,
    /// Ends.
    pub until: Timestamp,
    /// Why.
    pub reason: Option<Box<str>>,
}

/// What is asked of `lock_timeout`, from the milder to the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockTimeout {
    /// A session without one is given so many milliseconds.
    Give(u32),
    /// A session without one is refused.
    Require,
}

/// What becomes of a change that takes something away which is in use, from the milder to the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InUse {
    /// Nothing.
    Off,
    /// It passes, with a warning.
    Warn,
    /// It is refused.
    Refuse,
}

impl Freeze {
    /// Whether that moment lies in it.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// The next moment after `now` at which it begins or ends.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        [self.from, self.until].into_iter().find(|edge| *edge > now)
    }
}

impl LockTimeout {
    /// The stricter of two: that it is required, and the shorter time.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Give(one), Self::Give(other)) => Self::Give(one.min(other)),
            _ => Self::Require,
        }
    }
}
