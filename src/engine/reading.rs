//! Two ways from a text to what it refers to: sqlparser's tree, and the tree of PostgreSQL's grammar where the first is none
//! or says something else than the server will read.

use super::judge::Text;
use super::objection::Objection;
use super::stages::Stage;
use crate::model::catalog::{ColumnId, SearchPath};
use crate::sql::access::Resolution;
use crate::sql::grammar;
use crate::sql::inner::{self, Around};
use crate::sql::lexer::Token;
use crate::sql::resolve::{self, Resolved};
use crate::sql::second_opinion::OutlineStatement;
use crate::sql::tree::Statement;

/// What a statement says and refers to.
pub(super) struct Reading {
    pub tree: Statement,
    pub resolved: Resolved,
}

/// Why there is no reading.
pub(super) enum Unread {
    /// Neither way leads to a tree that has the names which the server sees.
    NotUnderstood(String),
    /// Nothing is known of the database.
    NoCatalog,
    /// The search path is not known.
    NoPath(Objection),
}

impl Unread {
    /// The reason under which it is counted.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NotUnderstood(_) => "parser",
            Self::NoCatalog => "no_catalog",
            Self::NoPath(_) => "no_search_path",
        }
    }

    pub(super) fn into_objection(self) -> Objection {
        match self {
            Self::NotUnderstood(why) => Objection::not_understood(why),
            Self::NoCatalog => Objection::not_understood("the catalog is not known"),
            Self::NoPath(objection) => objection,
        }
    }
}

/// Reads a statement and resolves its names, as if some columns had been dropped.
pub(super) fn read(
    text: &Text<'_>,
    outline: &OutlineStatement,
    tokens: &[Token],
    around: Around,
    (fallback, gone): (&SearchPath, &dyn Fn(ColumnId) -> bool),
) -> Result<Reading, Unread> {
    let mut why = String::new();
    for way in [inner::statement, grammar::statement] {
        let tree = way(text.sql, tokens, around);
        text.watch.lap(Stage::Parse);
        let tree = match tree {
            Ok(tree) => tree,
            Err(reason) => {
                why = reason;
                continue;
            }
        };
        let catalog = text.catalog.ok_or(Unread::NoCatalog)?;
        let path = text.search_path(fallback).map_err(Unread::NoPath)?;
        let resolved = resolve::resolve_without(&tree, catalog, path, gone);
        let is_same = same_places(text, outline, &resolved.resolution);
        text.watch.lap(Stage::Resolve);
        if is_same {
            return Ok(Reading { tree, resolved });
        }
        "two parsers read the statement differently".clone_into(&mut why);
    }
    Err(Unread::NotUnderstood(why))
}

/// Whether names of relations and columns were found exactly where PostgreSQL's grammar has them: where one sees a name
/// that the other does not, the text means something else to the server than to us.
fn same_places(text: &Text<'_>, outline: &OutlineStatement, resolution: &Resolution) -> bool {
    let sorted = |mut starts: Vec<u32>| {
        starts.sort_unstable();
        starts.dedup();
        starts
    };
    let relations = sorted(outline.relations.iter().map(|relation| relation.start).collect());
    let columns = sorted(outline.columns.clone());
    // The star that TABLE stands for has no place of its own.
    let is_table = |start: &u32| text.token_at(*start).is_some_and(|token| token.is_word(text.sql, "table"));
    let ours = resolution.column_starts.iter().copied().filter(|start| !is_table(start)).collect();
    relations == sorted(resolution.relation_starts.clone()) && columns == sorted(ours)
}
