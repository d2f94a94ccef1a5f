//! Whether a text may be planned, by what it names, and the same text with its names qualified.
//!
//! Relations and enums get their schema, so that the search path of the connection need not hold anything that a user can
//! create in: then no function, operator or cast of a user's own can be meant, whatever is created meanwhile. Where a type of
//! an extension is in play, its operators have to be found, and the session's own path is used.

use super::Question;
use crate::model::catalog::{Catalog, Relation, RelationKind, SearchPath, UserType};
use crate::model::ident::Ident;
use crate::model::plan::NoPlan;
use crate::policy::trusted;
use crate::sql::functions;
use crate::sql::lexer::{self, Caps, TokenKind};
use crate::sql::second_opinion::{Name, ReadQuery, read_query};

/// Types below this oid came with the server.
pub(super) const FIRST_OF_USERS: u32 = 16_384;

/// From this version on a number may have a radix and underscores.
const NEW_NUMBERS: u32 = 160_000;

/// A text that may be planned as far as it itself goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guarded {
    /// The text, with names qualified.
    pub(super) text: String,
    /// The search path to plan it under.
    pub(super) path: String,
    /// The oids of its relations.
    pub(super) relations: Vec<u32>,
    /// The oids of the types that it names, or that its parameters are declared to have, but for those of the server itself.
    pub(super) types: Vec<u32>,
    /// Functions that it calls.
    pub(super) functions: Vec<String>,
    /// Names that could be those of functions of one argument.
    pub(super) attributes: Vec<String>,
    /// Operators that it uses.
    pub(super) operators: Vec<String>,
    /// How many parameters it has.
    pub(super) parameters: u16,
}

/// Judges a text.
pub(super) fn guard(catalog: &Catalog, question: &Question<'_>) -> Result<Guarded, NoPlan> {
    let tokens = lexer::lex(question.text).map_err(|_| NoPlan::Statement)?;
    Caps::default().check(&tokens, question.text).map_err(|_| NoPlan::Statement)?;
    // An older server reads it as a number and a name.
    let is_new = catalog.server_version < NEW_NUMBERS && tokens.iter().any(|token| token.kind == TokenKind::NewNumber);
    if is_new {
        return Err(NoPlan::Statement);
    }
    let query = read_query(question.text).map_err(|_| NoPlan::Statement)?;
    let relations = relations(catalog, question.path, &query)?;
    let mut inserts: Vec<(u32, String)> = Vec::new();
    for (name, relation) in query.relations.iter().zip(&relations) {
        if name.schema.is_none() {
            inserts.push((name.start.ok_or(NoPlan::Statement)?, schema_of(&relation.schema)));
        }
    }
    functions_are_the_servers(catalog, &query)?;
    let mut types = declared_types(question);
    for name in &query.types {
        let Some(ty) = type_of(catalog, question.path, name)? else { continue };
        types.push(ty.oid.0);
        if name.schema.is_none() {
            inserts.push((name.start.ok_or(NoPlan::Statement)?, schema_of(&ty.schema)));
        }
    }
    let of_extensions =
        operators_of_extensions(catalog, &query)? || relations.iter().any(|r| has_extension_type(catalog, r));
    let path = match question.path.filter(|_| of_extensions) {
        Some(path) => path_of(path),
        None if of_extensions => return Err(NoPlan::Path),
        None => "pg_catalog, pg_temp".to_owned(),
    };
    let names = |names: &[Name]| names.iter().map(|name| name.name.clone()).collect();
    Ok(Guarded {
        text: inserted(question.text, inserts).ok_or(NoPlan::Statement)?,
        path,
        relations: relations.iter().map(|relation| relation.oid.0).collect(),
        types,
        functions: names(&query.functions),
        attributes: query.attributes.clone(),
        operators: names(&query.operators),
        parameters: query.parameters,
    })
}

/// Types of the Parse message that did not come with the server.
fn declared_types(question: &Question<'_>) -> Vec<u32> {
    let declared = question.bound.map_or(&[][..], |(types, _)| types).as_chunks::<4>().0;
    declared.iter().map(|oid| u32::from_be_bytes(*oid)).filter(|oid| *oid >= FIRST_OF_USERS).collect()
}

fn relations<'c>(
    catalog: &'c Catalog,
    path: Option<&SearchPath>,
    query: &ReadQuery,
) -> Result<Vec<&'c Relation>, NoPlan> {
    let mut found = Vec::new();
    for name in &query.relations {
        let relation = match (&name.schema, path) {
            (Some(schema), _) => catalog.find(schema, &name.name),
            (None, Some(path)) if hides(path, &name.name) => None,
            (None, Some(path)) => catalog.resolve(path, &name.name),
            (None, None) => return Err(NoPlan::Path),
        };
        let relation = relation.ok_or(NoPlan::Relation)?;
        let is_plain = match relation.kind {
            RelationKind::Table | RelationKind::Partitioned | RelationKind::MaterializedView | RelationKind::View => {
                true
            }
            RelationKind::Foreign | RelationKind::Sequence | RelationKind::Other => false,
        };
        if !is_plain || relation.is_system() || relation.is_temporary() {
            return Err(NoPlan::Relation);
        }
        found.push(&**relation);
    }
    Ok(found)
}

/// A temporary relation of the session goes before what the catalog has.
fn hides(path: &SearchPath, name: &str) -> bool {
    path.temporary().iter().any(|relation| &*relation.name == name)
}

/// Every call is of a function that the server came with, that only computes, and that nobody has another one of by that name.
fn functions_are_the_servers(catalog: &Catalog, query: &ReadQuery) -> Result<(), NoPlan> {
    let is_foreign = |name: &str| trusted::is_foreign_function(catalog, &trusted::SafeFunctions::new(), name);
    for function in &query.functions {
        let of_server = function.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
        let computes = functions::is_known(&function.name) && functions::admitted(&function.name);
        if !of_server || !computes || is_foreign(&function.name) {
            return Err(NoPlan::Function);
        }
    }
    if query.attributes.iter().any(|name| is_foreign(name)) { Err(NoPlan::Function) } else { Ok(()) }
}

/// Whether an operator may be one of an extension; one of anybody else is not run.
fn operators_of_extensions(catalog: &Catalog, query: &ReadQuery) -> Result<bool, NoPlan> {
    let mut found = false;
    for operator in &query.operators {
        if operator.schema.as_deref().is_some_and(|schema| schema != "pg_catalog") {
            return Err(NoPlan::Function);
        }
        let others = || catalog.operators.iter().filter(|other| *other.name == *operator.name);
        if !trusted::operator((catalog, &trusted::SafeFunctions::new()), None, None, &operator.name) {
            return Err(NoPlan::Function);
        }
        // Those of an extension for its own types come with a column of such a type; what is left is for built-in ones.
        let is_built_in = BUILT_IN_OPERATORS.contains(&operator.name.as_str());
        found |= !is_built_in && others().next().is_some();
    }
    Ok(found)
}

/// Operators that every type has: that an extension has them, too, says nothing.
const BUILT_IN_OPERATORS: &[&str] =
    &["=", "<>", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "!~~*", "||", "+", "-", "*", "/"];

/// Whether a column has a type that is neither the server's own nor an enum or a domain.
fn has_extension_type(catalog: &Catalog, relation: &Relation) -> bool {
    relation.columns.iter().any(|column| {
        let ty = catalog.types.iter().find(|ty| ty.oid == column.ty.oid || ty.array == column.ty.oid);
        ty.is_some_and(|ty| ty.extension.is_some())
    })
}

/// The enum, or the type of an extension, that is named; none for a type of the server itself. No other may be named.
fn type_of<'c>(catalog: &'c Catalog, path: Option<&SearchPath>, name: &Name) -> Result<Option<&'c UserType>, NoPlan> {
    if name.schema.as_deref() == Some("pg_catalog") {
        return Ok(None);
    }
    let mut named = catalog.types.iter().filter(|ty| *ty.name == *name.name);
    let Some(first) = named.clone().next() else { return Ok(None) };
    let found = match (&name.schema, path) {
        (Some(schema), _) => named.find(|ty| *ty.schema == **schema),
        (None, Some(path)) => path.schemas().iter().find_map(|schema| named.clone().find(|ty| ty.schema == *schema)),
        (None, None) => Some(first),
    };
    found.filter(|ty| is_harmless(catalog, ty)).map(Some).ok_or(NoPlan::Function)
}

/// An enum, or a type of an extension that only computes: making a value of it runs nothing of the users' own.
pub(super) fn is_harmless(catalog: &Catalog, ty: &UserType) -> bool {
    (ty.kind == 'e' || ty.extension.is_some()) && trusted::runs_safe_code(catalog, &trusted::SafeFunctions::new(), ty)
}

fn schema_of(schema: &str) -> String {
    format!("{}.", Ident::quoted(schema))
}

/// The session's path, behind what nobody can create in.
fn path_of(path: &SearchPath) -> String {
    let mut schemas = vec!["pg_catalog".to_owned()];
    let others = path.lasting().filter(|schema| *schema != "pg_catalog" && !schema.starts_with("pg_temp"));
    schemas.extend(others.map(|schema| Ident::quoted(schema).to_string()));
    schemas.push("pg_temp".to_owned());
    schemas.join(", ")
}

/// The text with these pieces put in, by the places in front of which they go.
fn inserted(text: &str, mut pieces: Vec<(u32, String)>) -> Option<String> {
    pieces.sort_unstable();
    pieces.dedup();
    let mut whole = String::with_capacity(text.len() + 16 * pieces.len());
    let mut done = 0;
    for (start, piece) in pieces {
        let start = usize::try_from(start).ok()?;
        whole.push_str(text.get(done..start)?);
        whole.push_str(&piece);
        done = start;
    }
    whole.push_str(text.get(done..)?);
    Some(whole)
}

#[cfg(test)]
mod tests;
