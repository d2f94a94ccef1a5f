//! A change of structure as a value: what it is of, what is done, and how far it reaches.

/// A change of structure, or of what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ddl {
    /// The command as its tag names it, such as `ALTER TABLE`.
    pub command: &'static str,
    /// How far it reaches.
    pub nature: Nature,
    /// What it changes, as far as that is told apart.
    pub changes: Vec<Change>,
}

/// How far a change reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nature {
    /// Tables and what belongs to them: it waits for a lock, and whoever comes after it waits as well.
    Blocking,
    /// The structure, but without such a wait: `CONCURRENTLY`, functions, types.
    Structure,
    /// Not the structure: rights, roles, comments, databases.
    Beside,
}

/// One thing and what is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The thing.
    pub of: Thing,
    /// What is done.
    pub action: Action,
}

/// What a change is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Thing {
    /// A table, view, sequence or whatever else has such a name.
    Relation(Named),
    /// An index: the statement does not say of which table.
    Index(Named),
    /// A type or domain.
    Type(Named),
    /// A schema and all that is in it.
    Schema(String),
    /// All that a role owns; none where it is whoever is asking.
    OwnedBy(Option<String>),
}

/// A name as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Named {
    /// Its schema.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
}

/// What is done to a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// CREATE.
    Create {
        /// IF NOT EXISTS.
        unless_exists: bool,
    },
    /// DROP.
    Drop {
        /// With all that depends on it.
        cascade: bool,
    },
    /// RENAME TO.
    Rename,
    /// SET SCHEMA.
    SetSchema,
    /// DROP COLUMN.
    DropColumn {
        /// The column.
        column: String,
        /// With all that depends on it.
        cascade: bool,
    },
    /// RENAME COLUMN.
    RenameColumn {
        /// The column.
        column: String,
    },
    /// ALTER COLUMN … TYPE.
    AlterColumnType {
        /// The column.
        column: String,
    },
    /// Anything else that changes it.
    Other,
}
