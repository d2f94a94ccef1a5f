//! What the checker asks, what it is told of generated text, and how it objects.

use std::fmt;

use super::kinds::StatementKind;
use super::outline::Constant;

/// What a session may name; asked for everything that stands in a text about to be sent.
pub trait Admission {
    /// A relation behind its schema.
    fn relation(&self, schema: &str, name: &str) -> RelationAdmission;

    /// A column of a protected relation that is the target of a change.
    fn column(&self, schema: &str, relation: &str, column: &str) -> ColumnAdmission;

    /// A function, aggregate or window function may be called.
    fn function(&self, schema: Option<&str>, name: &str) -> bool;

    /// A call with these string constants among its arguments may be made: some functions are admitted by what they name.
    fn call(&self, schema: Option<&str>, name: &str, _constants: &[Option<Constant>]) -> bool {
        self.function(schema, name)
    }

    /// An operator may be used.
    fn operator(&self, schema: Option<&str>, name: &str) -> bool;

    /// A type may be named.
    fn type_name(&self, schema: Option<&str>, name: &str) -> bool;

    /// A name may stand behind a point: `x.name` and `(x).name` call a function of one row where no column has the name.
    fn attribute(&self, _name: &str) -> bool {
        true
    }

    /// A constant that a protected column is compared with may be cast to a type: equality means no more than equality.
    fn constant_type(&self, _schema: Option<&str>, _name: &str) -> bool {
        false
    }

    /// A statement of this kind may be sent; what it contains is walked all the same.
    fn statement(&self, kind: &StatementKind) -> bool;
}

/// What is known of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationAdmission {
    /// Not in the catalog, or not to be touched.
    Unknown,
    /// Nothing of it is protected.
    Clear,
    /// Only generated text may read it.
    Protected,
}

/// What is known of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnAdmission {
    /// The relation has no such column.
    Unknown,
    /// Everybody may see it as it is.
    Clear,
    /// Only generated text may name it.
    Protected,
    /// The same, but a comparison with constants for equality may look at it.
    Lookup,
}

/// A piece of the final text that was generated, by byte offsets of that text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fragment {
    /// `(SELECT … FROM schema.relation)` in place of a protected relation.
    Wrapper {
        /// Of its opening parenthesis.
        start: u32,
        /// After its closing parenthesis.
        end: u32,
        /// From `start` to the first byte of `schema.relation`.
        relation_offset: u32,
        /// From `start` to the first byte of the first output expression; none if all columns are left out.
        first_target_offset: Option<u32>,
        /// What follows the relation's name.
        ends: WrapperEnd,
    },
    /// A protected relation as the target of INSERT, UPDATE, DELETE or MERGE.
    DmlTarget {
        /// Of `schema.relation`.
        start: u32,
    },
    /// An expression that stands for a reference to a protected column.
    Expression {
        /// Of its first byte.
        start: u32,
        /// After its last byte.
        end: u32,
    },
}

/// What follows the relation's name in a wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WrapperEnd {
    /// Its closing parenthesis.
    Parenthesis,
    /// The client's own TABLESAMPLE, and the parenthesis behind that.
    Sample,
}

/// Why a text may not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// What is wrong.
    pub kind: ObjectionKind,
    /// The name or construct that it is about.
    pub name: String,
    /// Byte offset in the final text, where it is known.
    pub position: Option<u32>,
}

/// The kinds of objections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectionKind {
    /// PostgreSQL's grammar does not accept the text.
    Grammar,
    /// A statement of a kind that is not admitted.
    Statement,
    /// A construct that the checker does not know.
    Construct,
    /// A relation without its schema that is no common table expression in scope.
    UnqualifiedRelation,
    /// A relation that is not known.
    UnknownRelation,
    /// A table that does not go with the session is made or changed.
    PermanentRelation,
    /// A protected relation outside of generated text.
    ProtectedRelation,
    /// A reference that may reach a protected column of the target of a change.
    ProtectedColumn,
    /// A function that is not admitted.
    Function,
    /// An operator that is not admitted.
    Operator,
    /// A type that is not admitted.
    Type,
    /// A name behind a point that is not admitted.
    Attribute,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.kind {
            ObjectionKind::Grammar => f.write_str(name),
            ObjectionKind::Statement => write!(f, "{name} is not admitted"),
            ObjectionKind::Construct => write!(f, "{name} is not understood"),
            ObjectionKind::UnqualifiedRelation => write!(f, "relation \"{name}\" has no schema"),
            ObjectionKind::UnknownRelation => write!(f, "relation \"{name}\" is not known"),
            ObjectionKind::PermanentRelation => write!(f, "relation \"{name}\" is not temporary"),
            ObjectionKind::ProtectedRelation => write!(f, "relation \"{name}\" is protected"),
            ObjectionKind::ProtectedColumn => write!(f, "reference \"{name}\" may reach a protected column"),
            ObjectionKind::Function => write!(f, "function {name} is not admitted"),
            ObjectionKind::Operator => write!(f, "operator {name} is not admitted"),
            ObjectionKind::Type => write!(f, "type \"{name}\" is not admitted"),
            ObjectionKind::Attribute => write!(f, "attribute \"{name}\" is not admitted"),
        }
    }
}

impl std::error::Error for Objection {}
