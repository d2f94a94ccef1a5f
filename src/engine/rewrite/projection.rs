//! The subquery that stands for a relation: what the subject may see of it.

use std::collections::BTreeSet;

use super::trees::is_tree;
use super::{Done, Rewriter, converted, misfit};
use crate::engine::decide::{Denied, is_hidden, is_omitted};
use crate::engine::expand;
use crate::engine::objection::Objection;
use crate::engine::retired;
use crate::model::catalog::{Column, Relation};
use crate::model::ident::Ident;
use crate::policy::view::{ColumnRule, Effect, MaskExpression, Shown};
use crate::sql::access::{RelationIndex, RelationRef, Role};
use crate::sql::lexer::Token;
use crate::sql::second_opinion::WrapperEnd;
use crate::sql::splice::Generated;
use crate::sql::tree::Span;

impl Rewriter<'_, '_, '_, '_> {
    /// Puts a projection in place of a relation.
    pub(super) fn wrap(&mut self, index: RelationIndex, mention: &RelationRef, relation: &Relation) -> Done {
        let (span, only) = self.with_only(mention.path.span())?;
        let raw = self.case.lookups.entries(index, relation);
        let projection = self.projection((index, mention), relation, only, raw)?;
        if let Some(sample) = mention.sample {
            return self.wrap_sampled(mention, relation, (span, sample.span), projection);
        }
        self.shorten_alias_list(mention, relation)?;
        let Projection { mut text, generated } = projection;
        if mention.alias.is_none() {
            text += &format!(" AS {}", mention.path.last.ident);
        }
        self.replace(span, text, generated)
    }

    /// A sample is taken of the relation itself: the projection closes behind the clause, and the alias follows there.
    fn wrap_sampled(
        &mut self,
        mention: &RelationRef,
        relation: &Relation,
        (span, sample): (Span, Span),
        projection: Projection,
    ) -> Done {
        let columns = self.shown_columns(relation).zip(&mention.alias_columns);
        let kept: Vec<_> = columns
            .filter(|(column, _)| !is_omitted(self.case.rule(relation, column)))
            .map(|(_, name)| name.ident.to_string())
            .collect();
        if kept.len() != mention.alias_columns.len() {
            return Err(Objection::not_understood("a column list counts a column that is left out").at(span.start));
        }
        let list = if kept.is_empty() { String::new() } else { format!(" ({})", kept.join(", ")) };
        let before = self.tokens.partition_point(|token| token.start < sample.start);
        let end = before.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(span.end, |token| token.end);
        let Projection { text, generated } = projection.before_sample();
        self.replace(Span { start: span.start, end }, text, generated)?;
        let close = format!(") AS {}{list}", mention.visible_name().ident);
        self.splicer.insert_after(sample.end, close).map_err(misfit)
    }

    /// What the subject may see of a relation, as a subquery.
    pub(super) fn projection(
        &self,
        (index, mention): (RelationIndex, &RelationRef),
        relation: &Relation,
        only: &'static str,
        raw: Vec<String>,
    ) -> Result<Projection, Objection> {
        if self.case.rules(mention).is_some_and(|rules| rules.shown == Shown::Definition) {
            return self.query_of_view(mention, relation);
        }
        let mut entries: Vec<String> = Vec::new();
        let used = self.used_columns(index, mention);
        let is_used = |column: &Column| used.as_ref().is_none_or(|used| used.contains(&column.attnum));
        for column in relation.columns.iter().filter(|column| is_used(column)) {
            match self.case.rule(relation, column) {
                Some(rule) if is_tree(rule) && self.only_as_text(index, column) => {
                    entries.push(Ident::quoted(&column.name).to_string());
                }
                rule if self.shows_null(rule) => entries.push(null_entry(column)),
                rule if is_omitted(rule) => {}
                Some(rule) => match &rule.effect {
                    Effect::Allow => entries.push(self.plain_entry(relation, column)),
                    Effect::Mask(mask) => {
                        let source = retired::read_from(self.case.view, relation, column).unwrap_or(column);
                        entries.push(masked_entry(mask, source, column));
                    }
                    Effect::Deny => {}
                },
                None => entries.push(Ident::quoted(&column.name).to_string()),
            }
        }
        if entries.is_empty() {
            return Err(Objection::denied_relation(&relation.name, "all of its columns are denied")
                .at(mention.path.span().start));
        }
        // Behind all that a list after the alias counts.
        let mut system: Vec<_> =
            mention.system_columns.iter().map(|name| Ident::quoted(name.as_str()).to_string()).collect();
        system.sort_unstable();
        system.dedup();
        entries.extend(system.into_iter().chain(raw));
        let head = format!("{SELECT}{} FROM {only}", entries.join(", "));
        let relation_at = head.len();
        let text = head + &self.source_name(mention, relation) + ")";
        let generated = wrapper(relation_at, text.len(), WrapperEnd::Parenthesis);
        Ok(Projection { text, generated })
    }

    /// The relation's name in its projection. For an observed session the search path may be a guess: the server shall find
    /// what it would have found.
    fn source_name(&self, mention: &RelationRef, relation: &Relation) -> String {
        if self.case.view.governed {
            return relation.qualified();
        }
        let parts = mention.path.qualifier.iter().chain([&mention.path.last]);
        parts.map(|part| part.ident.to_string()).collect::<Vec<_>>().join(".")
    }

    /// A column as it is, or the one that stands in for it, under its name.
    fn plain_entry(&self, relation: &Relation, column: &Column) -> String {
        let name = Ident::quoted(&column.name).to_string();
        match retired::read_from(self.case.view, relation, column) {
            Some(source) => {
                format!("{} AS {name}", converted(&Ident::quoted(&source.name).to_string(), source, column))
            }
            None => name,
        }
    }

    /// The columns that a statement of an observed session uses of a relation, where that is known to the last: then the
    /// server asks for no more privileges than it would have without the projection.
    fn used_columns(&self, index: RelationIndex, mention: &RelationRef) -> Option<BTreeSet<i16>> {
        let resolution = self.case.resolution;
        let unclear = self.case.view.governed
            || mention.role != Role::Source
            || !mention.alias_columns.is_empty()
            || !resolution.ambiguous.is_empty()
            || !resolution.unresolved.is_empty()
            || resolution.stars.iter().any(|star| star.relations.contains(&index))
            || resolution.whole_rows.iter().any(|row| row.via == index);
        let used = || resolution.columns.iter().filter(|found| found.via == index).map(|found| found.column.attnum);
        (!unclear).then(|| used().collect::<BTreeSet<_>>()).filter(|used| !used.is_empty())
    }

    /// The columns that do not count as dropped: what a list behind an alias counts.
    pub(super) fn shown_columns<'r>(&self, relation: &'r Relation) -> impl Iterator<Item = &'r Column> {
        relation.columns.iter().filter(|column| !self.case.rule(relation, column).is_some_and(is_hidden))
    }

    /// What the subject may see of a view that is shown by its query.
    fn query_of_view(&self, mention: &RelationRef, view: &Relation) -> Result<Projection, Objection> {
        let start = mention.path.span().start;
        if mention.sample.is_some() {
            return Err(Objection::not_understood("a sample of a view").at(start));
        }
        let expanded = expand::query(self.case, view).map_err(|objection| objection.or_at(start))?;
        let mut entries = Vec::new();
        for column in &view.columns {
            match self.case.rule(view, column) {
                rule if self.shows_null(rule) => entries.push(null_entry(column)),
                rule if is_omitted(rule) => {}
                Some(_) | None => entries.push(Ident::quoted(&column.name).to_string()),
            }
        }
        if entries.is_empty() {
            return Err(Objection::denied_relation(&view.name, "all of its columns are denied").at(start));
        }
        let names: Vec<_> = view.columns.iter().map(|column| Ident::quoted(&column.name).to_string()).collect();
        let head = format!("{SELECT}{} FROM (", entries.join(", "));
        let generated = Generated::Query(shifted(expanded.generated, head.len()));
        let text = format!("{head}{}) AS {} ({}))", expanded.text, Ident::quoted(&view.name), names.join(", "));
        Ok(Projection { text, generated })
    }

    /// Whether a column that is left out elsewhere stands there as NULL.
    fn shows_null(&self, rule: Option<&ColumnRule>) -> bool {
        self.case.denied == Denied::Null && rule.is_some_and(|rule| rule.effect == Effect::Deny && !is_hidden(rule))
    }

    /// A column list behind an alias counts columns: the names of those that are left out go with them.
    fn shorten_alias_list(&mut self, mention: &RelationRef, relation: &Relation) -> Done {
        let (Some(first), Some(last)) = (mention.alias_columns.first(), mention.alias_columns.last()) else {
            return Ok(());
        };
        let columns = || self.shown_columns(relation).zip(&mention.alias_columns);
        let kept: Vec<_> = columns()
            .filter(|(column, _)| !is_omitted(self.case.rule(relation, column)))
            .map(|(_, name)| name.ident.to_string())
            .collect();
        if kept.len() == columns().count() {
            return Ok(());
        }
        if kept.is_empty() {
            let why = "a column list names only denied columns";
            return Err(Objection::not_understood(why).at(first.span.start));
        }
        self.replace(first.span.to(last.span), kept.join(", "), Generated::Plain)
    }

    /// Widens a relation's range by what says whether children are read: `ONLY t`, `ONLY (t)`, `t *`.
    fn with_only(&self, span: Span) -> Result<(Span, &'static str), Objection> {
        let first = self.splicer.starting_at(span.start).map_err(misfit)? as usize;
        let after = self.tokens.partition_point(|token| token.start < span.end);
        let back = |by: usize| first.checked_sub(by).and_then(|at| self.tokens.get(at));
        let next = self.tokens.get(after);
        let is = |token: Option<&Token>, symbol: &str| token.is_some_and(|token| token.is_symbol(self.text, symbol));
        let only = |token: Option<&Token>| token.is_some_and(|token| token.is_word(self.text, "only"));
        let from = |token: Option<&Token>| token.map_or(span.start, |token| token.start);
        let to = next.map_or(span.end, |token| token.end);
        Ok(if only(back(1)) {
            (Span { start: from(back(1)), end: span.end }, "ONLY ")
        } else if is(back(1), "(") && only(back(2)) && is(next, ")") {
            (Span { start: from(back(2)), end: to }, "ONLY ")
        } else if is(next, "*") {
            (Span { start: span.start, end: to }, "")
        } else {
            (span, "")
        })
    }
}

const SELECT: &str = "(SELECT ";

/// A generated subquery, and what it is.
pub(super) struct Projection {
    pub(super) text: String,
    pub(super) generated: Generated,
}

impl Projection {
    /// Left open behind the relation's name, where TABLESAMPLE stands.
    fn before_sample(mut self) -> Self {
        self.text.pop();
        if let Generated::Wrapper { close, ends, .. } = &mut self.generated {
            *close = close.saturating_sub(1);
            *ends = WrapperEnd::Sample;
        }
        self
    }
}

/// A wrapper that begins where its text does.
fn wrapper(relation: usize, length: usize, ends: WrapperEnd) -> Generated {
    let offset = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    Generated::Wrapper {
        open: 0,
        first_target: offset(SELECT.len()),
        relation: offset(relation),
        close: offset(length),
        ends,
    }
}

/// The same in a text that goes on for so many bytes before.
pub(super) fn shifted(generated: Vec<(u32, Generated)>, by: usize) -> Vec<(u32, Generated)> {
    let by = u32::try_from(by).unwrap_or(u32::MAX);
    generated.into_iter().map(|(start, part)| (start.saturating_add(by), part)).collect()
}

fn null_entry(column: &Column) -> String {
    let collation = column.ty.collation.as_ref().map(|name| format!(" COLLATE {name}")).unwrap_or_default();
    format!("CAST(NULL AS {}){collation} AS {}", column.ty.sql, Ident::quoted(&column.name))
}

fn masked_entry(mask: &MaskExpression, source: &Column, column: &Column) -> String {
    format!("{} AS {}", mask.render(&Ident::quoted(&source.name).to_string()), Ident::quoted(&column.name))
}
