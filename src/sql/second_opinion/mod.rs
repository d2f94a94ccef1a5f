//! PostgreSQL's own grammar has the last word.
//!
//! Columns are resolved on another parser's tree, and texts are spliced after that tree. So a text that is sent for a
//! governed session is parsed once more, here, by the grammar that the server itself uses, and a small checker that
//! knows nothing of the first parser walks what comes out: every node kind, statement kind, relation, function,
//! operator and type must be admitted, and a protected relation may stand only where generated text put it. A mistake
//! elsewhere then costs a refusal, never a leak.
//!
//! [`outline`] says what a text names and where, [`verify`] judges a text that is about to be sent. Both fail closed:
//! a panic under them is an error, and a tree that is deeper than the caps on tokens allow is not walked.

mod admission;
mod by_name;
mod collect;
mod commands;
mod constants;
mod ddl;
mod expressions;
mod json;
mod kinds;
mod lookups;
mod outline;
mod query;
mod raw;
mod table;
mod tree;
mod verify;

#[cfg(test)]
mod ddl_tests;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod forged_raw;
#[cfg(test)]
mod outline_tests;
#[cfg(test)]
mod tests;

pub use admission::{Admission, ColumnAdmission, Fragment, Objection, ObjectionKind, RelationAdmission, WrapperEnd};
pub use by_name::{ByName, Deed, Nameable};
pub use ddl::{Action, Change, Ddl, Named, Nature, Thing};
pub use kinds::{StatementKind, TableChange, TransactionKind};
pub use outline::{Constant, Created, Lookup, NamedObject, NamedRelation, Others, Outline, OutlineStatement, Verb};
pub use query::{Name, NotReadOnly, ReadQuery};
pub use raw::RAW_COLUMN;

use super::grammar::{GrammarError, guarded};

/// What a text says, by PostgreSQL's grammar. The caps on tokens must have been checked before.
pub fn outline(sql: &str) -> Result<Outline, GrammarError> {
    guarded(sql, |parsed| collect::collect(sql, parsed))
}

/// What a text names that is one query which only reads. The caps on tokens must have been checked before.
///
/// # Errors
/// It is something else, or it cannot be read.
pub fn read_query(sql: &str) -> Result<ReadQuery, NotReadOnly> {
    guarded(sql, query::read_query).unwrap_or(Err(NotReadOnly("no text that can be read")))
}

/// Judges a text that is about to be sent; `generated` says where in it our own text stands.
pub fn verify(sql: &str, generated: &[Fragment], admission: &dyn Admission) -> Result<(), Objection> {
    match guarded(sql, |parsed| verify::verify(parsed, generated, admission)) {
        Ok(verdict) => verdict,
        Err(error) => Err(Objection { kind: ObjectionKind::Grammar, name: error.message, position: error.position }),
    }
}

/// A location of the tree as an offset; the grammar writes -1 where there is none.
fn offset(location: i32) -> Option<u32> {
    u32::try_from(location).ok()
}
