//! Statement kinds in the words of reports, and how to find the query in them.

use super::report::Operation;
use crate::sql::inner::Around;
use crate::sql::second_opinion::{StatementKind, Verb};

/// How a statement is analysed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A query or data-modifying statement, with these words around it.
    Query(Around),
    /// Without one that we look into.
    Other,
}

/// The verb of a statement.
pub(super) fn operation(kind: &StatementKind) -> Operation {
    match kind {
        StatementKind::Select | StatementKind::SelectInto => Operation::Select,
        StatementKind::Insert => Operation::Insert,
        StatementKind::Update => Operation::Update,
        StatementKind::Delete => Operation::Delete,
        StatementKind::Merge => Operation::Merge,
        _ => Operation::Utility,
    }
}

/// How to analyse a statement.
pub(super) fn form(kind: &StatementKind) -> Form {
    match kind {
        StatementKind::Select | StatementKind::Insert | StatementKind::Update | StatementKind::Delete => {
            Form::Query(Around::Plain)
        }
        _ => Form::Other,
    }
}

/// What a statement of which only the outline is known does to a relation.
pub(super) fn operation_on(verb: Verb, kind: &StatementKind) -> Operation {
    let _ = verb;
    operation(kind)
}
