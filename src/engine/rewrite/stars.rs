//! Stars that must be written out, or that stand for a row.

use super::{Done, Rewriter, misfit};
use crate::engine::decide::{is_hidden, is_omitted};
use crate::engine::objection::Objection;
use crate::model::ident::Ident;
use crate::sql::access::{RelationRef, Role, StarColumn, StarRef};
use crate::sql::lexer::Token;
use crate::sql::splice::Generated;
use crate::sql::tree::Span;

impl Rewriter<'_, '_, '_, '_> {
    pub(super) fn star(&mut self, star: &StarRef) -> Done {
        let mut needs_list = false;
        let mut qualified = None;
        for index in &star.relations {
            let Some(mention) = self.case.mention(*index) else { continue };
            // What is not wrapped shows the server more than the statement may see.
            let is_bare = matches!(mention.role, Role::Target(_)) || !self.case.is_wrapped(mention);
            needs_list |= is_bare
                && self.case.rules(mention).is_some_and(|rules| {
                    let governed = self.case.view.governed && mention.role.is_target() && !rules.columns.is_empty();
                    governed || self.reads_otherwise(mention)
                });
            // A projection shows the system columns that the statement names, and raw ones; a star must not.
            needs_list |= self.case.is_wrapped(mention) && !mention.system_columns.is_empty();
            needs_list |= self.case.lookups.carries(*index);
            if self.case.is_wrapped(mention) && self.is_doubly_qualified(star) {
                qualified = Some(mention);
            }
        }
        if needs_list {
            return if self.is_argument(star) { self.row_of_star(star) } else { self.expand(star) };
        }
        if let Some(mention) = qualified {
            self.requalify_star(star, mention)?;
        }
        if self.is_table(star) {
            return self.replace(star.span, "SELECT * FROM".to_owned(), Generated::Plain);
        }
        Ok(())
    }

    /// The star is the one that TABLE stands for, which can only be followed by a relation.
    fn is_table(&self, star: &StarRef) -> bool {
        self.star_tokens(star).first().is_some_and(|token| token.is_word(self.text, "table"))
    }

    /// The star stands in an expression: its range is that of the relation's name only.
    fn is_argument(&self, star: &StarRef) -> bool {
        self.star_tokens(star).last().is_some_and(|token| token.text(self.text) != "*" && !self.is_table(star))
    }

    /// `f(t.*)` is `f(t)`, and so is `t.* IS NULL`; but `ROW(t.*)` has each column.
    fn row_of_star(&mut self, star: &StarRef) -> Done {
        let at = self.splicer.starting_at(star.span.start).map_err(misfit)? as usize;
        let before = |steps: usize| at.checked_sub(steps).and_then(|at| self.tokens.get(at));
        let is_row = before(2).is_some_and(|token| token.is_word(self.text, "row"));
        let is_call = before(1).is_some_and(|token| token.text(self.text) == "(");
        let end = self.tokens.get(at + self.star_tokens(star).len() + 1).filter(|token| token.text(self.text) == "*");
        let is_tested = end.is_some_and(|end| {
            let after = self.tokens.partition_point(|token| token.start < end.end);
            self.tokens.get(after).is_some_and(|token| token.is_word(self.text, "is"))
        });
        let is_value = is_tested || (is_call && !is_row);
        let ([index], Some(end), true) = (star.relations.as_slice(), end, is_value) else {
            return Err(Objection::not_understood("a star in an expression").at(star.span.start));
        };
        let (Some(mention), Some(relation)) = (self.case.mention(*index), self.case.relation_of(*index)) else {
            return Err(Objection::not_understood("a star in an expression").at(star.span.start));
        };
        let span = Span { start: star.span.start, end: end.end };
        let row = self.rebuilt_row(mention, relation, &mention.visible_name().ident)?;
        self.replace(span, row, Generated::Expression)
    }

    fn is_doubly_qualified(&self, star: &StarRef) -> bool {
        let tokens = self.star_tokens(star);
        tokens.iter().filter(|token| token.text(self.text) == ".").count() > 1
    }

    fn star_tokens(&self, star: &StarRef) -> &[Token] {
        let start = self.tokens.partition_point(|token| token.start < star.span.start);
        let end = self.tokens.partition_point(|token| token.start < star.span.end);
        self.tokens.get(start..end).unwrap_or_default()
    }

    fn requalify_star(&mut self, star: &StarRef, mention: &RelationRef) -> Done {
        let text = format!("{}.*", mention.visible_name().ident);
        self.replace(star.span, text, Generated::Plain)
    }

    /// Writes out a star; each masked column of a target is one replacement, so that it can be told apart in the final text.
    pub(super) fn expand(&mut self, star: &StarRef) -> Done {
        let Some(columns) = &star.columns else {
            return Err(Objection::not_understood("the columns behind a star cannot be known").at(star.span.start));
        };
        let entries: Vec<_> =
            columns.iter().filter(|column| !self.omits(column)).map(|column| self.star_entry(column)).collect();
        if entries.is_empty() {
            return Err(Objection::not_understood("a star expands to nothing").at(star.span.start));
        }
        let mut values = columns.iter().filter_map(|column| self.unwrapped_value(column));
        let is_masked = values.any(|(_, generated)| generated == Generated::Expression);
        let generated = if is_masked { Generated::Expression } else { Generated::Plain };
        let list = entries.join(", ");
        let text = if self.is_table(star) { format!("SELECT {list} FROM") } else { list };
        self.replace(star.span, text, generated)
    }

    fn star_entry(&self, column: &StarColumn) -> String {
        let name = Ident::quoted(&column.name);
        let field = match &column.qualifier {
            Some(qualifier) => format!("{}.{name}", qualifier.ident),
            None => name.to_string(),
        };
        match self.unwrapped_value(column) {
            Some((value, _)) => format!("{value} AS {name}"),
            None => field,
        }
    }

    /// What stands for a column of a relation that is not wrapped.
    fn unwrapped_value(&self, column: &StarColumn) -> Option<(String, Generated)> {
        let (id, via) = column.column?;
        let mention = self.case.mention(via)?;
        if self.case.is_wrapped(mention) {
            return None;
        }
        let relation = self.case.relation(mention)?;
        let qualifier = column.qualifier.as_ref().unwrap_or_else(|| mention.visible_name());
        self.target_value(relation, relation.column_by_number(id.attnum)?, &qualifier.ident)
    }

    pub(super) fn omits(&self, column: &StarColumn) -> bool {
        let rule = column.column.and_then(|(id, _)| self.case.view.rule(id));
        if self.case.view.governed {
            return is_omitted(rule);
        }
        rule.is_some_and(is_hidden)
    }
}
