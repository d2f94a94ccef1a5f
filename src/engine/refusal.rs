//! What a client is told when a statement is refused, in PostgreSQL's message style.

use std::sync::Arc;

use super::report::Report;

/// The SQLSTATEs that the engine answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SqlState {
    /// 42501: the policy denies it.
    InsufficientPrivilege,
    /// 0A000: not understood, hence refused.
    FeatureNotSupported,
    /// 42601: PostgreSQL's grammar rejects it.
    SyntaxError,
    /// 42703: no such column, or one past its sunset.
    UndefinedColumn,
    /// 42P01: no such relation.
    UndefinedTable,
    /// 54000: larger than the configured limit.
    ProgramLimitExceeded,
    /// 54001: nested too deeply or too long to analyse.
    StatementTooComplex,
    /// 55000: cannot be judged in the session's present state.
    ObjectNotInPrerequisiteState,
    /// 42702: a name that means two columns.
    AmbiguousColumn,
    /// 2BP01: something is in use that is to be dropped or changed.
    DependentObjectsStillExist,
    /// 58030: it could not be audited.
    IoError,
}

impl SqlState {
    /// The five characters.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InsufficientPrivilege => "42501",
            Self::FeatureNotSupported => "0A000",
            Self::SyntaxError => "42601",
            Self::UndefinedColumn => "42703",
            Self::UndefinedTable => "42P01",
            Self::ProgramLimitExceeded => "54000",
            Self::StatementTooComplex => "54001",
            Self::ObjectNotInPrerequisiteState => "55000",
            Self::AmbiguousColumn => "42702",
            Self::DependentObjectsStillExist => "2BP01",
            Self::IoError => "58030",
        }
    }
}

/// A refusal. Holds nothing that the policy keeps secret and no value from the database.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Which error.
    pub sqlstate: SqlState,
    /// Primary message: lower case, one sentence, no full stop.
    pub message: String,
    /// The rule and what it protects.
    pub detail: Option<String>,
    /// What to do instead, or whom to ask.
    pub hint: Option<String>,
    /// 1-based character position in the client's text.
    pub position: Option<u32>,
    /// What was understood of the text, for metrics and audit.
    pub report: Arc<Report>,
}
