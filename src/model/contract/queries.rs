//! `pgcovenantQueries` of an object: queries that its users rely on, and how the server is to find their rows.

use crate::model::plan::AccessPath;
use crate::model::source::{Fields, Node, Problems, list, non_empty, suggestion};

/// A query that a contract declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromisedQuery {
    /// Its name.
    pub name: Box<str>,
    /// Its text; parameters and literals stand for any values.
    pub sql: Box<str>,
    /// How the rows of the table are to be found.
    pub access: QueryAccess,
    /// Along which index, if that matters.
    pub index: Option<Box<str>>,
    /// The table that is meant, where it is another than the one that declares it: `table` or `schema.table`.
    pub table: Option<Box<str>>,
    /// Where the text stands in the file.
    pub span: std::ops::Range<usize>,
}

/// How rows are to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryAccess {
    /// Along an index; one that has all that is asked for is as good.
    Index,
    /// In an index alone.
    IndexOnly,
    /// By a bitmap of indexes.
    Bitmap,
    /// By any index.
    AnyIndex,
}

impl QueryAccess {
    const ALL: [Self; 4] = [Self::Index, Self::IndexOnly, Self::Bitmap, Self::AnyIndex];

    /// The word in a contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::IndexOnly => "index_only",
            Self::Bitmap => "bitmap",
            Self::AnyIndex => "any_index",
        }
    }

    /// Whether a plan that reads the table so keeps the promise.
    pub const fn admits(self, path: AccessPath) -> bool {
        match (self, path) {
            (Self::Index, AccessPath::Index | AccessPath::IndexOnly)
            | (Self::IndexOnly, AccessPath::IndexOnly)
            | (Self::Bitmap, AccessPath::Bitmap) => true,
            (Self::AnyIndex, path) => path.uses_index(),
            (Self::Index | Self::IndexOnly | Self::Bitmap, _) => false,
        }
    }
}

pub(super) fn read(node: &Node, problems: &mut Problems<'_>) -> Vec<PromisedQuery> {
    let mut found: Vec<PromisedQuery> = Vec::new();
    for item in list(node, problems) {
        let Some(query) = query(item, problems) else { continue };
        if found.iter().any(|other| other.name == query.name) {
            problems.error(&item.span, format!("the query `{}` is declared twice", query.name));
            continue;
        }
        found.push(query);
    }
    found
}

fn query(node: &Node, problems: &mut Problems<'_>) -> Option<PromisedQuery> {
    let mut fields = Fields::of(node, "a query", problems)?;
    let name = fields.required("name", problems).and_then(|node| non_empty(node, problems));
    let sql = fields.required("sql", problems);
    let span = sql.map_or(node.span.clone(), |node| node.span.clone());
    let sql = sql.and_then(|node| non_empty(node, problems));
    let access = fields.required("access", problems).and_then(|node| access(node, problems));
    let index = fields.optional("index").and_then(|node| non_empty(node, problems)).map(Into::into);
    let table = fields.optional("table").and_then(|node| non_empty(node, problems)).map(Into::into);
    fields.finish(problems);
    Some(PromisedQuery { name: name?.into(), sql: sql?.into(), access: access?, index, table, span })
}

fn access(node: &Node, problems: &mut Problems<'_>) -> Option<QueryAccess> {
    let word = non_empty(node, problems)?;
    let known = QueryAccess::ALL.map(QueryAccess::as_str);
    let found = QueryAccess::ALL.into_iter().find(|access| access.as_str() == word);
    if found.is_none() {
        let message = format!("there is no access path `{word}`");
        problems.error_with(&node.span, message, suggestion(&word, known));
    }
    found
}
