//! What a text says, by PostgreSQL's grammar: statements, and every name in them with the place where it stands.

use super::by_name::ByName;
use super::ddl::Ddl;
use super::kinds::StatementKind;

/// A text.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// Its statements, in order.
    pub statements: Vec<OutlineStatement>,
}

/// One statement.
#[derive(Debug, Clone)]
pub struct OutlineStatement {
    /// First byte.
    pub start: u32,
    /// After its last byte.
    pub end: u32,
    /// What it is.
    pub kind: StatementKind,
    /// Relations that it names, common table expressions included.
    pub relations: Vec<NamedRelation>,
    /// What it changes of the structure.
    pub ddl: Option<Ddl>,
    /// The prepared statement or cursor that it makes, runs or drops.
    pub by_name: Option<ByName>,
    /// The table that it makes.
    pub created: Option<Created>,
    /// Places where a column reference stands.
    pub columns: Vec<u32>,
    /// Calls.
    pub functions: Vec<NamedObject>,
    /// Types.
    pub types: Vec<NamedObject>,
    /// Comparisons of a column with constants in conditions on rows, but for those in a query with a join under an alias:
    /// there the columns of a relation are known by other names.
    pub lookups: Vec<Lookup>,
}

/// `column = constant` and the like, in WHERE or ON.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// Where the column stands.
    pub column: u32,
    /// Where the relations of the same query are named.
    pub level: u32,
    /// The types that constants are cast to: the parts of their names.
    pub types: Vec<Vec<String>>,
}

/// A table that a statement makes.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its name.
    pub name: String,
    /// The names of its first columns, as far as the statement lists them.
    pub columns: Vec<String>,
    /// Where the names of the others come from.
    pub others: Others,
}

/// Columns of a new table that the statement does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// There are none.
    None,
    /// The query that fills it.
    Query,
    /// Another table.
    Elsewhere,
}

/// A relation as written.
#[derive(Debug, Clone)]
pub struct NamedRelation {
    /// Its schema.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub start: u32,
    /// What is done with it.
    pub verb: Verb,
    /// The query, or change of rows, of the statement in whose FROM it stands.
    pub level: u32,
}

/// A function or type as written.
#[derive(Debug, Clone)]
pub struct NamedObject {
    /// The parts of its name.
    pub parts: Vec<String>,
    /// Where it stands, if it stands in the text.
    pub start: Option<u32>,
    /// The arguments of a call, as far as they are string constants.
    pub constants: Vec<Option<Constant>>,
}

/// A string constant, perhaps with a cast that leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    /// Its value.
    pub value: String,
    /// Where its literal starts.
    pub start: Option<u32>,
}

/// What is done with a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Its rows are read.
    Read,
    /// Rows are inserted.
    Insert,
    /// Rows are updated.
    Update,
    /// Rows are deleted.
    Delete,
    /// MERGE.
    Merge,
    /// It is named by a statement that is no query.
    Other,
}
