//! Code outside `pg_catalog` that a governed session may run.
//!
//! A function of the database's own can read anything that its owner may. So only two kinds are admitted: what the contract
//! lists, and the C functions of extensions that are known to compute on their arguments alone.

use crate::model::catalog::{CastFunction, Catalog, Oid, SearchPath, UserType};
use crate::policy::view::SubjectView;

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

fn is_computing(extension: Option<&str>, language: &str) -> bool {
    // Some functions of these extensions are other names of built-in ones.
    matches!(language, "c" | "internal") && extension.is_some_and(|extension| COMPUTING_EXTENSIONS.contains(&extension))
}

/// Whether `schema.name` may be called: every overload of it must be trusted.
pub(super) fn function(catalog: &Catalog, view: &SubjectView, schema: &str, name: &str) -> bool {
    if view.functions.contains(&(Box::from(schema), Box::from(name))) {
        return true;
    }
    let mut overloads = catalog.functions.iter().filter(|f| &*f.schema == schema && &*f.name == name).peekable();
    overloads.peek().is_some() && overloads.all(|f| is_computing(f.extension.as_deref(), &f.language))
}

/// Whether an unqualified call may stay as it is: there are functions of that name on the path outside `pg_catalog`, and
/// every one of them is trusted, so that whichever the arguments choose is.
pub(super) fn may_be_overloaded(catalog: &Catalog, view: &SubjectView, path: Option<&SearchPath>, name: &str) -> bool {
    let Some(path) = path else { return false };
    let mut schemas = path
        .schemas()
        .iter()
        .filter(|schema| catalog.functions.iter().any(|f| f.schema == **schema && &*f.name == name))
        .peekable();
    schemas.peek().is_some() && schemas.all(|schema| function(catalog, view, schema, name))
}

/// Whether a function of that name exists outside `pg_catalog` that is not trusted: `row.name` could call it.
pub(super) fn is_foreign_function(catalog: &Catalog, view: &SubjectView, name: &str) -> bool {
    catalog.functions.iter().any(|f| &*f.name == name && !function(catalog, view, &f.schema, name))
}

/// Whether an operator may be used: all of that name that the session could mean must be trusted.
pub(super) fn operator(catalog: &Catalog, path: Option<&SearchPath>, schema: Option<&str>, name: &str) -> bool {
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
        && found.all(|operator| is_computing(operator.extension.as_deref(), &operator.language))
}

/// Whether a type may be named: those that run code of the database when a value is made of them are refused.
pub(super) fn type_name(catalog: &Catalog, view: &SubjectView, schema: Option<&str>, name: &str) -> bool {
    if schema == Some("pg_catalog") {
        return true;
    }
    let named = |ty: &&UserType| &*ty.name == name && schema.is_none_or(|schema| &*ty.schema == schema);
    catalog.types.iter().filter(named).all(|ty| runs_no_code(catalog, view, ty))
}

/// Whether equality with a value of that type tells of nothing but equality: built-in types and enums, unlike those of
/// extensions, whose operators may take different values for equal.
pub(super) fn compares_plainly(catalog: &Catalog, schema: Option<&str>, name: &str) -> bool {
    let named = |ty: &&UserType| &*ty.name == name && schema.is_none_or(|schema| &*ty.schema == schema);
    match schema {
        Some("pg_catalog") => true,
        Some(_) => catalog.types.iter().find(named).is_some_and(|ty| ty.kind == 'e'),
        None => catalog.types.iter().filter(named).all(|ty| ty.kind == 'e'),
    }
}

/// Whether making a value of a type, or another type's value of it, runs no code that reads anything but that value.
pub(super) fn runs_no_code(catalog: &Catalog, view: &SubjectView, ty: &UserType) -> bool {
    let computes = match ty.kind {
        'e' => true,
        'b' => ty.extension.as_deref().is_some_and(|extension| COMPUTING_EXTENSIONS.contains(&extension)),
        'c' | 'd' => !ty.has_check,
        _ => false,
    };
    computes && cast_function(catalog, view, ty.oid).is_none()
}

/// A function that nobody trusts and that the server may call for a value of this type, by a cast.
pub(super) fn cast_function<'c>(catalog: &'c Catalog, view: &SubjectView, ty: Oid) -> Option<&'c CastFunction> {
    let mut casts = catalog.casts.iter().filter(|cast| cast.ty == ty);
    casts.find(|cast| !function(catalog, view, &cast.schema, &cast.name))
}
