//! The query as the resolver sees it: names, scopes and clauses, and nothing that a dialect could hide.
//!
//! Lowering to this tree is where every node of the parser's tree is either understood or refused, so what follows never
//! meets a construct that it does not know. Each name carries the byte range where it stands in the client's text.

mod dml;
mod from;
mod names;

pub use dml::{Conflict, Dml, MergeAction, MergeRows, MergeWhen, RowNames, Verb};
pub use from::{Alias, Constraint, From, Sample};
pub use names::{Name, Path, Span};

use crate::model::ident::Ident;

/// A query with its WITH list.
#[derive(Debug, Clone)]
pub struct Query {
    /// WITH RECURSIVE.
    pub recursive: bool,
    /// The common table expressions, in order.
    pub ctes: Vec<Cte>,
    /// What is selected.
    pub body: Body,
    /// ORDER BY of the whole.
    pub order_by: Vec<Expr>,
    /// LIMIT, OFFSET, FETCH: see no column.
    pub limits: Vec<Expr>,
    /// FOR UPDATE and the like.
    pub locks: bool,
}

/// One common table expression.
#[derive(Debug, Clone)]
pub struct Cte {
    /// Its name.
    pub name: Name,
    /// Its column list.
    pub columns: Vec<Name>,
    /// Its statement.
    pub query: Query,
    /// Columns that SEARCH and CYCLE add behind its own.
    pub derived: Vec<DerivedColumn>,
}

/// A column that SEARCH or CYCLE adds to a common table expression.
#[derive(Debug, Clone)]
pub struct DerivedColumn {
    /// Its name.
    pub name: Ident,
    /// The columns that it is made of.
    pub from: Vec<Ident>,
}

/// The body of a query.
#[derive(Debug, Clone)]
pub enum Body {
    /// SELECT.
    Select(Box<Select>),
    /// UNION, INTERSECT, EXCEPT; `all` keeps duplicates, so that rows do not depend on values.
    SetOperation {
        /// Left operand.
        left: Box<Body>,
        /// Right operand.
        right: Box<Body>,
        /// UNION ALL: no comparison of values.
        union_all: bool,
    },
    /// A query in parentheses.
    Nested(Box<Query>),
    /// VALUES.
    Values(Vec<Vec<Expr>>),
    /// A data-modifying statement.
    Dml(Box<Dml>),
}

/// SELECT without its WITH, ORDER BY and LIMIT.
#[derive(Debug, Clone)]
pub struct Select {
    /// DISTINCT, or DISTINCT ON.
    pub distinct: Distinct,
    /// The select list.
    pub items: Vec<Item>,
    /// FROM, its comma list in order.
    pub from: Vec<From>,
    /// WHERE.
    pub selection: Option<Expr>,
    /// GROUP BY: one entry per expression; grouping sets are flattened.
    pub group_by: Vec<Expr>,
    /// GROUP BY holds ROLLUP, CUBE or GROUPING SETS.
    pub grouping_sets: bool,
    /// HAVING.
    pub having: Option<Expr>,
    /// Expressions of WINDOW.
    pub windows: Vec<Expr>,
}

/// DISTINCT of a select.
#[derive(Debug, Clone)]
pub enum Distinct {
    /// None, or ALL.
    No,
    /// Over the whole row.
    Row,
    /// ON (…).
    On(Vec<Expr>),
}

/// One entry of a select or RETURNING list.
#[derive(Debug, Clone)]
pub enum Item {
    /// An expression.
    Expr {
        /// The expression.
        expr: Expr,
        /// Its alias.
        alias: Option<Name>,
        /// Without an alias: the name that it takes from a column within it.
        inherits: Option<InheritedName>,
    },
    /// `*`
    Star(Span),
    /// `t.*`
    QualifiedStar {
        /// What stands before the last dot.
        path: Path,
        /// From the first part to the star.
        span: Span,
    },
    /// `(expression).*`
    ExprStar(Expr),
}

/// The name of an output expression that is more than a column, such as a cast of one.
#[derive(Debug, Clone)]
pub struct InheritedName {
    /// The name.
    pub name: Ident,
    /// Where the entry ends, if it is one of RETURNING, which nothing but another entry follows.
    pub end: u32,
}

/// An expression, as far as names go: everything that only combines values is `Combined`.
#[derive(Debug, Clone)]
pub enum Expr {
    /// A column, or a whole row, by name.
    Column(Path),
    /// A function call outside FROM.
    Call {
        /// As written.
        path: Path,
        /// Everything it reads, FILTER, ORDER BY and window included.
        args: Vec<Expr>,
    },
    /// A scalar subquery, EXISTS, IN (…), ARRAY(…).
    Subquery(Box<Query>),
    /// `t.*` inside an expression.
    Star(Path),
    /// `(expression).name`: `base` may be a whole row.
    Field {
        /// What the field is taken from.
        base: Box<Expr>,
        /// The field.
        field: Name,
    },
    /// A number as written: in ORDER BY and GROUP BY it is an output column's position.
    Number {
        /// As written.
        text: String,
        /// Where.
        span: Span,
    },
    /// What a call or a window is over, in which groups and in which order.
    Deciding(Decides, Vec<Expr>),
    /// Anything else: the values it combines, none for a literal.
    Combined(Vec<Expr>),
}

/// What the values of a [`Expr::Deciding`] decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decides {
    /// OVER: in which order rows come out of the window.
    Rows,
    /// DISTINCT, ORDER BY, WITHIN GROUP, FILTER: what an aggregate sees.
    Aggregate,
}

impl Expr {
    /// It reads nothing.
    pub fn says_nothing(&self) -> bool {
        match self {
            Self::Combined(parts) | Self::Deciding(_, parts) => parts.iter().all(Self::says_nothing),
            Self::Number { .. }
            | Self::Column(_)
            | Self::Call { .. }
            | Self::Subquery(_)
            | Self::Star(_)
            | Self::Field { .. } => false,
        }
    }

    /// A literal, a parameter, a keyword such as CURRENT_DATE.
    pub const fn constant() -> Self {
        Self::Combined(Vec::new())
    }
}

/// One statement.
#[derive(Debug, Clone)]
pub enum Statement {
    /// A query or a data-modifying statement; both can carry WITH.
    Query(Query),
    /// COPY (query) TO.
    CopyQuery(Query),
    /// COPY relation TO or FROM.
    CopyRelation {
        /// The relation.
        path: Path,
        /// The column list.
        columns: Vec<Name>,
        /// TO rather than FROM.
        to: bool,
    },
    /// EXPLAIN of a query.
    Explain(Query),
    /// PREPARE name AS query.
    Prepare(Query),
    /// DECLARE name CURSOR FOR query.
    Declare(Query),
    /// Anything else: the grammar's kind says what it is.
    Other,
}
