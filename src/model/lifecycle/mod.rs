//! The way of a column or a table out: phases, and what each means for a statement that uses it.

mod brownout;
mod retirement;

pub use brownout::Brownout;
pub use retirement::{Exemption, Person, Retirement};

/// Where a column or a table stands between active and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// In use like any other.
    Active,
    /// Allowed, with WARNING 01P01 once per session and statement shape.
    Deprecated,
    /// Allowed like that for whoever used it before; whoever comes new is refused.
    Restricted,
    /// Fails for everybody in windows of time, so that those who have overlooked the warnings are found.
    Brownout,
    /// A rehearsed drop: 42703 or 42P01 as after it, and `*` leaves the column out.
    Sunset,
    /// It should be gone from the database; as long as it is not, the same.
    Removed,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 6] =
        [Self::Active, Self::Deprecated, Self::Restricted, Self::Brownout, Self::Sunset, Self::Removed];

    /// The word for it: in the contract, and as label `phase` of the metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deprecated => "deprecated",
            Self::Restricted => "restricted",
            Self::Brownout => "brownout",
            Self::Sunset => "sunset",
            Self::Removed => "removed",
        }
    }

    /// The phase of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }
}

/// What happens to a statement that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Conduct {
    /// Nothing.
    Allowed,
    /// It passes, with a warning.
    Warned,
    /// It fails where it names the column or the table; `*` still shows the column.
    Refused,
    /// It is treated as dropped.
    Gone,
}

/// Where a column or a table stands, for one consumer at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lifecycle {
    /// The phase in force.
    pub phase: Phase,
    /// What that means for this consumer now.
    pub conduct: Conduct,
    /// First day of the deprecation, ISO 8601.
    pub since: Option<Box<str>>,
    /// Day from which it is to be treated as dropped, ISO 8601.
    pub sunset: Option<Box<str>>,
    /// End of the brownout in force, ISO 8601.
    pub until: Option<Box<str>>,
    /// What to use instead.
    pub replaced_by: Option<Box<str>>,
    /// How statements that use the old column go on with the new one.
    pub redirect: Option<Redirect>,
    /// Why, in the owner's words.
    pub reason: Option<Box<str>>,
}

/// How statements that name a deprecated column reach the one in its place (`redirect`, `dualWrite`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redirect {
    /// The column in its place, in the same table.
    pub to: Box<str>,
    /// Reads of the old column give the value of the new one, under the old name.
    pub reads: bool,
    /// Where written values go.
    pub writes: RedirectedWrites,
}

/// Where values written to one of the two columns go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedirectedWrites {
    /// To the column that the statement names.
    AsNamed,
    /// To the new column, whichever of them the statement names.
    Replacement,
    /// To both, whichever of them the statement names.
    Both,
}

/// Who uses something: what a retirement distinguishes consumers by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who<'a> {
    /// `application_name`, the client's own word.
    pub application: &'a str,
    /// The role that logged in.
    pub user: &'a str,
}
