//! Protection spreads over views and materialised views, by where their columns come from.
//!
//! A view is read with the rights of its owner, so what it shows is the raw value. Each of its columns therefore
//! gets what its source gets. Where that is not all, since a column is computed from masked values or they decide which rows
//! there are, the view is shown by its query, over what the subject may see of the relations in it: that is what the view
//! would show if they held the masked values. Where its query may not stand for it (`Walk::may_expand`), a computed
//! column shows NULL, and a view whose rows depend on masked values is closed, as is one that cannot be understood.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::columns::{Applied, governable};
use super::decision::{Decided, Decisions, add};
use super::display_column;
use super::spread::derived;
use crate::model::catalog::{Catalog, Column, ColumnId, Oid, Relation, RelationKind};
use crate::policy::snapshot::Database;
use crate::policy::trusted;
use crate::policy::view::{Effect, Predicates};
use crate::sql::lineage::{Lineage, QualifiedName, ViewLineage};

/// Adds what follows for every view, and gives those that are shown by their query.
pub(super) fn spread(
    database: &Database,
    applied: &Applied<'_>,
    decisions: &mut Decisions,
    opaque: &mut HashMap<Oid, Arc<str>>,
) -> HashSet<Oid> {
    let functions = applied.functions(Some(&database.catalog));
    let (done, open, defined) = (HashSet::new(), Vec::new(), HashSet::new());
    let user = applied.user();
    let mut walk = Walk { database, functions, user, decisions, opaque, done, open, defined };
    let mut views: Vec<&Arc<Relation>> = database.catalog.relations().filter(|relation| is_view(relation)).collect();
    views.sort_by_key(|relation| relation.oid);
    for view in views {
        walk.visit(view);
    }
    walk.defined
}

fn is_view(relation: &Relation) -> bool {
    governable(relation) && matches!(relation.kind, RelationKind::View | RelationKind::MaterializedView)
}

struct Walk<'a> {
    database: &'a Database,
    functions: trusted::SafeFunctions,
    user: &'a str,
    decisions: &'a mut Decisions,
    opaque: &'a mut HashMap<Oid, Arc<str>>,
    done: HashSet<Oid>,
    open: Vec<Oid>,
    /// Views that are shown by their query.
    defined: HashSet<Oid>,
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
        if lineage.outputs.len() != view.columns.len() {
            return Err("the view has other columns than its query".to_owned());
        }
        let everything =
            lineage.outputs.iter().flat_map(|output| &output.sources).chain(&lineage.indirect).chain(&lineage.nullness);
        if let Some(source) = everything.into_iter().find(|source| !exists(catalog, **source)) {
            return Err(format!("the view reads {}, which is not known", display_column(catalog, *source)));
        }
        self.rows(view, lineage)?;
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

    /// Decides how the rows of a view are shown.
    fn rows(&mut self, view: &Relation, lineage: &Lineage) -> Result<(), String> {
        let catalog = &self.database.catalog;
        let protects = |source: &ColumnId| self.decisions.contains_key(source);
        // Conditions that ask only whether a value is NULL have the same answer over a mask that keeps NULL.
        let shows_null = |source: &&ColumnId| self.decisions.get(source).is_some_and(|decided| !decided.keeps_null());
        let by_null = || lineage.nullness.iter().find(shows_null);
        let deciding = lineage.indirect.iter().find(|source| protects(source)).or_else(by_null);
        let computed = lineage
            .outputs
            .iter()
            .filter(|output| output.identity.is_none())
            .any(|output| output.sources.iter().any(protects));
        let below = lineage.relations.iter().find(|oid| self.defined.contains(oid));
        if deciding.is_none() && !computed && below.is_none() {
            return Ok(());
        }
        let forbids =
            |decided: &Decided| decided.effect == Effect::Deny || matches!(decided.predicates, Predicates::Deny(_));
        let denies = |source: &ColumnId| self.decisions.get(source).is_some_and(forbids);
        if !lineage.indirect.iter().chain(&lineage.nullness).any(denies) && self.may_expand(view, lineage) {
            self.defined.insert(view.oid);
            return Ok(());
        }
        match (deciding, below.and_then(|oid| catalog.relation(*oid))) {
            (Some(source), _) => Err(format!("the rows of the view depend on {}", display_column(catalog, *source))),
            (None, Some(relation)) => {
                Err(format!("the view reads {}, which is shown by its query", relation.display()))
            }
            (None, None) => Ok(()),
        }
    }

    /// Whether the query of a view may stand for it: the reader may read all that it reads, row security gives the reader
    /// the rows that it gives the owner, and nothing but the query decides what is looked at first. A mask of the view's own
    /// column would have to go on top.
    fn may_expand(&self, view: &Relation, lineage: &Lineage) -> bool {
        let catalog = &self.database.catalog;
        let reads = |oid: &Oid| {
            catalog.relation(*oid).is_some_and(|relation| {
                view.reading.invoker || catalog.may_read(self.user, relation) && !relation.reading.row_security
            })
        };
        let masked = |column: &Column| {
            let id = ColumnId { relation: view.oid, attnum: column.attnum };
            self.decisions.get(&id).is_some_and(|decided| decided.effect != Effect::Deny)
        };
        view.kind == RelationKind::View
            && !view.reading.barrier
            && catalog.may_read(self.user, view)
            && lineage.relations.iter().all(reads)
            && !view.columns.iter().any(masked)
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
