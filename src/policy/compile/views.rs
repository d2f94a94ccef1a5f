//! Protection spreads over views and materialised views, by where their columns come from.
//!
//! A view is read with the rights of its owner, so what it shows is the raw value. Each of its columns therefore
//! gets what its source gets; one that is computed from protected values shows NULL. Where protected values decide
//! which rows there are, or where the view cannot be understood, the whole view is closed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::columns::{Applied, governable};
use super::decision::{Decisions, add};
use super::display_column;
use super::spread::derived;
use crate::model::catalog::{Catalog, ColumnId, Oid, Relation, RelationKind};
use crate::policy::snapshot::Database;
use crate::policy::trusted;
use crate::sql::lineage::{Lineage, QualifiedName, ViewLineage};

/// Adds what follows for every view.
pub(super) fn spread(
    database: &Database,
    applied: &Applied<'_>,
    decisions: &mut Decisions,
    opaque: &mut HashMap<Oid, Arc<str>>,
) {
    let functions = applied.functions(Some(&database.catalog));
    let mut walk = Walk { database, functions, decisions, opaque, done: HashSet::new(), open: Vec::new() };
    let mut views: Vec<&Arc<Relation>> = database.catalog.relations().filter(|relation| is_view(relation)).collect();
    views.sort_by_key(|relation| relation.oid);
    for view in views {
        walk.visit(view);
    }
}

fn is_view(relation: &Relation) -> bool {
    governable(relation) && matches!(relation.kind, RelationKind::View | RelationKind::MaterializedView)
}

struct Walk<'a> {
    database: &'a Database,
    functions: trusted::SafeFunctions,
    decisions: &'a mut Decisions,
    opaque: &'a mut HashMap<Oid, Arc<str>>,
    done: HashSet<Oid>,
    open: Vec<Oid>,
}

impl Walk<'_> {
    /// Settles one view, after the views that it reads.
    fn visit(&mut self, view: &Relation) {
        if self.done.contains(&view.oid) {
            return;
        }
        let outcome = match self.database.lineages.get(&view.oid) {
            // Views cannot form a circle, but a catalog that is being replaced might look as if they did.
            _ if self.open.contains(&view.oid) => Err("the view reads itself".to_owned()),
            None => Err("where its columns come from is not known".to_owned()),
            Some(ViewLineage::Unknown(why)) => Err(format!("the view cannot be analysed: {why}")),
            Some(ViewLineage::Known(lineage)) => {
                self.open.push(view.oid);
                let outcome = self.settle(view, lineage);
                self.open.pop();
                outcome
            }
        };
        if let Err(why) = outcome {
            self.opaque.insert(view.oid, why.into());
        }
        self.done.insert(view.oid);
    }

    fn settle(&mut self, view: &Relation, lineage: &Lineage) -> Result<(), String> {
        let database = self.database;
        let catalog = &database.catalog;
        for oid in &lineage.relations {
            let Some(relation) = catalog.relation(*oid) else {
                return Err("the view reads a relation that is not known".to_owned());
            };
            if is_view(relation) {
                self.visit(relation);
            }
            if let Some(why) = self.opaque.get(oid) {
                return Err(format!("the view reads {}: {why}", relation.display()));
            }
        }
        self.check_code(lineage)?;
        if let Some(source) = lineage.indirect.iter().find(|source| self.decisions.contains_key(source)) {
            return Err(format!("the rows of the view depend on {}", display_column(catalog, *source)));
        }
        let shows_null = |source: &&ColumnId| self.decisions.get(source).is_some_and(|decided| !decided.keeps_null());
        if let Some(source) = lineage.nullness.iter().find(shows_null) {
            return Err(format!("the rows of the view depend on {}", display_column(catalog, *source)));
        }
        if lineage.outputs.len() != view.columns.len() {
            return Err("the view has other columns than its query".to_owned());
        }
        let everything =
            lineage.outputs.iter().flat_map(|output| &output.sources).chain(&lineage.indirect).chain(&lineage.nullness);
        if let Some(source) = everything.into_iter().find(|source| !exists(catalog, **source)) {
            return Err(format!("the view reads {}, which is not known", display_column(catalog, *source)));
        }
        for (column, output) in view.columns.iter().zip(&lineage.outputs) {
            let decided = match output.identity {
                Some(source) => self.decisions.get(&source).map(|decided| decided.for_type(&column.ty)),
                None => derived(output.sources.iter().copied(), self.decisions, catalog, column),
            };
            if let Some(decided) = decided {
                add(self.decisions, ColumnId { relation: view.oid, attnum: column.attnum }, decided);
            }
        }
        Ok(())
    }

    /// A function can read what it likes: only those that may be called may stand in a view, be it behind an operator or
    /// a type.
    fn check_code(&self, lineage: &Lineage) -> Result<(), String> {
        let (catalog, safe) = (&self.database.catalog, &self.functions);
        let trusts = |(schema, name): &&QualifiedName| trusted::function(catalog, safe, schema, name);
        if let Some((schema, name)) = lineage.functions.iter().find(|function| !trusts(function)) {
            return Err(format!("the view calls {schema}.{name}, which no contract lists as safe"));
        }
        let trusts =
            |(schema, name): &&QualifiedName| trusted::operator((catalog, safe), None, Some(schema.as_str()), name);
        if let Some((schema, name)) = lineage.operators.iter().find(|operator| !trusts(operator)) {
            return Err(format!(
                "the view uses the operator {schema}.{name}, and no contract lists its function as safe"
            ));
        }
        let trusts = |(schema, name): &&QualifiedName| trusted::type_name(catalog, safe, Some(schema.as_str()), name);
        match lineage.types.iter().find(|ty| !trusts(ty)) {
            Some((schema, name)) => Err(format!("the view casts to {schema}.{name}, which may run code")),
            None => Ok(()),
        }
    }
}

/// System columns exist in every relation.
fn exists(catalog: &Catalog, id: ColumnId) -> bool {
    catalog
        .relation(id.relation)
        .is_some_and(|relation| id.attnum < 0 || relation.column_by_number(id.attnum).is_some())
}
