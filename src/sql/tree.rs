//! The query as the resolver sees it: names, scopes and clauses, and nothing that a dialect could hide.
//!
//! Lowering to this tree is where every node of the parser's tree is either understood or refused, so what follows never
//! meets a construct that it does not know. Each name carries the byte range where it stands in the client's text.

use crate::model::ident::Ident;

/// A byte range of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// After the last byte.
    pub end: u32,
}

impl Span {
    /// The range from the first byte of `self` to the last of `other`.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    /// The range as indexes.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One identifier where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Folded as PostgreSQL folds it.
    pub ident: Ident,
    /// Where it stands.
    pub span: Span,
}

impl Name {
    /// The folded text.
    pub fn as_str(&self) -> &str {
        self.ident.as_str()
    }
}

/// A dotted name, at least one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Everything before the last dot.
    pub qualifier: Vec<Name>,
    /// The last part.
    pub last: Name,
}

impl Path {
    /// From the first part to the last.
    pub fn span(&self) -> Span {
        self.qualifier.first().map_or(self.last.span, |first| first.span.to(self.last.span))
    }

    /// The range of the qualifier, its dots included up to the last one's predecessor.
    pub fn qualifier_span(&self) -> Option<Span> {
        Some(self.qualifier.first()?.span.to(self.qualifier.last()?.span))
    }
}

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

/// INSERT, UPDATE, DELETE, MERGE.
#[derive(Debug, Clone)]
pub struct Dml {
    /// Which.
    pub verb: Verb,
    /// The relation written to.
    pub target: Path,
    /// Its alias.
    pub alias: Option<Name>,
    /// INSERT: the column list; UPDATE: the columns set.
    pub columns: Vec<Name>,
    /// INSERT: the rows.
    pub source: Option<Query>,
    /// UPDATE: the new values; INSERT: subscripts of the columns.
    pub values: Vec<Expr>,
    /// FROM of UPDATE, USING of DELETE and MERGE.
    pub from: Vec<From>,
    /// WHERE; ON of MERGE.
    pub selection: Option<Expr>,
    /// ON CONFLICT.
    pub conflict: Option<Conflict>,
    /// WHEN clauses of MERGE.
    pub merge: Vec<MergeWhen>,
    /// What RETURNING calls the rows before and after.
    pub rows: RowNames,
    /// RETURNING.
    pub returning: Vec<Item>,
}

impl Dml {
    /// A statement of which only the target is known so far.
    pub fn new(verb: Verb, target: Path, alias: Option<Name>) -> Self {
        Self {
            verb,
            target,
            alias,
            columns: Vec::new(),
            source: None,
            values: Vec::new(),
            from: Vec::new(),
            selection: None,
            conflict: None,
            merge: Vec::new(),
            rows: RowNames::default(),
            returning: Vec::new(),
        }
    }
}

/// RETURNING WITH (OLD AS …, NEW AS …).
#[derive(Debug, Clone, Default)]
pub struct RowNames {
    /// Instead of `old`.
    pub old: Option<Name>,
    /// Instead of `new`.
    pub new: Option<Name>,
}

/// One WHEN clause of MERGE.
#[derive(Debug, Clone)]
pub struct MergeWhen {
    /// The rows that its expressions see.
    pub sees: MergeRows,
    /// What it does.
    pub action: MergeAction,
    /// AND …
    pub condition: Option<Expr>,
    /// Columns that get a value.
    pub columns: Vec<Name>,
    /// The values.
    pub values: Vec<Expr>,
    /// INSERT without a column list: how many values it gives.
    pub width: Option<usize>,
}

/// Which rows a WHEN clause sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeRows {
    /// MATCHED.
    Both,
    /// NOT MATCHED BY SOURCE.
    Target,
    /// NOT MATCHED BY TARGET.
    Source,
}

/// What a WHEN clause does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeAction {
    /// UPDATE.
    Update,
    /// INSERT.
    Insert,
    /// DELETE.
    Delete,
    /// DO NOTHING.
    Nothing,
}

/// The verb of a data-modifying statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE.
    Merge,
}

/// ON CONFLICT.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// Columns of the conflict target.
    pub target: Vec<Name>,
    /// Expressions of the conflict target, and its WHERE.
    pub arbiters: Vec<Expr>,
    /// Columns that DO UPDATE sets.
    pub columns: Vec<Name>,
    /// Their new values.
    pub values: Vec<Expr>,
    /// WHERE of DO UPDATE.
    pub selection: Option<Expr>,
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
