//! Whether anything was decided about a column at all, be it for others than the subject: then who sees it is meant to.

use std::collections::HashSet;

use super::columns::Applied;
use super::spread::Family;
use crate::model::catalog::ColumnId;
use crate::policy::snapshot::Database;
use crate::sql::lineage::ViewLineage;

/// A rule in force is about the column, about that of a table which its partition is a part of, or about a column that a
/// view makes it from.
pub(super) fn is_decided(applied: &Applied<'_>, database: &Database, family: &Family, id: ColumnId) -> bool {
    let catalog = &database.catalog;
    let (mut open, mut seen) = (vec![id], HashSet::from([id]));
    while let Some(id) = open.pop() {
        let Some(relation) = catalog.relation(id.relation) else { continue };
        let Some(column) = relation.column_by_number(id.attnum) else { continue };
        if applied.has_rule(family.with_ancestors(catalog, relation), &column.name) {
            return true;
        }
        let Some(ViewLineage::Known(lineage)) = database.lineages.get(&relation.oid) else { continue };
        let own = relation.columns.iter().zip(&lineage.outputs).find(|(column, _)| column.attnum == id.attnum);
        let sources = own.into_iter().flat_map(|(_, derivation)| &derivation.sources);
        open.extend(sources.filter(|source| seen.insert(**source)));
    }
    false
}
