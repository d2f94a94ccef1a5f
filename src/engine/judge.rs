//! One statement: what it refers to, what the rules say of it, and how its text changes.

mod text;
mod verify;

pub(super) use text::Text;
pub(super) use verify::verify;

use super::decide::{self, Case};
use super::kind::{self, Form};
use super::lookups::Lookups;
use super::objection::Objection;
use super::reading::{self, Reading, Unread};
use super::report::{Effects, Notice, StatementReport, Touches};
use super::stages::Stage;
use super::{calls, predicates, retired, rewrite, session, temporary, touched, unknown, writes};
use crate::model::catalog::{SearchPath, is_system_schema};
use crate::policy::trusted;
use crate::sql::access::RelationRef;
use crate::sql::inner::Around;
use crate::sql::lexer::{self, Token};
use crate::sql::second_opinion::{OutlineStatement, StatementKind};
use crate::sql::splice::Splicer;
use crate::sql::tree::{Name, Span, Statement};

/// What was found out about one statement.
pub(super) struct Found {
    pub report: StatementReport,
    pub notices: Vec<Notice>,
    pub effects: Effects,
    /// What it does to the temporary tables of the session.
    pub changes: Vec<temporary::Change>,
}

/// Judges one statement and adds its replacements.
pub(super) fn statement(
    text: &Text<'_>,
    outline: &OutlineStatement,
    splicer: &mut Splicer<'_>,
) -> (Found, Option<Objection>) {
    let tokens = text.tokens_of(outline);
    let fingerprint = lexer::fingerprint(text.sql, tokens);
    let mut found = Found {
        report: StatementReport {
            operation: kind::operation(&outline.kind),
            fingerprint,
            relations: Vec::new(),
            columns: Vec::new(),
            unanalysed: None,
            touched: Touches::default(),
        },
        notices: Vec::new(),
        effects: session::effects(outline, text.facts.view),
        changes: Vec::new(),
    };
    let objection = judge(text, outline, tokens, &mut found, splicer).err();
    touched::describe(text, outline, tokens, &mut found.report);
    for notice in &mut found.notices {
        notice.fingerprint = fingerprint;
    }
    (found, objection)
}

fn judge(
    text: &Text<'_>,
    outline: &OutlineStatement,
    tokens: &[Token],
    found: &mut Found,
    splicer: &mut Splicer<'_>,
) -> Result<(), Objection> {
    let governed = text.facts.view.governed;
    let form = kind::form(&outline.kind);
    if governed {
        session::admit(text, outline, tokens)?;
    }
    let Form::Query(around) = form else { return no_query(text, outline, tokens, found, splicer) };
    let fallback = SearchPath::default();
    let gone = |column| retired::is_gone(text.facts.view, column);
    let Reading { tree, resolved } = match reading::read(text, outline, tokens, around, (&fallback, &gone)) {
        Ok(reading) => reading,
        Err(Unread::NotUnderstood(_)) if governed && outline.relations.is_empty() => {
            let made = outline.created.iter().map(|created| temporary::Change::Unclear(created.name.clone()));
            found.changes.extend(made);
            return calls::qualify(text, outline, &[], splicer);
        }
        Err(unread) if governed => return Err(unread.into_objection()),
        Err(unread) => {
            found.report.unanalysed = Some(unread.reason());
            found.report.relations = text.named_relations(outline);
            found.report.touched = touched::outlined(text, outline, tokens, &found.report.relations);
            return Ok(());
        }
    };
    let Some(catalog) = text.catalog else { return Ok(()) };
    let resolution = resolved.resolution;
    found.effects.names_unknown = unknown::is_named(catalog, outline, &resolution);
    let lookups = Lookups::of(catalog, text.facts.view, &resolution, outline);
    let wrapped = retired::wrapped(catalog, text.facts.view, &resolution, (text.sql, tokens));
    let case = Case::of(catalog, text.facts, &resolution, &lookups, &wrapped);
    found.report.touched = touched::resolved(&case, text.lineages);
    let decision = decide::decide(&case);
    found.report.relations = decision.relations;
    found.report.columns = decision.columns;
    found.notices = decision.notices;
    if governed {
        temporary::is_clear(text, &resolution)?;
        found.changes.extend(temporary::filled(text, outline, &resolved.outputs));
        exist(&case, text)?;
    }
    if let Some(objection) = decision.objection {
        return Err(objection);
    }
    if governed {
        let deciding = resolved.indirect.union(&resolved.sifted).copied().collect();
        predicates::objection(&case, &deciding).map_or(Ok(()), Err)?;
        lookups.admit(&case, text.sql, tokens)?;
        writes::admit(&case)?;
        text.watch.lap(Stage::Decide);
        calls::qualify(text, outline, &resolution.column_calls, splicer)?;
        rewrite::rewrite(&case, text.sql, text.tokens, splicer)?;
        copy_out(text, &tree, &case, splicer)?;
        text.watch.lap(Stage::Rewrite);
        if around == Around::Explain {
            plan_tells_nothing(&case)?;
        }
        return Ok(());
    }
    text.watch.lap(Stage::Decide);
    let retired = retire(text, &tree, &case, splicer);
    text.watch.lap(Stage::Rewrite);
    retired
}

/// Rewrites a statement of an observed session around what is retired.
fn retire(text: &Text<'_>, tree: &Statement, case: &Case<'_>, splicer: &mut Splicer<'_>) -> Result<(), Objection> {
    rewrite::retire(case, text.sql, text.tokens, splicer)
        .and_then(|()| copy_out(text, tree, case, splicer))
        .map_err(Objection::about_retired)
}

/// Rewrites COPY … TO of a relation; any other statement stays.
fn copy_out(text: &Text<'_>, tree: &Statement, case: &Case<'_>, splicer: &mut Splicer<'_>) -> Result<(), Objection> {
    let Statement::CopyRelation { path, columns, to: true } = tree else { return Ok(()) };
    let span = copied_span(text, path.span(), columns);
    rewrite::copy_out(case, text.sql, text.tokens, splicer, (columns, span))
}

/// A statement without a query that we look into.
fn no_query(
    text: &Text<'_>,
    outline: &OutlineStatement,
    tokens: &[Token],
    found: &mut Found,
    splicer: &mut Splicer<'_>,
) -> Result<(), Objection> {
    found.report.relations = text.named_relations(outline);
    found.report.unanalysed = kind::blind_spot(&outline.kind);
    found.report.touched = touched::outlined(text, outline, tokens, &found.report.relations);
    if let Some(decision) = retired::tables(text, outline) {
        found.report.columns = decision.columns;
        found.notices = decision.notices;
        decision.objection.map_or(Ok(()), Err)?;
    }
    // The arguments of EXECUTE are expressions that the server evaluates.
    if !text.facts.view.governed {
        return Ok(());
    }
    if outline.kind == StatementKind::Lock {
        return session::lock(text, outline, splicer);
    }
    found.changes.extend(temporary::qualify(text, outline, tokens, splicer)?);
    calls::qualify(text, outline, &[], splicer)
}

/// A plan shows estimates that come from statistics over the values of user tables.
fn plan_tells_nothing(case: &Case<'_>) -> Result<(), Objection> {
    let tells = case.resolution.relations.iter().any(|mention| {
        let user = case.relation(mention).is_some_and(|relation| !is_system_schema(&relation.schema));
        user && mention.relation.is_some_and(|oid| case.view.protects(oid))
    });
    if tells { Err(Objection::not_understood("a plan shows statistics of protected columns")) } else { Ok(()) }
}

/// Every relation exists, and no name is left that could call a function on a row.
fn exist(case: &Case<'_>, text: &Text<'_>) -> Result<(), Objection> {
    for mention in &case.resolution.relations {
        let start = mention.path.span().start;
        if mention.relation.is_none() {
            let written = text.sql.get(mention.path.span().range()).unwrap_or_default();
            return Err(Objection::no_such_relation(written).at(start));
        }
        no_cast_runs_code(case, mention, start)?;
        if let Some(why) = case.rules(mention).and_then(|rules| rules.opaque.as_deref()) {
            return Err(Objection::denied_relation(mention.path.last.as_str(), why).at(start));
        }
    }
    let (catalog, safe) = (case.catalog, &case.view.functions);
    let is_call =
        |name: &str| trusted::is_foreign_function(catalog, safe, name) || !trusted::built_in(catalog, safe, name);
    for name in &case.resolution.unresolved {
        if case.meant(name).is_some() {
            // The decision objects to it, in the words for what is retired.
            continue;
        }
        let on_target = name.visible.iter().any(|index| {
            case.mention(*index).is_some_and(|mention| {
                mention.role != crate::sql::access::Role::Source
                    && mention.relation.is_some_and(|oid| case.view.protects(oid))
            })
        });
        if on_target || (!name.path.qualifier.is_empty() && is_call(name.path.last.as_str())) {
            return Err(Objection::no_such_column(&name.path).at(name.path.span().start));
        }
    }
    for field in &case.resolution.fields {
        if is_call(field.as_str()) {
            return Err(
                Objection::not_understood(format!("\"{}\" may call a function", field.as_str())).at(field.span.start)
            );
        }
    }
    Ok(())
}

/// No column is of a type for whose values the server may call a function that nobody trusts: it would do so unasked,
/// where the text shows no call.
fn no_cast_runs_code(case: &Case<'_>, mention: &RelationRef, start: u32) -> Result<(), Objection> {
    let Some(relation) = mention.relation.and_then(|oid| case.catalog.relation(oid)) else { return Ok(()) };
    if case.catalog.casts.is_empty() || relation.is_system() {
        return Ok(());
    }
    let coded = relation.columns.iter().find_map(|column| {
        // Those that are asked for name a type, which is judged where it is named.
        let mut casts = trusted::untrusted_casts(case.catalog, &case.view.functions, column.ty.oid);
        let cast = casts.find(|cast| cast.unasked)?;
        Some((column, cast))
    });
    let Some((column, cast)) = coded else { return Ok(()) };
    let why = format!("a cast of column {} calls {}.{}", column.name, cast.schema, cast.name);
    Err(Objection::not_understood(why).at(start))
}

/// From the relation of a COPY to the end of its column list.
fn copied_span(text: &Text<'_>, relation: Span, columns: &[Name]) -> Span {
    let Some(last) = columns.last() else { return relation };
    let after = text.tokens.partition_point(|token| token.start < last.span.end);
    let end = text.tokens.get(after).map_or(last.span.end, |token| token.end);
    Span { start: relation.start, end }
}
