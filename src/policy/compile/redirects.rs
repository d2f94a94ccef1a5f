//! What protects a column that is read from another one: the value is the other's, so what is said of either holds.

use std::sync::Arc;

use super::columns::Applied;
use super::decision::{Decided, Decisions};
use super::lifecycles::Lifecycles;
use crate::model::catalog::{Catalog, Column, ColumnId};
use crate::model::ident::display_name;
use crate::policy::view::{Effect, MaskExpression, Predicates};

/// Makes the decisions on redirected columns those over the value that they show.
pub(super) fn combine(lifecycles: &Lifecycles, catalog: &Catalog, decisions: &mut Decisions) {
    let pairs: Vec<_> = lifecycles
        .redirected_reads()
        .filter_map(|(old, to)| {
            let relation = catalog.relation(old.relation)?;
            let new = relation.column(to)?;
            Some((old, relation.column_by_number(old.attnum)?, new))
        })
        .collect();
    let before = decisions.clone();
    for (id, old, new) in pairs {
        let of_new = before.get(&ColumnId { relation: id.relation, attnum: new.attnum });
        if let Some(decided) = together((before.get(&id), old), (of_new, new)) {
            decisions.insert(id, decided);
        }
    }
}

/// A mask of the old column over the masked value of the new one, in the type of the old.
fn together((of_old, old): (Option<&Decided>, &Column), (of_new, new): (Option<&Decided>, &Column)) -> Option<Decided> {
    let stricter = match (of_old, of_new) {
        (None, None) => return None,
        (Some(one), None) | (None, Some(one)) => one,
        (Some(one), Some(other)) => {
            if one.strictness >= other.strictness {
                one
            } else {
                other
            }
        }
    };
    if let Some(denied) = [of_old, of_new].into_iter().flatten().find(|decided| decided.effect == Effect::Deny) {
        return Some(denied.clone());
    }
    let cast: Vec<Box<str>> = vec!["CAST(".into(), format!(" AS {})", old.ty.sql).into()];
    let mut expression = MaskExpression::new("", cast);
    if old.ty.sql == new.ty.sql {
        expression = MaskExpression::new("", vec!["".into(), "".into()]);
    }
    if let Some(Effect::Mask(mask)) = of_new.map(|decided| &decided.effect) {
        expression = expression.over(mask);
    }
    if let Some(Effect::Mask(mask)) = of_old.map(|decided| &decided.effect) {
        expression = mask.over(&expression);
    }
    if let Effect::Mask(mask) = &stricter.effect {
        expression.name.clone_from(&mask.name);
    }
    let predicates = [of_old, of_new].into_iter().flatten().map(|decided| decided.predicates.clone());
    let predicates = predicates.fold(Predicates::Masked, Ord::min);
    Some(Decided { effect: Effect::Mask(Arc::new(expression)), predicates, ..stricter.clone() })
}

/// Redirections that lead nowhere in this database, one sentence each.
pub(super) fn unfit(applied: &Applied<'_>, catalog: &Catalog) -> Vec<String> {
    let mut found = Vec::new();
    for relation in catalog.relations() {
        for (column, retirement) in applied.retirements(relation) {
            let (Some(column), Some(redirect)) = (column, &retirement.redirect) else { continue };
            if relation.column(column).is_some() && relation.column(&redirect.to).is_none() {
                let (name, to) = (display_name(column), display_name(&redirect.to));
                found.push(format!("{}.{name} is not redirected: the table has no column {to}", relation.display()));
            }
        }
    }
    found
}
