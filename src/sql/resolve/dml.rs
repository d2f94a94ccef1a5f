//! INSERT, UPDATE, DELETE, MERGE.

use super::from::add_target;
use super::{Place, Resolver};
use crate::model::catalog::ColumnId;
use crate::model::ident::Ident;
use crate::sql::access::{Clause, ImplicitInsert, RelationIndex, Role};
use crate::sql::scope::{Chain, Column, Scope};
use crate::sql::tree::{Conflict, Dml, Expr, MergeAction, MergeRows, MergeWhen, Name, RowNames, Span, Verb};

/// From this version on RETURNING knows the row before and the row after by name.
const OLD_AND_NEW: u32 = 180_000;

impl Resolver<'_> {
    /// Resolves a data-modifying statement and gives the columns that it returns.
    pub(super) fn dml(&mut self, dml: &Dml, outer: Option<&Chain<'_>>) -> Vec<Column> {
        let target = self.mention(&dml.target, dml.alias.as_ref(), Vec::new(), Role::Target(dml.verb));
        let written = if dml.verb == Verb::Insert { Clause::Insert } else { Clause::Set };
        for name in &dml.columns {
            self.name_column(name, target, written);
        }
        match dml.verb {
            Verb::Insert => self.inserted(dml, target, outer),
            Verb::Delete => self.out.deletes.push(target),
            Verb::Update | Verb::Merge => {}
        }
        let scope = self.scope_of(dml, target, outer);
        let chain = Chain { scope: &scope, outer };
        self.exprs(&dml.values, Some(&chain), Clause::Output);
        self.condition(dml.selection.as_ref(), &chain);
        if let Some(conflict) = &dml.conflict {
            self.conflict(conflict, dml, target, &scope, outer);
        }
        for when in &dml.merge {
            self.when(when, dml, target, &chain);
        }
        if dml.returning.is_empty() {
            return Vec::new();
        }
        let scope = self.with_rows(scope.clone(), &dml.rows, target);
        self.items(&dml.returning, &Chain { scope: &scope, outer }, Clause::Returning)
    }

    /// The rows that the clauses of the statement see. MERGE has those of its source first, as its `*` does.
    fn scope_of(&mut self, dml: &Dml, target: RelationIndex, outer: Option<&Chain<'_>>) -> Scope {
        let mut scope = Scope::default();
        let first = dml.verb != Verb::Merge;
        if first {
            self.add_named_target(&mut scope, dml, target);
        }
        for from in &dml.from {
            self.from(from, &mut scope, outer);
        }
        if !first {
            self.add_named_target(&mut scope, dml, target);
        }
        scope
    }

    fn add_named_target(&mut self, scope: &mut Scope, dml: &Dml, target: RelationIndex) {
        let visible = dml.alias.clone().unwrap_or_else(|| dml.target.last.clone());
        self.add_rows(scope, visible, target, dml.alias.is_none());
    }

    fn inserted(&mut self, dml: &Dml, target: RelationIndex, outer: Option<&Chain<'_>>) {
        let width = dml.source.as_ref().map(|source| self.query(source, outer).len());
        if dml.columns.is_empty() {
            let end = dml.alias.as_ref().map_or(dml.target.last.span.end, |alias| alias.span.end);
            self.out.implicit_inserts.push(ImplicitInsert { relation: target, width, insert_at: Some(end) });
        }
    }

    fn condition(&mut self, condition: Option<&Expr>, chain: &Chain<'_>) {
        if let Some(condition) = condition {
            let value = self.expr(condition, Some(chain), Place::inside(Clause::Filter));
            self.depend(&value.sources);
        }
    }

    fn add_rows(&mut self, scope: &mut Scope, name: Name, target: RelationIndex, qualifiable: bool) {
        let oid = self.out.relations.get(target.0).and_then(|mention| mention.relation);
        if let Some(relation) = oid.and_then(|oid| self.catalog.relation(oid)) {
            let schema = qualifiable.then(|| Ident::quoted(&relation.schema));
            add_target(scope, name, schema, target, self.columns_of(relation));
        }
    }

    /// Adds rows whose columns are only reachable by that name: a bare name means the target's.
    fn add_hidden_rows(&mut self, scope: &mut Scope, name: Name, target: RelationIndex) {
        let reachable = scope.columns.len();
        self.add_rows(scope, name, target, false);
        scope.columns.truncate(reachable);
    }

    /// What RETURNING sees: the row before and the row after have names of their own, where the server knows them.
    fn with_rows(&mut self, mut scope: Scope, rows: &RowNames, target: RelationIndex) -> Scope {
        let version = self.catalog.server_version;
        for (given, default) in [(&rows.old, "old"), (&rows.new, "new")] {
            let known = given.is_some() || version == 0 || version >= OLD_AND_NEW;
            let name = given.clone().unwrap_or_else(|| unplaced(default));
            let taken = given.is_none() && scope.item(&name.ident).is_some();
            if known && !taken {
                self.add_hidden_rows(&mut scope, name, target);
            }
        }
        scope
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
        let chain = Chain { scope, outer };
        let arbiters = self.exprs(&conflict.arbiters, Some(&chain), Clause::Filter);
        self.depend(&arbiters.sources);
        // Without a list, any column that is given a value may be the one of which there is one already.
        let compared = if conflict.target.is_empty() { &dml.columns } else { &conflict.target };
        self.depend_on_named(target, compared);
        let mut both = scope.clone();
        self.add_hidden_rows(&mut both, unplaced("excluded"), target);
        let chain = Chain { scope: &both, outer };
        self.exprs(&conflict.values, Some(&chain), Clause::Output);
        self.condition(conflict.selection.as_ref(), &chain);
    }

    /// One WHEN clause of MERGE.
    fn when(&mut self, when: &MergeWhen, dml: &Dml, target: RelationIndex, both: &Chain<'_>) {
        let mut scope = Scope::default();
        let scope = match when.sees {
            MergeRows::Both => both.scope,
            MergeRows::Target => {
                self.add_named_target(&mut scope, dml, target);
                &scope
            }
            MergeRows::Source => {
                scope = both.scope.clone();
                hide_target(&mut scope, target);
                &scope
            }
        };
        let chain = Chain { scope, outer: both.outer };
        self.condition(when.condition.as_ref(), &chain);
        let written = match when.action {
            MergeAction::Insert => Clause::Insert,
            MergeAction::Update | MergeAction::Delete | MergeAction::Nothing => Clause::Set,
        };
        for name in &when.columns {
            self.name_column(name, target, written);
        }
        self.exprs(&when.values, Some(&chain), Clause::Output);
        match when.action {
            MergeAction::Delete => self.out.deletes.push(target),
            MergeAction::Insert => {
                if let Some(width) = when.width {
                    let width = Some(width).filter(|width| *width > 0);
                    self.out.implicit_inserts.push(ImplicitInsert { relation: target, width, insert_at: None });
                }
            }
            MergeAction::Update | MergeAction::Nothing => {}
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

/// Takes the rows of the target out of what may be named; its entry stays, so that places keep their numbers.
fn hide_target(scope: &mut Scope, target: RelationIndex) {
    let hidden: Vec<usize> = scope
        .items
        .iter_mut()
        .enumerate()
        .filter(|(_, item)| item.relation == Some(target))
        .map(|(index, item)| {
            item.visible = false;
            index
        })
        .collect();
    scope.columns.retain(|column| !column.places.iter().any(|place| hidden.contains(&place.item)));
}

fn unplaced(name: &str) -> Name {
    Name { ident: Ident::quoted(name), span: Span::default() }
}
