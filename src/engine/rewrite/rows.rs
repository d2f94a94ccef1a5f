//! Rows as values: `t`, `f(t)`, `f(t.*)`.
//!
//! The projection that stands for a relation gives an anonymous record, which is cast back to the relation's own type; and
//! where the projection carries more than the relation has (system columns, raw ones), the row is put together of what may
//! be seen.

use super::{Done, Rewriter, misfit};
use crate::engine::decide::is_omitted;
use crate::engine::objection::Objection;
use crate::model::catalog::Relation;
use crate::model::ident::{Ident, display_name};
use crate::sql::access::{RelationRef, StarRef, WholeRowRef};
use crate::sql::splice::Generated;
use crate::sql::tree::Span;

impl Rewriter<'_, '_, '_, '_> {
    /// `f(t.*)` is `f(t)`, but `ROW(t.*)` has each column.
    pub(super) fn row_of_star(&mut self, star: &StarRef) -> Done {
        let at = self.splicer.starting_at(star.span.start).map_err(misfit)? as usize;
        let before = |steps: usize| at.checked_sub(steps).and_then(|at| self.tokens.get(at));
        let is_row = before(2).is_some_and(|token| token.is_word(self.text, "row"));
        let is_call = before(1).is_some_and(|token| token.text(self.text) == "(");
        let end = self.tokens.get(at + self.star_tokens(star).len() + 1).filter(|token| token.text(self.text) == "*");
        let ([index], Some(end), true) = (star.relations.as_slice(), end, is_call && !is_row) else {
            return Err(Objection::not_understood("a star in an expression").at(star.span.start));
        };
        let (Some(mention), Some(relation)) = (self.case.mention(*index), self.case.relation_of(*index)) else {
            return Err(Objection::not_understood("a star in an expression").at(star.span.start));
        };
        let span = Span { start: star.span.start, end: end.end };
        self.replace(span, self.rebuilt_row(mention, relation)?, Generated::Expression)
    }

    /// The row of a relation whose projection has more columns than the relation.
    fn rebuilt_row(&self, mention: &RelationRef, relation: &Relation) -> Result<String, Objection> {
        let name = &mention.visible_name().ident;
        if relation.columns.iter().any(|column| is_omitted(self.case.rule(relation, column))) {
            let why = format!("the row of {} has denied columns", display_name(&relation.name));
            return Err(Objection::not_understood(why).at(mention.path.span().start));
        }
        // A list behind the alias names the first columns anew.
        let aliases = mention.alias_columns.iter().map(|alias| alias.ident.clone());
        let own = relation.columns.iter().map(|column| Ident::quoted(&column.name));
        let names = aliases.chain(own.skip(mention.alias_columns.len()));
        let fields = names.map(|field| format!("{name}.{field}")).collect::<Vec<_>>().join(", ");
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
}
