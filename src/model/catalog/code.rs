//! What runs code of the database's own: functions, and operators, types and casts that call one.

use super::Oid;

/// A function, procedure or aggregate outside `pg_catalog`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFunction {
    /// `nspname`.
    pub schema: Box<str>,
    /// `proname`.
    pub name: Box<str>,
    /// `pg_get_function_identity_arguments`.
    pub arguments: Box<str>,
    /// `lanname`: `sql`, `plpgsql`, `c`, `internal` …; `constructor` for the functions that come with a range type.
    pub language: Box<str>,
    /// The extension that owns it, if any.
    pub extension: Option<Box<str>>,
}

/// An operator outside `pg_catalog`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserOperator {
    /// `nspname`.
    pub schema: Box<str>,
    /// `oprname`.
    pub name: Box<str>,
    /// The function that implements it: `schema` and `name`.
    pub function: (Box<str>, Box<str>),
    /// Language of that function.
    pub language: Box<str>,
    /// The extension that owns it, if any.
    pub extension: Option<Box<str>>,
}

/// A type outside `pg_catalog`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserType {
    /// `pg_type.oid`: a Parse message declares parameters by it.
    pub oid: Oid,
    /// `nspname`.
    pub schema: Box<str>,
    /// `typname`.
    pub name: Box<str>,
    /// `typtype`: b base, c composite, d domain, e enum, r range, m multirange.
    pub kind: char,
    /// The array type that comes with it, 0 for none.
    pub array: Oid,
    /// A CHECK constraint runs when a value is made of it that calls more than computing functions of `pg_catalog`: its
    /// own, or that of a domain that it is built on.
    pub has_unclear_check: bool,
    /// Functions outside `pg_catalog` that run when a value of it is made or shown, of the types that it is built on as
    /// well: `schema` and `name`.
    pub runs: Vec<(Box<str>, Box<str>)>,
    /// The extension that owns it, if any.
    pub extension: Option<Box<str>>,
}

/// A function that may run wherever a value of a type is used: that of a cast which somebody has created. The server
/// calls it for `value::other`, and unasked where it looks for a type that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CastFunction {
    /// The type that it casts from or to, or one that is made of it.
    pub ty: Oid,
    /// `nspname`.
    pub schema: Box<str>,
    /// `proname`.
    pub name: Box<str>,
    /// `castcontext` is implicit or assignment: it is made where the text has no cast.
    pub unasked: bool,
}
