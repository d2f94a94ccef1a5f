//! A view's own query in its place, over what the subject may see of the relations in it.
//!
//! The view in the shadow database would compute its columns and rows from masked values; so does its query once every
//! relation in it has been replaced. The query is read, resolved and rewritten like a statement of the client's, and the check
//! of the final text knows nothing of the view: it sees the query's relations, each in its wrapper.

use super::calls;
use super::check::Facts;
use super::decide::{Case, Denied, is_hidden};
use super::judge::Text;
use super::lookups::Lookups;
use super::objection::Objection;
use super::reading;
use super::refusal::SqlState;
use super::report::Effects;
use super::retired;
use super::rewrite;
use super::stages::Stopwatch;
use super::temporary::Own;
use crate::model::catalog::{Relation, SearchPath};
use crate::sql::inner::Around;
use crate::sql::lexer::{self, Token};
use crate::sql::second_opinion::{self, OutlineStatement};
use crate::sql::splice::{self, Generated, Splicer};

/// Views of views of views.
const MAX_DEPTH: u8 = 16;

/// Views that read others twice, and those again, grow without bound.
const MAX_BYTES: usize = 1 << 20;

/// The query of a view, rewritten.
pub(super) struct Expanded {
    pub text: String,
    /// What was generated in it, and where.
    pub generated: Vec<(u32, Generated)>,
}

/// Rewrites the query of a view that one statement names.
pub(super) fn query(case: &Case<'_>, view: &Relation) -> Result<Expanded, Objection> {
    let unclear = |why: String| Objection::not_understood(format!("the view {}: {why}", view.display()));
    if case.depth >= MAX_DEPTH {
        return Err(unclear("views are nested too deeply".to_owned()));
    }
    let definition = view.definition.as_deref().unwrap_or_default();
    let sql = definition.trim_end().trim_end_matches(';');
    let tokens = lexer::lex(sql).map_err(|error| unclear(error.describe(sql)))?;
    let outline = second_opinion::outline(sql).map_err(|error| unclear(error.message))?;
    let [statement] = outline.statements.as_slice() else {
        return Err(unclear("its definition is no query".to_owned()));
    };
    // All names in it that are not of pg_catalog have their schema.
    let path = SearchPath::new(["pg_catalog"]);
    let facts = Facts { search_path: Some(&path), ..*case.facts };
    let text = Text {
        sql,
        tokens: &tokens,
        facts: &facts,
        catalog: Some(case.catalog),
        lineages: None,
        earlier: Effects::default(),
        own: &Own::default(),
        watch: &Stopwatch::start(),
    };
    let expanded = rewritten(case, &text, statement, &path).map_err(Objection::without_place)?;
    if expanded.text.len() > MAX_BYTES {
        let message = format!("the query of view {} is too large", view.display());
        return Err(Objection::new(SqlState::StatementTooComplex, message));
    }
    Ok(expanded)
}

fn rewritten(
    case: &Case<'_>,
    text: &Text<'_>,
    statement: &OutlineStatement,
    path: &SearchPath,
) -> Result<Expanded, Objection> {
    let reading = reading::read(text, statement, text.tokens, Around::Plain, (path, &|_| false));
    let resolution = reading.map_err(reading::Unread::into_objection)?.resolved.resolution;
    let lookups = Lookups::default();
    let wrapped = retired::wrapped(case.catalog, case.view, &resolution, (text.sql, text.tokens));
    let inner = Case {
        catalog: case.catalog,
        view: case.view,
        resolution: &resolution,
        lookups: &lookups,
        wrapped: &wrapped,
        facts: text.facts,
        denied: Denied::Null,
        depth: case.depth + 1,
    };
    let hidden = |column: &&crate::sql::access::ColumnRef| case.view.rule(column.column).is_some_and(is_hidden);
    if resolution.columns.iter().any(|column| hidden(&column)) {
        return Err(Objection::not_understood("it reads a column that is treated as dropped"));
    }
    let mut splicer = Splicer::new(text.tokens);
    calls::qualify(text, statement, &resolution.column_calls, &mut splicer)?;
    rewrite::rewrite(&inner, text.sql, text.tokens, &mut splicer)?;
    spliced(text.sql, text.tokens, splicer)
}

fn spliced(sql: &str, tokens: &[Token], splicer: Splicer<'_>) -> Result<Expanded, Objection> {
    let misfit = |error: splice::SpliceError| Objection::not_understood(error.to_string());
    let splices = splicer.finish().map_err(misfit)?;
    let (text, placed) = splice::apply(sql, tokens, &splices).map_err(misfit)?;
    let generated =
        placed.into_iter().map(|placed| (u32::try_from(placed.start).unwrap_or(u32::MAX), placed.generated));
    Ok(Expanded { generated: generated.collect(), text })
}
