//! The phases of a column on its way out.

/// Where a column stands between active and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// In use like any other.
    Active,
    /// Allowed, with WARNING 01P01 once per session and statement shape.
    Deprecated,
    /// Treated as dropped: 42703, and `*` leaves it out.
    Sunset,
}

/// What the contract says of a column's retirement (`pgcovenantLifecycle`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lifecycle {
    /// The phase in force.
    pub phase: Phase,
    /// First day of the deprecation, ISO 8601.
    pub since: Option<Box<str>>,
    /// Day from which the column is to be treated as dropped, ISO 8601.
    pub sunset: Option<Box<str>>,
    /// The column to use instead.
    pub replaced_by: Option<Box<str>>,
    /// Why, in the owner's words.
    pub reason: Option<Box<str>>,
}
