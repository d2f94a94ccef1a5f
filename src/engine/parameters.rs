//! Parameter types that a Parse message declares by number, beside the text.
//!
//! The server makes a value of the declared type from what Bind brings. For a domain that runs its CHECK constraints, which
//! may read anything: a type by number is judged like one by name.

use std::sync::Arc;

use super::objection::Objection;
use super::refusal::Refusal;
use super::report::Report;
use crate::model::catalog::{Catalog, Oid};
use crate::policy::trusted;
use crate::policy::view::SubjectView;

/// The first number that the server gives to objects that are not its own (`FirstNormalObjectId`).
const FIRST_USER_OID: u32 = 16_384;

/// Why a governed session may not declare these types; none if it may. Types of the server itself always may.
pub fn check_parameter_types(
    view: &SubjectView,
    catalog: Option<&Catalog>,
    types: impl Iterator<Item = u32>,
) -> Option<Refusal> {
    if !view.governed {
        return None;
    }
    let admitted = |oid: Oid| {
        catalog.is_some_and(|catalog| {
            let found = catalog.types.iter().find(|ty| ty.oid == oid || ty.array == oid);
            found.is_some_and(|ty| trusted::runs_safe_code(catalog, &view.functions, ty))
        })
    };
    let oid = types.filter(|oid| *oid >= FIRST_USER_OID).find(|oid| !admitted(Oid(*oid)))?;
    let objection = Objection::not_understood(format!("parameter type {oid} may run code"));
    Some(objection.into_refusal("", Arc::new(Report::default())))
}
