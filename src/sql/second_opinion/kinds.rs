//! The kinds of statements, and what they are called.

mod classify;

pub(super) use classify::{kind, makes_temporary};

/// The kinds of statements, as far as they are treated differently.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// SELECT, VALUES, TABLE.
    Select,
    /// SELECT … INTO.
    SelectInto {
        /// Into a temporary table.
        temporary: bool,
    },
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE.
    Merge,
    /// COPY.
    Copy {
        /// From or to a file of the server.
        file: bool,
        /// From or to a program that the server runs.
        program: bool,
        /// FROM … WHERE.
        filtered: bool,
    },
    /// EXPLAIN.
    Explain,
    /// PREPARE.
    Prepare,
    /// EXECUTE.
    Execute,
    /// DEALLOCATE.
    Deallocate,
    /// DECLARE … CURSOR.
    DeclareCursor,
    /// FETCH, MOVE.
    Fetch,
    /// CLOSE.
    ClosePortal,
    /// BEGIN, COMMIT, SAVEPOINT and the like.
    Transaction(TransactionKind),
    /// SET.
    Set {
        /// The setting, in lower case.
        name: String,
    },
    /// RESET, SET … TO DEFAULT.
    Reset {
        /// The setting, in lower case.
        name: String,
    },
    /// RESET ALL.
    ResetAll,
    /// SHOW.
    Show {
        /// The setting, in lower case.
        name: String,
    },
    /// DISCARD.
    Discard,
    /// LISTEN.
    Listen,
    /// UNLISTEN.
    Unlisten,
    /// NOTIFY.
    Notify,
    /// LOCK TABLE.
    Lock,
    /// CREATE TABLE AS, CREATE MATERIALIZED VIEW.
    CreateTableAs {
        /// A temporary table.
        temporary: bool,
    },
    /// CALL.
    Call,
    /// DO.
    Do,
    /// VACUUM, ANALYZE.
    Vacuum,
    /// SET CONSTRAINTS.
    SetConstraints,
    /// A change of a table, as a session may make it of its temporary ones.
    Table(TableChange),
    /// Any other change of structure.
    Ddl,
    /// Anything else: CHECKPOINT, LOAD, and what a later PostgreSQL may add.
    Other,
}

/// The changes of a table that temporary ones need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableChange {
    /// CREATE TABLE.
    Create {
        /// A temporary table.
        temporary: bool,
    },
    /// DROP TABLE.
    Drop,
    /// DROP INDEX.
    DropIndex,
    /// ALTER TABLE.
    Alter,
    /// ALTER TABLE … RENAME.
    Rename,
    /// CREATE INDEX.
    Index,
    /// TRUNCATE.
    Truncate,
}

/// The forms of transaction control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionKind {
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE.
    Plain,
    /// ROLLBACK TO.
    RollbackTo,
    /// PREPARE TRANSACTION and what ends it.
    TwoPhase,
}

impl StatementKind {
    /// The words that name the kind to people.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::SelectInto { .. } => "SELECT INTO",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Merge => "MERGE",
            Self::Copy { .. } => "COPY",
            Self::Explain => "EXPLAIN",
            Self::Prepare => "PREPARE",
            Self::Execute => "EXECUTE",
            Self::Deallocate => "DEALLOCATE",
            Self::DeclareCursor => "DECLARE CURSOR",
            Self::Fetch => "FETCH",
            Self::ClosePortal => "CLOSE",
            Self::Transaction(TransactionKind::TwoPhase) => "two-phase commit",
            Self::Transaction(_) => "transaction control",
            Self::Set { .. } => "SET",
            Self::Reset { .. } | Self::ResetAll => "RESET",
            Self::Show { .. } => "SHOW",
            Self::Discard => "DISCARD",
            Self::Listen => "LISTEN",
            Self::Unlisten => "UNLISTEN",
            Self::Notify => "NOTIFY",
            Self::Lock => "LOCK TABLE",
            Self::CreateTableAs { .. } => "CREATE TABLE AS",
            Self::Call => "CALL",
            Self::Do => "DO",
            Self::Vacuum => "VACUUM or ANALYZE",
            Self::SetConstraints => "SET CONSTRAINTS",
            Self::Table(change) => change.as_str(),
            Self::Ddl => "a change of structure",
            Self::Other => "this kind of statement",
        }
    }
}

impl TableChange {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create { .. } => "CREATE TABLE",
            Self::Drop => "DROP TABLE",
            Self::DropIndex => "DROP INDEX",
            Self::Alter | Self::Rename => "ALTER TABLE",
            Self::Index => "CREATE INDEX",
            Self::Truncate => "TRUNCATE",
        }
    }
}
