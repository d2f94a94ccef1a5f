//! `predicates: deny`: what decides on rows, on their groups or on their order must not depend on the column.

use std::collections::BTreeSet;

use super::decide::Case;
use super::objection::Objection;
use crate::model::catalog::ColumnId;
use crate::policy::view::{Effect, Predicates};
use crate::sql::access::Clause;

/// The objection to the first reference to a column that decides although a rule forbids it.
pub(super) fn objection(case: &Case<'_>, deciding: &BTreeSet<ColumnId>) -> Option<Objection> {
    if !case.view.governed {
        return None;
    }
    let refused = deciding.iter().filter_map(|id| {
        let rule = case.view.rule(*id)?;
        let Predicates::Deny(reason) = &rule.predicates else { return None };
        matches!(rule.effect, Effect::Mask(_)).then(|| {
            let relation = case.catalog.relation(id.relation);
            let column = relation.and_then(|relation| relation.column_by_number(id.attnum));
            let names = (column.map_or("?", |column| &*column.name), relation.map_or("?", |relation| &*relation.name));
            let objection = Objection::denied_predicate(names.0, names.1, reason);
            place(case, *id).map_or(objection.clone(), |place| objection.at(place))
        })
    });
    refused.min_by_key(|objection| objection.offset().unwrap_or(u32::MAX))
}

/// Where the column is named in a deciding clause; otherwise where it is named at all, or where a star or row reaches it.
fn place(case: &Case<'_>, id: ColumnId) -> Option<u32> {
    let named = || case.resolution.columns.iter().filter(|reference| reference.column == id);
    let decides = |clause| matches!(clause, Clause::Filter | Clause::Join | Clause::OrderGroup);
    // A name of NATURAL stands nowhere in the text.
    let start = |reference: &crate::sql::access::ColumnRef| {
        let span = reference.path.span();
        (span.end > span.start).then_some(span.start)
    };
    let reaches = |via| case.mention(via).is_some_and(|mention| mention.relation == Some(id.relation));
    let stars = case.resolution.stars.iter().filter(|star| star.relations.iter().any(|via| reaches(*via)));
    let rows = case.resolution.whole_rows.iter().filter(|row| reaches(row.via));
    named()
        .filter(|reference| decides(reference.clause))
        .find_map(start)
        .or_else(|| named().find_map(start))
        .or_else(|| stars.map(|star| star.span.start).chain(rows.map(|row| row.path.span().start)).min())
}
