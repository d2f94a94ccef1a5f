//! Columns and tables on their way out, and what shows them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::columns::Applied;
use super::spread::Family;
use crate::model::catalog::{ColumnId, Oid};
use crate::model::lifecycle::{Conduct, Lifecycle};
use crate::policy::snapshot::Database;
use crate::sql::lineage::{Lineage, ViewLineage};

/// Where everything stands that is on its way out, for one subject.
#[derive(Debug, Default)]
pub(super) struct Lifecycles {
    columns: HashMap<ColumnId, Arc<Lifecycle>>,
    relations: HashMap<Oid, Arc<Lifecycle>>,
    touched: HashSet<Oid>,
}

impl Lifecycles {
    pub(super) fn new(applied: &Applied<'_>, database: &Database, family: &Family) -> Self {
        let mut found = Self::default();
        for relation in database.catalog.relations() {
            for promised in family.with_ancestors(&database.catalog, relation) {
                for (column, retirement) in applied.retirements(promised) {
                    let lifecycle = applied.lifecycle(retirement, promised, column);
                    if lifecycle.conduct == Conduct::Allowed && lifecycle.redirect.is_none() {
                        continue;
                    }
                    found.add(
                        relation.oid,
                        column.map(|name| relation.column(name).map(|known| known.attnum)),
                        lifecycle,
                    );
                }
            }
        }
        if !found.columns.is_empty() || !found.relations.is_empty() {
            found.spread_over_views(database);
        }
        found.touched = found.columns.keys().map(|id| id.relation).chain(found.relations.keys().copied()).collect();
        found
    }

    /// `column` is none for the relation itself; within, none where the relation has no such column.
    fn add(&mut self, relation: Oid, column: Option<Option<i16>>, lifecycle: Lifecycle) {
        match column {
            None => {
                self.relations.entry(relation).or_insert_with(|| Arc::new(lifecycle));
            }
            Some(Some(attnum)) => {
                self.columns.entry(ColumnId { relation, attnum }).or_insert_with(|| Arc::new(lifecycle));
            }
            Some(None) => {}
        }
    }

    pub(super) fn of_column(&self, id: ColumnId) -> Option<Arc<Lifecycle>> {
        self.columns.get(&id).cloned()
    }

    pub(super) fn of_relation(&self, relation: Oid) -> Option<Arc<Lifecycle>> {
        self.relations.get(&relation).cloned()
    }

    /// Columns that are read from another one, and the name of that.
    pub(super) fn redirected_reads(&self) -> impl Iterator<Item = (ColumnId, &str)> {
        self.columns.iter().filter_map(|(id, lifecycle)| {
            let redirect = lifecycle.redirect.as_ref().filter(|redirect| redirect.reads)?;
            Some((*id, &*redirect.to))
        })
    }

    /// Whether the relation or a column of it is on its way out.
    pub(super) fn touches(&self, relation: Oid) -> bool {
        self.touched.contains(&relation)
    }

    /// What a view makes of a column goes with the column, and a view goes with each relation that it reads.
    fn spread_over_views(&mut self, database: &Database) {
        // Views over views: each round reaches one level further.
        for _ in 0..=database.lineages.len() {
            let before = self.columns.len() + self.relations.len();
            for (view, lineage) in &database.lineages {
                if let ViewLineage::Known(lineage) = lineage {
                    self.spread_over_view(*view, lineage, database);
                }
            }
            if self.columns.len() + self.relations.len() == before {
                return;
            }
        }
    }

    fn spread_over_view(&mut self, view: Oid, lineage: &Lineage, database: &Database) {
        let gravest = |found: &mut dyn Iterator<Item = &Arc<Lifecycle>>| {
            let gravest = found.max_by_key(|lifecycle| lifecycle.conduct)?;
            // What the view reads of the old column is beyond the reach of a rewrite of the statement.
            (gravest.conduct > Conduct::Allowed).then(|| Lifecycle { redirect: None, ..(**gravest).clone() })
        };
        if let Some(of_view) = gravest(&mut lineage.relations.iter().filter_map(|oid| self.relations.get(oid))) {
            self.relations.entry(view).or_insert_with(|| Arc::new(of_view));
        }
        let Some(relation) = database.catalog.relation(view) else { return };
        for (column, derivation) in relation.columns.iter().zip(&lineage.outputs) {
            if let Some(of_column) = gravest(&mut derivation.sources.iter().filter_map(|id| self.columns.get(id))) {
                let id = ColumnId { relation: view, attnum: column.attnum };
                self.columns.entry(id).or_insert_with(|| Arc::new(of_column));
            }
        }
    }
}
