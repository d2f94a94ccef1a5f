//! What one statement refers to, resolved: relations and columns by number, each with the place where it stands.

use crate::model::catalog::{ColumnId, Oid};
use crate::model::ident::Ident;

use super::tree::{Name, Path, Sample, Span, Verb};

/// Index into `Resolution::relations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelationIndex(pub usize);

/// Everything that a statement refers to.
#[derive(Debug, Clone, Default)]
pub struct Resolution {
    /// Relations, each as often as it is named.
    pub relations: Vec<RelationRef>,
    /// References to columns of those relations.
    pub columns: Vec<ColumnRef>,
    /// `*` and `t.*`.
    pub stars: Vec<StarRef>,
    /// Relations used as a value.
    pub whole_rows: Vec<WholeRowRef>,
    /// Selects that are grouped by the primary key of a relation.
    pub groupings: Vec<Grouping>,
    /// Calls, as written.
    pub functions: Vec<Path>,
    /// Names that no relation, column or alias explains.
    pub unresolved: Vec<Unresolved>,
    /// Names that two columns explain.
    pub ambiguous: Vec<Name>,
    /// Every place where a column may stand, resolved or not, for comparison with PostgreSQL's grammar.
    pub column_starts: Vec<u32>,
    /// Every place where a relation is named, common table expressions included.
    pub relation_starts: Vec<u32>,
    /// Columns that are named without a qualifier and are not of the relation that is written to.
    pub bare: Vec<BareName>,
    /// RETURNING entries that take their name from a column within.
    pub inherited_names: Vec<InheritedOutput>,
    /// Places of columns that stand alone as what pg_get_expr turns into text.
    pub shown_trees: Vec<u32>,
    /// Some join has an alias, under which columns have other names.
    pub has_aliased_join: bool,
    /// Columns that are called like functions.
    pub column_calls: Vec<ColumnCall>,
    /// Fields taken from values: `(row).field`.
    pub fields: Vec<Name>,
    /// INSERT without a column list.
    pub implicit_inserts: Vec<ImplicitInsert>,
    /// Relations that rows are removed of.
    pub deletes: Vec<RelationIndex>,
}

/// A column that is named without a qualifier.
#[derive(Debug, Clone)]
pub struct BareName {
    /// As written.
    pub name: Name,
    /// The FROM entry that it is a column of.
    pub of: Name,
}

/// A RETURNING entry that takes its name from a column within.
#[derive(Debug, Clone)]
pub struct InheritedOutput {
    /// The name.
    pub name: Ident,
    /// Where the entry ends.
    pub end: u32,
    /// The references within, of `Resolution::columns`.
    pub columns: std::ops::Range<usize>,
}

/// `column(row)`, which is another way to write `(row).column`.
#[derive(Debug, Clone)]
pub struct ColumnCall {
    /// The column.
    pub name: Name,
    /// The row, within the parentheses.
    pub row: Span,
}

/// One mention of a relation.
#[derive(Debug, Clone)]
pub struct RelationRef {
    /// Which; none where the catalog has no such relation.
    pub relation: Option<Oid>,
    /// As written.
    pub path: Path,
    /// Its alias.
    pub alias: Option<Name>,
    /// The column list behind the alias.
    pub alias_columns: Vec<Name>,
    /// Where it stands.
    pub role: Role,
    /// System columns that are used of it.
    pub system_columns: Vec<Name>,
    /// TABLESAMPLE behind it.
    pub sample: Option<Sample>,
}

impl RelationRef {
    /// A relation of which no more is known than its name and place.
    pub fn named(relation: Option<Oid>, path: Path) -> Self {
        Self {
            relation,
            path,
            alias: None,
            alias_columns: Vec::new(),
            role: Role::Source,
            system_columns: Vec::new(),
            sample: None,
        }
    }

    /// The name by which the rest of the statement knows it.
    pub fn visible_name(&self) -> &Name {
        self.alias.as_ref().unwrap_or(&self.path.last)
    }
}

/// What a statement does to a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It reads it, in FROM.
    Source,
    /// It writes to it.
    Target(Verb),
    /// COPY … TO reads it.
    CopyTo,
    /// COPY … FROM writes to it.
    CopyFrom,
}

impl Role {
    /// It stands for a relation that is written to, whose rows cannot be replaced.
    pub fn is_target(self) -> bool {
        matches!(self, Self::Target(_))
    }
}

/// Which clause a reference stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Clause {
    /// Select list, VALUES, SET.
    Output,
    /// WHERE, HAVING, FILTER.
    Filter,
    /// ON, USING, NATURAL.
    Join,
    /// GROUP BY, ORDER BY, DISTINCT ON, WINDOW.
    OrderGroup,
    /// Column that INSERT or COPY FROM gives a value.
    Insert,
    /// Column that UPDATE or DO UPDATE sets.
    Set,
    /// RETURNING.
    Returning,
}

impl Clause {
    /// The name gets a value here rather than giving one.
    pub fn is_write(self) -> bool {
        matches!(self, Self::Insert | Self::Set)
    }
}

/// One reference to a column.
#[derive(Debug, Clone)]
pub struct ColumnRef {
    /// Which column.
    pub column: ColumnId,
    /// Of which mention of the relation.
    pub via: RelationIndex,
    /// As written; a name of USING has no qualifier.
    pub path: Path,
    /// Where.
    pub clause: Clause,
    /// It is a whole select or RETURNING entry without an alias, so its text names the output column.
    pub names_output: bool,
    /// It stands for a value in the text, unlike a name in USING, SET or an INSERT list.
    pub is_value: bool,
}

/// One `*` or `t.*` over relations.
#[derive(Debug, Clone)]
pub struct StarRef {
    /// The star with its qualifier.
    pub span: Span,
    /// Clause: `Output` or `Returning`.
    pub clause: Clause,
    /// What it expands to, in order; none where some columns cannot be known.
    pub columns: Option<Vec<StarColumn>>,
    /// The relations that it reaches.
    pub relations: Vec<RelationIndex>,
}

/// One column that a star expands to.
#[derive(Debug, Clone)]
pub struct StarColumn {
    /// Alias of the FROM entry; none for a column merged by USING or NATURAL.
    pub qualifier: Option<Name>,
    /// Its name.
    pub name: String,
    /// The column, where it is one of a relation that stands in this FROM.
    pub column: Option<(ColumnId, RelationIndex)>,
}

/// A relation used as a value.
#[derive(Debug, Clone)]
pub struct WholeRowRef {
    /// Which mention.
    pub via: RelationIndex,
    /// As written.
    pub path: Path,
    /// Where.
    pub clause: Clause,
    /// It is a whole select or RETURNING entry without an alias.
    pub names_output: bool,
    /// A field is taken from it at once: `(t).c`.
    pub field: Option<Name>,
}

/// A select that is grouped by the whole primary key of a relation, so that its other columns may stand ungrouped.
#[derive(Debug, Clone)]
pub struct Grouping {
    /// Which mention.
    pub relation: RelationIndex,
    /// End of the last key column in GROUP BY: more columns can be added here.
    pub insert_at: u32,
    /// Columns of the relation that are grouped by name.
    pub grouped: Vec<i16>,
    /// Columns of the relation that this select uses.
    pub used: Vec<i16>,
}

/// INSERT without a column list: it gives values to the first columns of the relation.
#[derive(Debug, Clone)]
pub struct ImplicitInsert {
    /// The target.
    pub relation: RelationIndex,
    /// How many values a row has; none for DEFAULT VALUES.
    pub width: Option<usize>,
    /// Where a column list could stand; none where the place is not known.
    pub insert_at: Option<u32>,
}

/// A name that nothing explains.
#[derive(Debug, Clone)]
pub struct Unresolved {
    /// As written.
    pub path: Path,
    /// The mention that the qualifier names, if it names one.
    pub of: Option<RelationIndex>,
    /// Mentions that are visible here, any of which could have had it.
    pub visible: Vec<RelationIndex>,
    /// Where.
    pub clause: Clause,
}
