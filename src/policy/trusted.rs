//! Code outside `pg_catalog` that a governed session may run.
//!
//! A function of the database's own can read anything that its owner may. So only two kinds are admitted: what the contract
//! lists, and the C functions of extensions that are known to compute on their arguments alone.

use std::collections::HashSet;

use crate::model::catalog::{CastFunction, Catalog, Oid, SearchPath, UserType};
use crate::sql::functions;

/// Extensions of the PostgreSQL distribution whose C functions read nothing but their arguments.
const COMPUTING_EXTENSIONS: &[&str] = &[
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "seg",
    "unaccent",
    "uuid-ossp",
];

/// The server's own helpers in `information_schema`: they compute, or look into the catalogs for structure. Drivers call them.
const INFORMATION_SCHEMA: &[&str] = &[
    "_pg_char_max_length",
    "_pg_char_octet_length",
    "_pg_datetime_precision",
    "_pg_expandarray",
    "_pg_index_position",
    "_pg_interval_type",
    "_pg_numeric_precision",
    "_pg_numeric_precision_radix",
    "_pg_numeric_scale",
    "_pg_truetypid",
    "_pg_truetypmod",
];

/// Extensions whose C functions read nothing but their arguments.
pub const fn computing_extensions() -> &'static [&'static str] {
    COMPUTING_EXTENSIONS
}

fn is_computing(extension: Option<&str>, language: &str) -> bool {
    // Some functions of these extensions are other names of built-in ones.
    language == "constructor"
        || matches!(language, "c" | "internal")
            && extension.is_some_and(|extension| COMPUTING_EXTENSIONS.contains(&extension))
}

/// Functions that contracts call safe, as `schema` and `name`.
pub type SafeFunctions = HashSet<(Box<str>, Box<str>)>;

/// Whether a function of `pg_catalog` may be called. What the catalog lists of it is unknown to us: of a later server, or put
/// there by somebody.
pub fn built_in(catalog: &Catalog, safe: &SafeFunctions, name: &str) -> bool {
    let mut unknown = catalog.functions.iter().filter(|f| &*f.name == name && &*f.schema == "pg_catalog");
    functions::admitted(name) && (unknown.next().is_none() || function(catalog, safe, "pg_catalog", name))
}

/// Whether a call without a schema means the function of `pg_catalog` whatever the search path is. `FROM unnest(a, b)` does, and
/// has to be written so: the server takes it apart itself.
pub fn is_built_in_as_written(catalog: &Catalog, name: &str) -> bool {
    name == "unnest" && !catalog.functions.iter().any(|f| &*f.name == name)
}

/// Whether `schema.name` may be called: every overload of it must be trusted.
pub fn function(catalog: &Catalog, safe: &SafeFunctions, schema: &str, name: &str) -> bool {
    if safe.contains(&(Box::from(schema), Box::from(name)))
        || schema == "information_schema" && INFORMATION_SCHEMA.contains(&name)
    {
        return true;
    }
    let mut overloads = catalog.functions.iter().filter(|f| &*f.schema == schema && &*f.name == name).peekable();
    overloads.peek().is_some() && overloads.all(|f| is_computing(f.extension.as_deref(), &f.language))
}

/// Whether an unqualified call may stay as it is: there are functions of that name on the path outside `pg_catalog`, and
/// every one of them is trusted, so that whichever the arguments choose is.
pub fn may_be_overloaded(catalog: &Catalog, safe: &SafeFunctions, path: Option<&SearchPath>, name: &str) -> bool {
    let Some(path) = path else { return false };
    let mut schemas = path
        .schemas()
        .iter()
        .filter(|schema| catalog.functions.iter().any(|f| f.schema == **schema && &*f.name == name))
        .peekable();
    schemas.peek().is_some() && schemas.all(|schema| function(catalog, safe, schema, name))
}

/// Whether a function of that name exists outside `pg_catalog` that is not trusted: `row.name` could call it.
pub fn is_foreign_function(catalog: &Catalog, safe: &SafeFunctions, name: &str) -> bool {
    catalog.functions.iter().any(|f| &*f.name == name && !function(catalog, safe, &f.schema, name))
}

/// Whether an operator may be used: all of that name that the session could mean must be trusted.
pub fn operator(
    (catalog, safe): (&Catalog, &SafeFunctions),
    path: Option<&SearchPath>,
    schema: Option<&str>,
    name: &str,
) -> bool {
    if schema == Some("pg_catalog") {
        return true;
    }
    let reachable = |found: &str| match (schema, path) {
        (Some(schema), _) => found == schema,
        (None, Some(path)) => path.schemas().iter().any(|schema| **schema == *found),
        (None, None) => true,
    };
    let mut found =
        catalog.operators.iter().filter(|operator| &*operator.name == name && reachable(&operator.schema)).peekable();
    // One that is named by its schema must be known; without a schema, it is that of pg_catalog.
    (schema.is_none() || found.peek().is_some())
        && found.all(|operator| {
            is_computing(operator.extension.as_deref(), &operator.language)
                || is_safe(catalog, safe, &operator.function)
        })
}

/// A function that stands behind something else: one of the server itself, or one that may be called.
fn is_safe(catalog: &Catalog, safe: &SafeFunctions, (schema, name): &(Box<str>, Box<str>)) -> bool {
    match &**schema {
        "pg_catalog" => built_in(catalog, safe, name),
        schema => function(catalog, safe, schema, name),
    }
}

/// Whether a type may be named: those that run code of the database when a value is made of them are refused.
pub fn type_name(catalog: &Catalog, safe: &SafeFunctions, schema: Option<&str>, name: &str) -> bool {
    if schema == Some("pg_catalog") {
        return true;
    }
    // An array of a type has a name of its own, which people do not write.
    let named = |ty: &&UserType| &*ty.name == name && schema.is_none_or(|schema| &*ty.schema == schema);
    catalog.types.iter().filter(named).all(|ty| runs_safe_code(catalog, safe, ty))
}

/// Whether equality with a value of that type tells of nothing but equality: built-in types and enums, unlike those of
/// extensions, whose operators may take different values for equal.
pub fn compares_plainly(catalog: &Catalog, schema: Option<&str>, name: &str) -> bool {
    let named = |ty: &&UserType| &*ty.name == name && schema.is_none_or(|schema| &*ty.schema == schema);
    match schema {
        Some("pg_catalog") => true,
        Some(_) => catalog.types.iter().find(named).is_some_and(|ty| ty.kind == 'e'),
        None => catalog.types.iter().filter(named).all(|ty| ty.kind == 'e'),
    }
}

/// Whether making a value of a type, or another type's value of it, runs no code that reads anything but that value.
pub fn runs_safe_code(catalog: &Catalog, safe: &SafeFunctions, ty: &UserType) -> bool {
    !ty.has_unclear_check
        && (is_computing(ty.extension.as_deref(), "c")
            || ty.runs.iter().all(|function| is_safe(catalog, safe, function)))
        && untrusted_casts(catalog, safe, ty.oid).next().is_none()
}

/// Casts from or to a type whose functions nobody trusts.
pub fn untrusted_casts<'c>(
    catalog: &'c Catalog,
    safe: &SafeFunctions,
    ty: Oid,
) -> impl Iterator<Item = &'c CastFunction> {
    let casts = catalog.casts.iter().filter(move |cast| cast.ty == ty);
    casts.filter(|cast| !function(catalog, safe, &cast.schema, &cast.name))
}
