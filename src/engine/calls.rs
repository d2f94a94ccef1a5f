//! Calls and types of one statement of a governed session: each is judged, and means to the server what was judged.

use super::definitions;
use super::judge::Text;
use super::objection::Objection;
use super::refusal::SqlState;
use super::{sequences, settings};
use crate::model::catalog::Catalog;
use crate::policy::trusted;
use crate::sql::access::ColumnCall;
use crate::sql::functions;
use crate::sql::second_opinion::{NamedObject, OutlineStatement, StatementKind};
use crate::sql::splice::{Generated, SpliceError, Splicer};

/// Puts the schema before every function, so that a call means what was checked.
/// `columns` stand where a call does, and are none: `column(row)`.
pub(super) fn qualify(
    text: &Text<'_>,
    outline: &OutlineStatement,
    columns: &[ColumnCall],
    splicer: &mut Splicer<'_>,
) -> Result<(), Objection> {
    let empty = Catalog::default();
    let catalog = text.catalog.unwrap_or(&empty);
    let is_column = |start: Option<u32>| columns.iter().any(|call| Some(call.name.span.start) == start);
    for function in outline.functions.iter().filter(|function| !is_column(function.start)) {
        call(text, catalog, (function, &outline.kind), splicer)?;
    }
    let safe = &text.facts.view.functions;
    for named in &outline.types {
        let admitted = match named.parts.as_slice() {
            [name] => trusted::type_name(catalog, safe, None, name),
            [schema, name] => trusted::type_name(catalog, safe, Some(schema), name),
            _ => false,
        };
        if !admitted {
            let objection = Objection::not_understood(format!("type {} may run code", named.parts.join(".")));
            return Err(named.start.map_or(objection.clone(), |start| objection.at(start)));
        }
    }
    Ok(())
}

/// Judges one call; without a schema it means the trusted function on the search path, or the one in `pg_catalog`.
fn call(
    text: &Text<'_>,
    catalog: &Catalog,
    (function, kind): (&NamedObject, &StatementKind),
    splicer: &mut Splicer<'_>,
) -> Result<(), Objection> {
    let view = text.facts.view;
    let start = function.start;
    let place = || start.ok_or_else(|| Objection::not_understood("a call without a place"));
    let refused = |name: &str| {
        let objection = denied_function(name);
        start.map_or(objection.clone(), |start| objection.at(start))
    };
    if let Some(name) = named_by_argument(function) {
        match name {
            Sensitive::SetConfig => {
                match settings::named_by_condition(text.sql, text.tokens, place()?) {
                    Some((argument, name)) => {
                        settings::set(&name.to_ascii_lowercase(), None, text.catalog)?;
                        splicer.replace(argument, format!("'{name}'"), Generated::Plain).map_err(misfit)?;
                    }
                    None => settings::call(&function.constants, text.catalog)?,
                }
                if outlives(kind) || changes_path(function) && is_delayed(kind) {
                    return Err(refused("set_config"));
                }
            }
            // With two arguments, the second is a query to be run.
            Sensitive::Rewrite if function.constants.len() == 3 => {}
            Sensitive::Rewrite => return Err(refused("ts_rewrite")),
            Sensitive::NextVal if outlives(kind) => return Err(refused("nextval")),
            Sensitive::NextVal => sequences::qualify(text, catalog, function, splicer)?,
        }
        if function.parts.len() == 1 {
            splicer.insert_before(place()?, "pg_catalog.".to_owned()).map_err(misfit)?;
        }
        return Ok(());
    }
    match function.parts.as_slice() {
        [name] => {
            if functions::tells_definition(name) {
                return definitions::redact(text, (name, place()?), splicer);
            }
            let is_listed = trusted::may_be_overloaded(catalog, &view.functions, text.facts.search_path, name);
            if !trusted::built_in(catalog, &view.functions, name) || *kind == StatementKind::Call && !is_listed {
                return Err(refused(name));
            }
            if is_listed || trusted::is_built_in_as_written(catalog, name) {
                return Ok(());
            }
            splicer.insert_before(place()?, "pg_catalog.".to_owned()).map_err(misfit)
        }
        [schema, name] if schema == "pg_catalog" && functions::tells_definition(name) => {
            definitions::redact(text, (name, place()?), splicer)
        }
        [schema, name] => {
            let admitted = match schema.as_str() {
                "pg_catalog" => trusted::built_in(catalog, &view.functions, name),
                _ => trusted::function(catalog, &view.functions, schema, name),
            };
            if admitted { Ok(()) } else { Err(refused(&format!("{schema}.{name}"))) }
        }
        _ => Err(Objection::not_understood("a function with a longer name")),
    }
}

/// Functions that are admitted by what their first argument names.
pub(super) enum Sensitive {
    SetConfig,
    NextVal,
    /// `ts_rewrite`, by how many arguments it has.
    Rewrite,
}

/// Which of them a call is.
fn named_by_argument(function: &NamedObject) -> Option<Sensitive> {
    let name = match function.parts.as_slice() {
        [name] => name,
        [schema, name] if schema == "pg_catalog" => name,
        _ => return None,
    };
    Sensitive::of(name)
}

impl Sensitive {
    /// By the name of the function in `pg_catalog`.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "set_config" => Some(Self::SetConfig),
            "nextval" => Some(Self::NextVal),
            "ts_rewrite" => Some(Self::Rewrite),
            _ => None,
        }
    }
}

/// Whether a call sets what names mean.
pub(super) fn changes_path(function: &NamedObject) -> bool {
    matches!(named_by_argument(function), Some(Sensitive::SetConfig))
        && function.constants.first().is_none_or(|name| {
            name.as_ref().is_none_or(|name| settings::changes_path(&name.value.to_ascii_lowercase()))
        })
}

/// The server may make the calls of such a statement when another one runs.
fn is_delayed(kind: &StatementKind) -> bool {
    matches!(kind, StatementKind::Prepare | StatementKind::DeclareCursor | StatementKind::Explain)
}

/// The calls of such a statement become part of a table.
fn outlives(kind: &StatementKind) -> bool {
    matches!(kind, StatementKind::Table(_))
}

pub(super) fn misfit(error: SpliceError) -> Objection {
    Objection::not_understood(error.to_string())
}

fn denied_function(name: &str) -> Objection {
    Objection::new(SqlState::InsufficientPrivilege, format!("permission denied for function {name}"))
        .detail("It can read or change what the policy protects, or run SQL of its own.")
        .hint("Ask the owner of the contract to list it, if it is safe.")
}
