//! Whole rows, and what must be said of a projection that goes without saying of its relation.

use super::{Done, Rewriter, misfit};
use crate::engine::decide::{is_hidden, is_omitted};
use crate::engine::objection::Objection;
use crate::engine::retired;
use crate::model::catalog::{Column, Relation};
use crate::model::ident::{Ident, display_name};
use crate::sql::access::{Clause, Grouping, RelationRef, WholeRowRef};
use crate::sql::splice::Generated;

/// What a row that is put together anew is called: no column is to have that name.
const ROW: &str = "pgcovenant_row";

impl Rewriter<'_, '_, '_, '_> {
    /// The row of a relation by that name, put together from what the subject sees of it. Without all of its columns it is
    /// a record.
    pub(super) fn rebuilt_row(
        &self,
        mention: &RelationRef,
        relation: &Relation,
        name: &Ident,
    ) -> Result<String, Objection> {
        let rule = |column: &&Column| self.case.rule(relation, column);
        if relation.columns.iter().any(|column| is_omitted(rule(&column)) && !rule(&column).is_some_and(is_hidden)) {
            let why = format!("the row of {} has denied columns", display_name(&relation.name));
            return Err(Objection::not_understood(why).at(mention.path.span().start));
        }
        let value = |column: &Column, field: &Ident| match self.target_value(relation, column, name) {
            Some((value, _)) if !self.case.is_wrapped(mention) => value,
            _ => format!("{name}.{field}"),
        };
        let fields = self.names_in_statement(mention, relation);
        if fields.len() == relation.columns.len() {
            let values: Vec<_> = fields.iter().map(|(column, field)| value(column, field)).collect();
            let ty = relation.qualified();
            return Ok(format!("(CASE WHEN {name} IS DISTINCT FROM NULL THEN ROW({})::{ty} END)", values.join(", ")));
        }
        let values: Vec<_> = fields
            .iter()
            .map(|(column, field)| format!("{} AS {}", value(column, field), Ident::quoted(&column.name)))
            .collect();
        // A subquery gives its column's name to what is made of it, as the row gives its own.
        Ok(format!(
            "(SELECT CASE WHEN {name} IS DISTINCT FROM NULL THEN {ROW} END AS {name} FROM (SELECT {}) AS {ROW})",
            values.join(", ")
        ))
    }

    pub(super) fn whole_row(&mut self, row: &WholeRowRef) -> Done {
        let (Some(mention), Some(relation)) = (self.case.mention(row.via), self.case.relation_of(row.via)) else {
            return Ok(());
        };
        if !self.case.is_wrapped(mention) {
            return self.unwrapped_row(row, mention, relation);
        }
        if row.field.is_some() {
            return Ok(());
        }
        // In a row the columns keep their own names, whatever a list behind the alias calls them.
        let renamed =
            !mention.alias_columns.is_empty() && self.shown_columns(relation).count() < relation.columns.len();
        if self.case.lookups.carries(row.via) || !mention.system_columns.is_empty() || renamed {
            let name = &mention.visible_name().ident;
            let text = self.named_by_row(row, self.rebuilt_row(mention, relation, name)?, name);
            return self.replace_row(row, text, Generated::Expression);
        }
        if relation.columns.iter().any(|column| is_omitted(self.case.rule(relation, column))) {
            return Ok(());
        }
        // The projection's row is an anonymous record; the cast gives back the relation's own type, and null-extended
        // rows stay null.
        let name = &mention.visible_name().ident;
        let text = format!("(CASE WHEN {name} IS DISTINCT FROM NULL THEN {name}::{} END)", relation.qualified());
        self.replace_row(row, self.named_by_row(row, text, name), Generated::Plain)
    }

    /// What is made of a subquery has the name of its column, as what is made of a row has the row's.
    fn named_by_row(&self, row: &WholeRowRef, text: String, name: &Ident) -> String {
        // In a query with groups, what it is grouped by would not be found in there.
        let is_grouped = self.case.resolution.groupings.iter().any(|grouping| grouping.relation == row.via);
        if self.is_cast(row) && !is_grouped { format!("(SELECT {text} AS {name})") } else { text }
    }

    /// Whether a row of a select list is cast to something, which then has its name.
    fn is_cast(&self, row: &WholeRowRef) -> bool {
        let span = row.path.span();
        let first = self.tokens.partition_point(|token| token.start < span.start);
        let next = self.tokens.partition_point(|token| token.start < span.end);
        let before = |steps: usize| first.checked_sub(steps).and_then(|at| self.tokens.get(at));
        let is_cast = self.tokens.get(next).is_some_and(|token| token.is_symbol(self.text, "::"))
            || before(2).is_some_and(|token| token.is_word(self.text, "cast"));
        row.clause == Clause::Output && is_cast && !self.case.view.governed
    }

    fn replace_row(&mut self, row: &WholeRowRef, text: String, generated: Generated) -> Done {
        self.replace(row.path.span(), text, generated)?;
        if row.names_output { self.name_output(row.path.span(), row.path.last.as_str()) } else { Ok(()) }
    }

    /// The row of the target of a change.
    fn unwrapped_row(&mut self, row: &WholeRowRef, mention: &RelationRef, relation: &Relation) -> Done {
        let start = row.path.span().start;
        if self.case.view.governed && self.case.rules(mention).is_some_and(|rules| rules.protects()) {
            let name = display_name(&relation.name);
            let why = format!("the whole row of {name} is used where its columns cannot be masked");
            return Err(Objection::not_understood(why).at(start));
        }
        let hides = relation.columns.iter().any(|column| self.case.rule(relation, column).is_some_and(is_hidden));
        let is_redirected = |column: &Column| retired::read_from(self.case.view, relation, column).is_some();
        let differs = match &row.field {
            Some(field) => relation.column(field.as_str()).is_some_and(is_redirected),
            None => hides || relation.columns.iter().any(is_redirected),
        };
        if !differs {
            return Ok(());
        }
        if hides && row.field.is_some() {
            return Err(Objection::not_understood("a field of a row that has lost a column").at(start));
        }
        let text = self.rebuilt_row(mention, relation, &row.path.last.ident)?;
        self.replace_row(row, text, Generated::Plain)
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
        let whole = |row: &WholeRowRef| row.via == grouping.relation;
        let is_whole = !self.case.view.governed && self.case.resolution.whole_rows.iter().any(whole);
        let is_used = |attnum: &i16| is_whole || grouping.used.contains(attnum);
        let is_added = |attnum: &i16| is_used(attnum) && !grouping.grouped.contains(attnum);
        for (column, name) in self.names_in_statement(mention, relation) {
            if is_added(&column.attnum) && !is_omitted(self.case.rule(relation, column)) {
                added += &format!(", {}.{name}", mention.visible_name().ident);
            }
        }
        if is_whole {
            added += &format!(", {}", mention.visible_name().ident);
        }
        for name in mention.system_columns.iter().filter(|_| !self.case.view.governed) {
            added += &format!(", {}.{}", mention.visible_name().ident, name.ident);
        }
        if added.is_empty() {
            return Ok(());
        }
        self.splicer.insert_after(grouping.insert_at, added).map_err(misfit)
    }

    /// The columns of a relation by the names that the statement knows them by: a list behind the alias names the first ones
    /// anew. Those that count as dropped have none.
    fn names_in_statement<'r>(&self, mention: &RelationRef, relation: &'r Relation) -> Vec<(&'r Column, Ident)> {
        let named = self.shown_columns(relation).enumerate().map(|(at, column)| {
            let alias = mention.alias_columns.get(at).map(|alias| alias.ident.clone());
            (column, alias.unwrap_or_else(|| Ident::quoted(&column.name)))
        });
        named.collect()
    }
}
