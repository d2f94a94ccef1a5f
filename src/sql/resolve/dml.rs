//! INSERT, UPDATE, DELETE.

use super::from::add_target;
use super::{Place, Resolver, relation_columns};
use crate::model::ident::Ident;
use crate::sql::access::{Clause, ImplicitInsert, RelationIndex, Role};
use crate::sql::scope::{Chain, Column, Scope};
use crate::sql::tree::{Conflict, Dml, Name, Verb};

impl Resolver<'_> {
    /// Resolves a data-modifying statement and gives the columns that it returns.
    pub(super) fn dml(&mut self, dml: &Dml, outer: Option<&Chain<'_>>) -> Vec<Column> {
        let target = self.mention(&dml.target, dml.alias.as_ref(), Vec::new(), Role::Target(dml.verb));
        let written = if dml.verb == Verb::Insert { Clause::Insert } else { Clause::Set };
        for name in &dml.columns {
            self.name_column(name, target, written);
        }
        if let Verb::Insert = dml.verb {
            let width = dml.source.as_ref().map(|source| self.query(source, outer).len());
            if dml.columns.is_empty() {
                let end = dml.alias.as_ref().map_or(dml.target.last.span.end, |alias| alias.span.end);
                self.out.implicit_inserts.push(ImplicitInsert { relation: target, width, insert_at: end });
            }
        }
        let mut scope = Scope::default();
        let visible = dml.alias.clone().unwrap_or_else(|| dml.target.last.clone());
        self.add_rows(&mut scope, visible, target, dml.alias.is_none());
        for from in &dml.from {
            self.from(from, &mut scope, outer);
        }
        let chain = Chain { scope: &scope, outer };
        let values = self.exprs(&dml.values, Some(&chain), Clause::Output);
        self.depend(&values.sources);
        if let Some(selection) = &dml.selection {
            let value = self.expr(selection, Some(&chain), Place::inside(Clause::Filter));
            self.depend(&value.sources);
        }
        if let Some(conflict) = &dml.conflict {
            self.conflict(conflict, target, &scope, outer);
        }
        self.items(&dml.returning, &chain, Clause::Returning)
    }

    fn add_rows(&mut self, scope: &mut Scope, name: Name, target: RelationIndex, qualifiable: bool) {
        let oid = self.out.relations.get(target.0).and_then(|mention| mention.relation);
        if let Some(relation) = oid.and_then(|oid| self.catalog.relation(oid)) {
            let schema = qualifiable.then(|| Ident::quoted(&relation.schema));
            add_target(scope, name, schema, target, relation_columns(relation));
        }
    }

    /// ON CONFLICT sees the target's row and the proposed one, which is named `excluded`.
    fn conflict(&mut self, conflict: &Conflict, target: RelationIndex, scope: &Scope, outer: Option<&Chain<'_>>) {
        for name in &conflict.target {
            self.name_column(name, target, Clause::Filter);
        }
        for name in &conflict.columns {
            self.name_column(name, target, Clause::Set);
        }
        let mut both = scope.clone();
        let excluded = Name { ident: Ident::quoted("excluded"), span: crate::sql::tree::Span::default() };
        // Its columns are only reachable by name: a bare name means the target's.
        let reachable = both.columns.len();
        self.add_rows(&mut both, excluded, target, false);
        both.columns.truncate(reachable);
        let chain = Chain { scope: &both, outer };
        self.exprs(&conflict.values, Some(&chain), Clause::Output);
        if let Some(selection) = &conflict.selection {
            self.expr(selection, Some(&chain), Place::inside(Clause::Filter));
        }
    }
}
