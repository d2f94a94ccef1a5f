//! The one pass over a text.

use std::sync::Arc;

use super::verdict::{Admitted, Verdict};
use crate::model::catalog::SearchPath;
use crate::policy::snapshot::Snapshot;
use crate::policy::view::SubjectView;

/// What the engine must know of the session beside the text.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Database of the session.
    pub database: &'a str,
    /// The subject's rules, taken from the same snapshot that the statement is checked against.
    pub view: &'a Arc<SubjectView>,
    /// Effective search path; none when the session cannot know it at this point.
    pub search_path: Option<&'a SearchPath>,
    /// How the text arrives.
    pub protocol: Protocol,
}

/// How a text arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A Query message: any number of statements.
    Simple,
    /// A Parse message: at most one statement.
    Extended,
}

/// Judges a text: the one call of every statement, from the proxy as from `explain` and the tests.
pub fn check(_snapshot: &Snapshot, _facts: &Facts<'_>, _sql: &str) -> Verdict {
    Verdict::Admit(Admitted::unchanged(Arc::default()))
}
