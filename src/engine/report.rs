//! What the statements of one text do and touch: the same facts feed metrics, audit, usage and `explain`.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use super::stages::Stages;
use crate::model::catalog::{ColumnId, Oid, Relation};
pub use crate::sql::second_opinion::{ByName, Deed, Nameable};

/// What was understood of one text.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// One entry per statement, in order.
    pub statements: Vec<StatementReport>,
    /// What the session must keep track of once the server has executed the text.
    pub effects: Effects,
    /// Warnings for the client, to be sent once per session and statement shape.
    pub notices: Vec<Notice>,
    /// Warnings about changes of the structure, to be sent every time.
    pub cautions: Vec<Notice>,
    /// What the statements change of the structure, in order; of temporary tables nothing is told.
    pub ddl: Vec<DdlReport>,
    /// The prepared statements and cursors that they make, run or drop, each with the number of its statement, in order.
    pub by_name: Vec<(usize, ByName)>,
    /// A policy protects something from whoever sent it.
    pub governed: bool,
    /// Where the time for judging it went.
    pub stages: Stages,
    /// What those who watch keep with it.
    pub attached: Attached,
}

/// A place for one value of whoever watches statements, made when a text of the shape is seen for the first time: what is
/// found out once, such as the handles of its counters, has not to be looked up again. A clone of a report has its own.
#[derive(Default)]
pub struct Attached(OnceLock<Box<dyn Any + Send + Sync>>);

impl Attached {
    /// The value, made now if there is none. There is one place: a value of another type gets none.
    pub fn get_or_init<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.0.get_or_init(|| Box::new(make())).downcast_ref()
    }

    /// The value, if it has been made.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.get()?.downcast_ref()
    }
}

impl Clone for Attached {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl std::fmt::Debug for Attached {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(if self.0.get().is_some() { "Attached(something)" } else { "Attached(nothing)" })
    }
}

/// What one statement changes of the structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DdlReport {
    /// The command, as its tag names it.
    pub command: &'static str,
    /// What it does to what.
    pub changes: Vec<DdlChange>,
}

/// One thing that a statement does to the structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DdlChange {
    /// What is done: `drop column`, `rename`, `alter` …
    pub action: &'static str,
    /// To what, by its full name as far as that is known, such as `public.orders.status`.
    pub object: String,
}

impl DdlReport {
    /// All of it in one line, for people.
    pub fn words(&self) -> String {
        let changes: Vec<_> =
            self.changes.iter().map(|change| format!("{} {}", change.action, change.object)).collect();
        let colon = if changes.is_empty() { "" } else { ": " };
        format!("{}{colon}{}", self.command, changes.join(", "))
    }
}

/// Consequences of a text for the session's own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effects {
    /// SET, RESET, DISCARD, ROLLBACK and the like: the effective search path has to be asked for again.
    pub search_path_may_change: bool,
    /// A temporary table of the session was made, changed or dropped: they have to be asked for again.
    pub temporary_may_change: bool,
    /// DDL: the catalog has to be read again.
    pub ddl: bool,
    /// It names something that the catalog does not have: somebody may have created it a moment ago.
    pub names_unknown: bool,
    /// It changes the structure, and the verdict holds only for now: it is never remembered.
    pub judged_anew: bool,
    /// The verdict depends on what the session would have to be asked for.
    pub depends: Depends,
}

/// What of an observed session a verdict on a change of the structure depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depends {
    /// Where it looks names up, and whether it has a `lock_timeout`.
    pub on_session: bool,
    /// It is to be given a `lock_timeout` of so many milliseconds where it has none.
    pub lock_timeout: Option<u32>,
}

/// A warning 01P01 about a deprecated column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The statement's shape; with the text of the notice it says what "once" means.
    pub fingerprint: u64,
    /// Primary message.
    pub message: String,
    /// Since when, until when, why.
    pub detail: Option<String>,
    /// What to use instead.
    pub hint: Option<String>,
}

/// What one statement does and touches.
#[derive(Debug, Clone)]
pub struct StatementReport {
    /// What it does.
    pub operation: Operation,
    /// Hash of the normalised text: literals and comments out.
    pub fingerprint: u64,
    /// Relations it names, each once per verb.
    pub relations: Vec<RelationUse>,
    /// Columns it refers to, each once per access.
    pub columns: Vec<ColumnUse>,
    /// Why it could not be analysed in full; such statements of observed sessions pass and are counted by this reason.
    pub unanalysed: Option<&'static str>,
    /// Everything that it touches, for the record of usage.
    pub touched: Touches,
}

/// What a statement touches, whether or not a rule is about it.
#[derive(Debug, Clone, Default)]
pub struct Touches {
    /// Columns and relations, each once per access. System and temporary relations are left out.
    pub uses: Arc<[Touched]>,
    /// The normalised text, literals and comments out; empty for a text that cannot be cut into statements.
    pub shape: Arc<str>,
    /// What may be touched beside them.
    pub blind: Blind,
}

/// One column, or a relation as such, in one role of a statement.
#[derive(Debug, Clone)]
pub struct Touched {
    /// The relation.
    pub relation: Arc<Relation>,
    /// The column; 0 stands for the relation as such.
    pub attnum: i16,
    /// How it is used.
    pub access: Access,
    /// The view, or the partition, that the statement names in its place.
    pub via: Option<Arc<Relation>>,
}

/// What a statement may touch that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Blind {
    /// Nothing.
    #[default]
    No,
    /// Any column of the relations that it touches.
    Within,
    /// Anything.
    Wholly,
}

/// The verb of a statement: label `operation` of the metrics, lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// SELECT, VALUES, TABLE, WITH … SELECT.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE.
    Merge,
    /// COPY in either direction.
    Copy,
    /// BEGIN, COMMIT, SAVEPOINT …
    Transaction,
    /// SET, RESET, SHOW, DISCARD.
    Session,
    /// CREATE, ALTER, DROP, TRUNCATE, COMMENT, GRANT …
    Ddl,
    /// DECLARE, FETCH, MOVE, CLOSE.
    Cursor,
    /// PREPARE, EXECUTE, DEALLOCATE.
    Prepare,
    /// EXPLAIN.
    Explain,
    /// VACUUM, ANALYZE, LISTEN, DO, CALL and everything else.
    Utility,
    /// No statement at all.
    Empty,
}

impl Operation {
    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Merge => "merge",
            Self::Copy => "copy",
            Self::Transaction => "transaction",
            Self::Session => "session",
            Self::Ddl => "ddl",
            Self::Cursor => "cursor",
            Self::Prepare => "prepare",
            Self::Explain => "explain",
            Self::Utility => "utility",
            Self::Empty => "empty",
        }
    }
}

/// One relation in one role of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelationUse {
    /// The relation.
    pub relation: Oid,
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What the statement does to it: `Select`, `Insert`, `Update`, `Delete`.
    pub operation: Operation,
}

/// How a column is used: label `access`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// Named in an output expression.
    Explicit,
    /// Reached by `*` or a whole row.
    Star,
    /// WHERE, HAVING.
    Filter,
    /// Compared for equality with a constant, where a rule lets that see the column itself.
    Lookup,
    /// JOIN … ON, USING, NATURAL.
    Join,
    /// GROUP BY, ORDER BY, DISTINCT ON, window definitions.
    OrderGroup,
    /// Target of INSERT, UPDATE, COPY FROM.
    Write,
    /// RETURNING.
    Returning,
    /// Named in a statement that changes the structure.
    Ddl,
}

impl Access {
    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Explicit => "explicit",
            Self::Star => "star",
            Self::Filter => "filter",
            Self::Lookup => "lookup",
            Self::Join => "join",
            Self::OrderGroup => "order_group",
            Self::Write => "write",
            Self::Returning => "returning",
            Self::Ddl => "ddl",
        }
    }
}

/// What became of one reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The value itself.
    Clear,
    /// The mask's value.
    Masked,
    /// Refused.
    Denied,
    /// A rule in shadow mode would have masked it.
    WouldMask,
    /// A rule in shadow mode would have refused it.
    WouldDeny,
}

impl Outcome {
    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Masked => "masked",
            Self::Denied => "denied",
            Self::WouldMask => "would_mask",
            Self::WouldDeny => "would_deny",
        }
    }
}

/// One column in one role of a statement; only columns that a policy, a lifecycle or a classification is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnUse {
    /// The column.
    pub column: ColumnId,
    /// Schema of its relation.
    pub schema: Arc<str>,
    /// Its relation.
    pub relation: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// How it is used.
    pub access: Access,
    /// What became of it.
    pub outcome: Outcome,
    /// The rule that decided, if one did.
    pub rule: Option<Arc<str>>,
    /// `deprecated` or `sunset`, if it is on its way out.
    pub phase: Option<&'static str>,
    /// ODCS classification, where it is worth counting access.
    pub classification: Option<Arc<str>>,
    /// A rule in force is about it, whoever the rule is about.
    pub decided: bool,
}

impl ColumnUse {
    /// What became of it, in the words of the metrics: where the value of a classified column is shown, they tell apart
    /// whether that is meant to be.
    ///
    /// It is, if some rule in force is about the column: who sees it all the same is not concerned, is exempt, or has been
    /// given it. Writing shows nothing.
    pub fn disclosure(&self) -> &'static str {
        match (self.outcome, &self.classification) {
            (Outcome::Clear, Some(_)) if self.decided || self.access == Access::Write => "clear_allowed",
            (Outcome::Clear, Some(_)) => "clear_unexpected",
            (Outcome::Clear | Outcome::Masked | Outcome::Denied | Outcome::WouldMask | Outcome::WouldDeny, _) => {
                self.outcome.as_str()
            }
        }
    }
}
