//! Temporary tables of a governed session.
//!
//! It may make and change them as it likes: what fills them is what it may see. Each of their names is qualified with
//! `pg_temp` in the text that is sent. So it never means a table that others know, even if the session's own has gone, or
//! come, between the verdict and the execution.

use super::judge::{Found, Text};
use super::objection::Objection;
use super::refusal::SqlState;
use super::report::Operation;
use crate::model::catalog::{Catalog, Oid, SearchPath};
use crate::model::ident::display_name;
use crate::model::temporary::{SCHEMA, TemporaryColumn, TemporaryRelation};
use crate::sql::access::Resolution;
use crate::sql::inner;
use crate::sql::lexer::Token;
use crate::sql::resolve;
use crate::sql::scope::Column;
use crate::sql::second_opinion::{Created, Others, OutlineStatement, StatementKind, TableChange};
use crate::sql::splice::Splicer;

/// What a statement does to a temporary table.
#[derive(Debug)]
pub(super) enum Change {
    /// It makes one of this form.
    Made(TemporaryRelation),
    /// There is none of this name afterwards.
    Dropped(String),
    /// What the name means afterwards cannot be told.
    Unclear(String),
}

/// The temporary tables of the session, while the statements of one text run.
#[derive(Debug, Default)]
pub(super) struct Own {
    now: Vec<TemporaryRelation>,
    /// Those that there were at any time.
    all: Vec<TemporaryRelation>,
    /// Names that statements of the text have changed.
    changed: Vec<String>,
    /// Those of which it is not known what they mean now.
    unclear: Vec<String>,
    /// The text has made one.
    made: bool,
}

impl Own {
    /// Before the first statement.
    pub(super) fn new(path: Option<&SearchPath>) -> Self {
        let known = path.map(SearchPath::temporary).unwrap_or_default();
        Self { now: known.to_vec(), all: known.to_vec(), ..Self::default() }
    }

    /// The path that the next statement looks names up along. The first temporary table of a session brings its schema
    /// into it; at which place does not matter, since what it hides or is hidden by is not clear.
    pub(super) fn path(&self, known: Option<&SearchPath>) -> Option<SearchPath> {
        let known = known?;
        if !self.made {
            return Some(known.clone());
        }
        let missing = Some(SCHEMA).filter(|schema| !known.schemas().iter().any(|known| &**known == *schema));
        let schemas = missing.into_iter().chain(known.schemas().iter().map(|schema| &**schema));
        Some(SearchPath::new(schemas).with_temporary(self.now.clone()))
    }

    /// The catalog as the next statement sees it; none where it is the shared one.
    pub(super) fn catalog(&self, shared: Option<&Catalog>) -> Option<Catalog> {
        shared.filter(|_| !self.now.is_empty()).map(|catalog| catalog.with_temporary(&self.now))
    }

    /// The catalog with all that there was.
    pub(super) fn catalog_of_all(&self, shared: Option<&Catalog>) -> Option<Catalog> {
        shared.filter(|_| !self.all.is_empty()).map(|catalog| catalog.with_temporary(&self.all))
    }

    /// A statement will have run.
    pub(super) fn follow(&mut self, found: &Found, shared: Option<&Catalog>, path: Option<&SearchPath>) {
        if found.report.operation == Operation::Transaction {
            // It can undo what was done, or drop what was to last for the transaction.
            self.unclear.extend(self.changed.iter().cloned());
        }
        for change in &found.changes {
            match change {
                Change::Made(relation) if self.is_hidden_or_hides(&relation.name, shared, path) => {
                    self.unclear.push(relation.name.to_string());
                    self.all.push(relation.clone());
                }
                Change::Made(relation) => {
                    self.now.push(relation.clone());
                    self.all.push(relation.clone());
                    self.changed.push(relation.name.to_string());
                    self.made = true;
                }
                Change::Dropped(name) => {
                    self.now.retain(|relation| *relation.name != **name);
                    self.changed.push(name.clone());
                }
                Change::Unclear(name) => self.unclear.push(name.clone()),
            }
        }
    }

    /// Without the temporary schema in the path it is not known where it will stand there.
    fn is_hidden_or_hides(&self, name: &str, shared: Option<&Catalog>, path: Option<&SearchPath>) -> bool {
        let (Some(catalog), Some(path)) = (shared, path) else { return true };
        let known = path.schemas().iter().any(|schema| &**schema == SCHEMA);
        !known && catalog.resolve(path, name).is_some()
    }

    fn is_unclear(&self, name: &str) -> bool {
        self.unclear.iter().any(|unclear| unclear == name)
    }
}

/// What CREATE TABLE makes. Where there is such a table, it fails or does nothing.
fn made(text: &Text<'_>, created: &Created, outputs: &[Column]) -> Option<Change> {
    if text.catalog.is_some_and(|catalog| catalog.find(SCHEMA, &created.name).is_some()) {
        return None;
    }
    let unclear = Change::Unclear(created.name.clone());
    let listed = created.columns.iter().map(|name| Some(name.as_str()));
    let rest: &[Column] = match created.others {
        Others::None => &[],
        Others::Query => outputs.get(created.columns.len()..).unwrap_or_default(),
        Others::Elsewhere => return Some(unclear),
    };
    // A name that the server derives from something else than a name.
    let derived = rest.iter().map(|column| Some(column.name.as_str()).filter(|name| *name != resolve::UNNAMED));
    let columns = listed.chain(derived).map(|name| Some(TemporaryColumn { name: name?.into(), ty: Oid::default() }));
    Some(match columns.collect() {
        Some(columns) => Change::Made(TemporaryRelation { name: (*created.name).into(), sequence: false, columns }),
        None => unclear,
    })
}

/// The table that a query fills.
pub(super) fn filled(text: &Text<'_>, outline: &OutlineStatement, outputs: &[Column]) -> Option<Change> {
    outline.created.as_ref().and_then(|created| made(text, created, outputs))
}

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
) -> Result<Vec<Change>, Objection> {
    let change = match &outline.kind {
        StatementKind::Table(TableChange::Create { .. }) => {
            // Its types and operators are found along the path.
            let fallback = SearchPath::default();
            text.search_path(&fallback)?;
            return Ok(outline.created.iter().filter_map(|created| made(text, created, &[])).collect());
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
        touched.push(Change::Unclear(named.name.to_owned()));
    }
    if touched.is_empty() {
        return Err(permanent(outline));
    }
    match change {
        Some(TableChange::Alter) => Ok(touched),
        // The new name stands last.
        Some(TableChange::Rename) => {
            let new = tokens.last().and_then(|token| crate::sql::lexer::ident(text.sql, token));
            touched.extend(new.map(|name| Change::Unclear(name.as_str().to_owned())));
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
) -> Result<Vec<Change>, Objection> {
    let names = inner::dropped(text.sql, tokens).map_err(Objection::not_understood)?;
    let mut touched = Vec::new();
    for path in &names {
        let schema = match path.qualifier.as_slice() {
            [] => None,
            [schema] => Some(schema.as_str()),
            _ => return Err(permanent(outline).at(path.span().start)),
        };
        own(text, &Named { schema, name: path.last.as_str(), start: path.span().start }, outline, splicer)?;
        touched.push(Change::Dropped(path.last.as_str().to_owned()));
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
    let made_before = text.own.is_unclear(named.name);
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

/// Of no relation of the statement it is unclear what its name means.
pub(super) fn is_clear(text: &Text<'_>, resolution: &Resolution) -> Result<(), Objection> {
    for mention in &resolution.relations {
        let name = mention.path.last.as_str();
        let own = match mention.path.qualifier.as_slice() {
            [] => true,
            [schema] => schema.as_str() == "pg_temp",
            _ => false,
        };
        if own && text.own.is_unclear(name) {
            let message = format!("temporary table {} is not known at this point", display_name(name));
            return Err(Objection::new(SqlState::ObjectNotInPrerequisiteState, message)
                .detail("An earlier statement of the same text makes, changes or drops it.")
                .hint("Send the statement on its own after the change.")
                .at(mention.path.span().start));
        }
    }
    Ok(())
}
