//! FROM: relations, subqueries, functions and joins, under the names that they are visible by.

use super::{Expr, Name, Path, Query, Span};
use crate::model::ident::Ident;

/// One entry of FROM.
#[derive(Debug, Clone)]
pub enum From {
    /// A relation or a common table expression.
    Relation {
        /// As written.
        path: Path,
        /// Alias and its column list.
        alias: Option<Alias>,
        /// TABLESAMPLE.
        sample: Option<Sample>,
    },
    /// A subquery.
    Derived {
        /// The query.
        query: Box<Query>,
        /// Alias and its column list.
        alias: Option<Alias>,
        /// LATERAL.
        lateral: bool,
    },
    /// A function, UNNEST, ROWS FROM, XMLTABLE, JSON_TABLE.
    Function {
        /// The calls, and everything else that it reads.
        calls: Vec<Expr>,
        /// Its columns, where the text defines them; else they are known only through the alias list.
        columns: Option<Vec<Ident>>,
        /// Last part of the function's name, which is the default alias.
        name: Option<Name>,
        /// Alias and its column list.
        alias: Option<Alias>,
    },
    /// A join.
    Join {
        /// Left side.
        left: Box<From>,
        /// Right side.
        right: Box<From>,
        /// ON, USING, NATURAL.
        constraint: Constraint,
        /// Alias of a join in parentheses.
        alias: Option<Alias>,
    },
}

/// How the sides of a join are matched.
#[derive(Debug, Clone)]
pub enum Constraint {
    /// CROSS JOIN.
    None,
    /// ON.
    On(Expr),
    /// USING.
    Using {
        /// The columns.
        columns: Vec<Name>,
        /// The name under which the merged columns are visible beside.
        alias: Option<Name>,
    },
    /// NATURAL.
    Natural,
}

/// TABLESAMPLE with constant arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The clause, REPEATABLE included.
    pub span: Span,
}

/// An alias with its column list.
#[derive(Debug, Clone)]
pub struct Alias {
    /// The alias.
    pub name: Name,
    /// Its column list.
    pub columns: Vec<Name>,
}
