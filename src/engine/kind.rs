//! Statement kinds in the words of reports, and how to find the query in them.

use super::report::Operation;
use crate::sql::inner::Around;
use crate::sql::second_opinion::{StatementKind as K, TableChange, Verb};

/// How a statement is analysed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A query or data-modifying statement, with these words around it.
    Query(Around),
    /// Without one that we look into.
    Other,
}

/// The verb of a statement.
pub(super) fn operation(kind: &K) -> Operation {
    match kind {
        K::Select | K::SelectInto { .. } => Operation::Select,
        K::Insert => Operation::Insert,
        K::Update => Operation::Update,
        K::Delete => Operation::Delete,
        K::Merge => Operation::Merge,
        K::Copy { .. } => Operation::Copy,
        K::Transaction(_) | K::SetConstraints => Operation::Transaction,
        K::Set { .. } | K::Reset { .. } | K::ResetAll | K::Show { .. } | K::Discard => Operation::Session,
        K::Ddl | K::Table(_) | K::CreateTableAs { .. } => Operation::Ddl,
        K::DeclareCursor | K::Fetch | K::ClosePortal => Operation::Cursor,
        K::Prepare | K::Execute | K::Deallocate => Operation::Prepare,
        K::Explain => Operation::Explain,
        K::Listen | K::Unlisten | K::Notify | K::Lock | K::Call | K::Do | K::Vacuum | K::Other => Operation::Utility,
    }
}

/// How to analyse a statement.
pub(super) fn form(kind: &K) -> Form {
    match kind {
        K::Select | K::Insert | K::Update | K::Delete | K::Merge => Form::Query(Around::Plain),
        K::Explain => Form::Query(Around::Explain),
        K::SelectInto { .. } => Form::Query(Around::Into),
        K::Prepare | K::CreateTableAs { .. } => Form::Query(Around::As),
        K::DeclareCursor => Form::Query(Around::Declare),
        K::Copy { .. } => Form::Query(Around::Copy),
        K::Transaction(_)
        | K::SetConstraints
        | K::Set { .. }
        | K::Reset { .. }
        | K::ResetAll
        | K::Show { .. }
        | K::Discard
        | K::Table(_)
        | K::Ddl
        | K::Fetch
        | K::ClosePortal
        | K::Execute
        | K::Deallocate
        | K::Listen
        | K::Unlisten
        | K::Notify
        | K::Lock
        | K::Call
        | K::Do
        | K::Vacuum
        | K::Other => Form::Other,
    }
}

/// Why columns behind a statement of this kind are not found, where it may read or write some.
pub(super) fn blind_spot(kind: &K) -> Option<&'static str> {
    match kind {
        K::Do | K::Call => Some("procedural"),
        _ => None,
    }
}

/// Statements other than queries that fail where a table is not there.
pub(super) fn needs_tables(kind: &K) -> bool {
    matches!(kind, K::Lock | K::Vacuum | K::Table(TableChange::Truncate))
}

/// What a statement of which only the outline is known does to a relation.
pub(super) fn operation_on(verb: Verb, kind: &K) -> Operation {
    match verb {
        Verb::Read => Operation::Select,
        Verb::Insert => Operation::Insert,
        Verb::Update => Operation::Update,
        Verb::Delete => Operation::Delete,
        Verb::Merge => Operation::Merge,
        Verb::Other => operation(kind),
    }
}
