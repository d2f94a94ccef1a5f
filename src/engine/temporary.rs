//! Temporary tables of a governed session.
//!
//! It may make and change them as it likes: what fills them is what it may see. Each of their names is qualified with
//! `pg_temp` in the text that is sent. So it never means a table that others know, even if the session's own has gone, or
//! come, between the verdict and the execution.

use super::judge::Text;
use super::objection::Objection;
use super::refusal::SqlState;
use crate::model::catalog::{Catalog, SearchPath};
use crate::model::ident::display_name;
use crate::sql::access::Resolution;
use crate::sql::inner;
use crate::sql::lexer::Token;
use crate::sql::second_opinion::{OutlineStatement, StatementKind, TableChange};
use crate::sql::splice::Splicer;

/// One name that a statement changes the table of.
struct Named<'a> {
    schema: Option<&'a str>,
    name: &'a str,
    start: u32,
}

/// Qualifies the names of a statement that changes tables; the answer is those whose meaning it changes.
pub(super) fn qualify(
    text: &Text<'_>,
    outline: &OutlineStatement,
    tokens: &[Token],
    splicer: &mut Splicer<'_>,
) -> Result<Vec<String>, Objection> {
    let change = match &outline.kind {
        StatementKind::Table(TableChange::Create { .. }) => {
            // Its types and operators are found along the path.
            let fallback = SearchPath::default();
            return text.search_path(&fallback).map(|_| Vec::new());
        }
        StatementKind::Table(change) => Some(*change),
        StatementKind::Vacuum => None,
        _ => return Ok(Vec::new()),
    };
    if let Some(TableChange::Drop | TableChange::DropIndex) = change {
        return drop(text, outline, tokens, splicer);
    }
    let mut touched = Vec::new();
    for named in &outline.relations {
        let named = Named { schema: named.schema.as_deref(), name: &named.name, start: named.start };
        own(text, &named, outline, splicer)?;
        touched.push(named.name.to_owned());
    }
    if touched.is_empty() {
        return Err(permanent(outline));
    }
    match change {
        Some(TableChange::Alter) => Ok(touched),
        // The new name stands last.
        Some(TableChange::Rename) => {
            let new = tokens.last().and_then(|token| crate::sql::lexer::ident(text.sql, token));
            touched.extend(new.map(|name| name.as_str().to_owned()));
            Ok(touched)
        }
        _ => Ok(Vec::new()),
    }
}

/// DROP TABLE, DROP INDEX: whatever the session has by these names. PostgreSQL's grammar keeps no places of them.
fn drop(
    text: &Text<'_>,
    outline: &OutlineStatement,
    tokens: &[Token],
    splicer: &mut Splicer<'_>,
) -> Result<Vec<String>, Objection> {
    let names = inner::dropped(text.sql, tokens).map_err(Objection::not_understood)?;
    let mut touched = Vec::new();
    for path in &names {
        let schema = match path.qualifier.as_slice() {
            [] => None,
            [schema] => Some(schema.as_str()),
            _ => return Err(permanent(outline).at(path.span().start)),
        };
        own(text, &Named { schema, name: path.last.as_str(), start: path.span().start }, outline, splicer)?;
        touched.push(path.last.as_str().to_owned());
    }
    Ok(touched)
}

/// The name means a table of the session's own, or nothing that anybody knows.
fn own(
    text: &Text<'_>,
    named: &Named<'_>,
    outline: &OutlineStatement,
    splicer: &mut Splicer<'_>,
) -> Result<(), Objection> {
    match named.schema {
        Some("pg_temp") => return Ok(()),
        Some(_) => return Err(permanent(outline).at(named.start)),
        None => {}
    }
    let empty = Catalog::default();
    let fallback = SearchPath::default();
    let path = text.search_path(&fallback)?;
    let made_before = text.touched.iter().any(|touched| touched == named.name);
    let found = text.catalog.unwrap_or(&empty).resolve(path, named.name);
    match found {
        Some(relation) if !relation.is_temporary() && !made_before => {
            return Err(permanent(outline).at(named.start));
        }
        // What indexes there are is for the server to say.
        None if outline.kind == StatementKind::Table(TableChange::DropIndex) => {}
        None if !made_before && !if_exists(text, outline) => return Err(missing(outline, named)),
        Some(_) | None => {}
    }
    splicer
        .insert_before(named.start, "pg_temp.".to_owned())
        .map_err(|error| Objection::not_understood(error.to_string()))
}

fn if_exists(text: &Text<'_>, outline: &OutlineStatement) -> bool {
    text.tokens_of(outline).get(2).is_some_and(|token| token.is_word(text.sql, "if"))
}

/// In the server's words.
fn missing(outline: &OutlineStatement, named: &Named<'_>) -> Objection {
    let name = named.name;
    match outline.kind {
        StatementKind::Table(TableChange::Drop) => {
            Objection::new(SqlState::UndefinedTable, format!("table \"{name}\" does not exist"))
        }
        _ => Objection::no_such_relation(name),
    }
}

fn permanent(outline: &OutlineStatement) -> Objection {
    Objection::new(SqlState::InsufficientPrivilege, format!("permission denied for {}", outline.kind.as_str()))
        .detail("A policy protects columns from this user, who may change temporary tables only.")
        .hint("Use a session of a user without protected columns, or ask the owner of the policy.")
}

/// No relation of the statement is one that an earlier statement of the same text makes, changes or drops.
pub(super) fn untouched(text: &Text<'_>, resolution: &Resolution) -> Result<(), Objection> {
    for mention in &resolution.relations {
        let name = mention.path.last.as_str();
        let own = match mention.path.qualifier.as_slice() {
            [] => true,
            [schema] => schema.as_str() == "pg_temp",
            _ => false,
        };
        if own && text.touched.iter().any(|touched| touched == name) {
            let message = format!("temporary table {} is not known at this point", display_name(name));
            return Err(Objection::new(SqlState::ObjectNotInPrerequisiteState, message)
                .detail("An earlier statement of the same text makes, changes or drops it.")
                .hint("Send the statement on its own after the change.")
                .at(mention.path.span().start));
        }
    }
    Ok(())
}
