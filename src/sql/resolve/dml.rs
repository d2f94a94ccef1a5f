//! INSERT, UPDATE, DELETE.

use super::from::add_target;
use super::{Place, Resolver, relation_columns};
use crate::model::catalog::ColumnId;
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
        self.exprs(&dml.values, Some(&chain), Clause::Output);
        if let Some(selection) = &dml.selection {
            let value = self.expr(selection, Some(&chain), Place::inside(Clause::Filter));
            self.depend(&value.sources);
        }
        if let Some(conflict) = &dml.conflict {
            self.conflict(conflict, dml, target, &scope, outer);
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
    fn conflict(
        &mut self,
        conflict: &Conflict,
        dml: &Dml,
        target: RelationIndex,
        scope: &Scope,
        outer: Option<&Chain<'_>>,
    ) {
        for name in &conflict.target {
            self.name_column(name, target, Clause::Filter);
        }
        for name in &conflict.columns {
            self.name_column(name, target, Clause::Set);
        }
        // Without a list, any column that is given a value may be the one of which there is one already.
        let compared = if conflict.target.is_empty() { &dml.columns } else { &conflict.target };
        self.depend_on_named(target, compared);
        let mut both = scope.clone();
        let excluded = Name { ident: Ident::quoted("excluded"), span: crate::sql::tree::Span::default() };
        // Its columns are only reachable by name: a bare name means the target's.
        let reachable = both.columns.len();
        self.add_rows(&mut both, excluded, target, false);
        both.columns.truncate(reachable);
        let chain = Chain { scope: &both, outer };
        self.exprs(&conflict.values, Some(&chain), Clause::Output);
        if let Some(selection) = &conflict.selection {
            let value = self.expr(selection, Some(&chain), Place::inside(Clause::Filter));
            self.depend(&value.sources);
        }
    }

    /// Rows depend on these columns of the target; on all of them where none is named.
    fn depend_on_named(&mut self, target: RelationIndex, names: &[Name]) {
        let oid = self.out.relations.get(target.0).and_then(|mention| mention.relation);
        let Some(relation) = oid.and_then(|oid| self.catalog.relation(oid)) else { return };
        let named = |name: &str| names.is_empty() || names.iter().any(|listed| listed.as_str() == name);
        let columns = relation.columns.iter().filter(|column| named(&column.name));
        let sources: Vec<_> =
            columns.map(|column| ColumnId { relation: relation.oid, attnum: column.attnum }).collect();
        self.depend(&sources);
    }
}
