//! Whole rows, and what must be said of a projection that goes without saying of its relation.

use super::{Done, Rewriter, misfit};
use crate::engine::decide::{is_hidden, is_omitted};
use crate::engine::objection::Objection;
use crate::model::catalog::{Column, Relation};
use crate::model::ident::{Ident, display_name};
use crate::sql::access::{Grouping, RelationRef, WholeRowRef};
use crate::sql::splice::Generated;

impl Rewriter<'_, '_, '_, '_> {
    /// The row of a relation whose projection has more columns than the relation.
    pub(super) fn rebuilt_row(&self, mention: &RelationRef, relation: &Relation) -> Result<String, Objection> {
        let name = &mention.visible_name().ident;
        if relation.columns.iter().any(|column| is_omitted(self.case.rule(relation, column))) {
            let why = format!("the row of {} has denied columns", display_name(&relation.name));
            return Err(Objection::not_understood(why).at(mention.path.span().start));
        }
        let names = names_in_statement(mention, relation);
        let fields = names.map(|(_, field)| format!("{name}.{field}")).collect::<Vec<_>>().join(", ");
        Ok(format!("(CASE WHEN {name} IS DISTINCT FROM NULL THEN ROW({fields})::{} END)", relation.qualified()))
    }

    pub(super) fn whole_row(&mut self, row: &WholeRowRef) -> Done {
        let (Some(mention), Some(relation)) = (self.case.mention(row.via), self.case.relation_of(row.via)) else {
            return Ok(());
        };
        let protects = self.case.rules(mention).is_some_and(|rules| rules.protects());
        if !self.case.is_wrapped(mention) {
            return if protects {
                Err(Objection::not_understood(format!(
                    "the whole row of {} is used where its columns cannot be masked",
                    display_name(&relation.name)
                ))
                .at(row.path.span().start))
            } else {
                Ok(())
            };
        }
        if row.field.is_some() || relation.columns.iter().any(|column| is_omitted(self.case.rule(relation, column))) {
            return Ok(());
        }
        if self.case.lookups.carries(row.via) || !mention.system_columns.is_empty() {
            self.replace(row.path.span(), self.rebuilt_row(mention, relation)?, Generated::Expression)?;
            return if row.names_output { self.name_output(row.path.span(), row.path.last.as_str()) } else { Ok(()) };
        }
        // The projection's row is an anonymous record; the cast gives back the relation's own type, and null-extended
        // rows stay null.
        let name = &mention.visible_name().ident;
        let text = format!("(CASE WHEN {name} IS DISTINCT FROM NULL THEN {name}::{} END)", relation.qualified());
        self.replace(row.path.span(), text, Generated::Plain)?;
        if row.names_output {
            self.name_output(row.path.span(), row.path.last.as_str())?;
        }
        Ok(())
    }

    /// Functional dependency on a primary key does not reach through a projection: the columns are grouped by name.
    pub(super) fn grouping(&mut self, grouping: &Grouping) -> Done {
        let (Some(mention), Some(relation)) =
            (self.case.mention(grouping.relation), self.case.relation_of(grouping.relation))
        else {
            return Ok(());
        };
        if !self.case.is_wrapped(mention) {
            return Ok(());
        }
        let mut added = String::new();
        let is_added = |attnum: &i16| grouping.used.contains(attnum) && !grouping.grouped.contains(attnum);
        for (column, name) in names_in_statement(mention, relation) {
            if is_added(&column.attnum) && !is_omitted(self.case.rule(relation, column)) {
                added += &format!(", {}.{name}", mention.visible_name().ident);
            }
        }
        if added.is_empty() {
            return Ok(());
        }
        self.splicer.insert_after(grouping.insert_at, added).map_err(misfit)
    }

    /// INSERT without a column list, where a column counts as dropped: the remaining ones are named.
    pub(super) fn implicit_inserts(&mut self) -> Done {
        for insert in &self.case.resolution.implicit_inserts {
            let (Some(relation), Some(width)) = (self.case.relation_of(insert.relation), insert.width) else {
                continue;
            };
            let hidden = |column: &&Column| self.case.rule(relation, column).is_some_and(is_hidden);
            if !relation.columns.iter().any(|column| hidden(&column)) {
                continue;
            }
            let names: Vec<_> = relation
                .columns
                .iter()
                .filter(|column| !hidden(column))
                .take(width)
                .map(|column| Ident::quoted(&column.name).to_string())
                .collect();
            let Some(place) = insert.insert_at else {
                let why = "an INSERT without a column list counts a column that is treated as dropped";
                return Err(Objection::not_understood(why));
            };
            let list = format!(" ({})", names.join(", "));
            self.splicer.insert_after(place, list).map_err(misfit)?;
        }
        Ok(())
    }
}

/// The columns of a relation by the names that the statement knows them by: a list behind the alias names the first ones
/// anew.
fn names_in_statement<'a>(
    mention: &'a RelationRef,
    relation: &'a Relation,
) -> impl Iterator<Item = (&'a Column, Ident)> {
    relation.columns.iter().enumerate().map(|(at, column)| {
        let alias = mention.alias_columns.get(at).map(|alias| alias.ident.clone());
        (column, alias.unwrap_or_else(|| Ident::quoted(&column.name)))
    })
}
