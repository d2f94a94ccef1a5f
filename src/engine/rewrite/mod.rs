//! The replacements that make the server answer as the shadow database would.
//!
//! A protected relation in FROM becomes a projection of what the subject may see, under the name by which the statement
//! knows it. The target of a data-modifying statement cannot be replaced, so there each reference becomes the masked value.
//! Every name of a relation or function is qualified, so that the session's search path decides nothing.

mod copy;
mod projection;
mod rows;
mod stars;
mod trees;
mod writes;

pub(super) use copy::copy_out;

use super::decide::{Case, is_hidden};
use super::lookups::raw_name;
use super::objection::Objection;
use super::retired;
use crate::model::catalog::{Column, Relation};
use crate::model::ident::Ident;
use crate::model::lifecycle::RedirectedWrites;
use crate::policy::view::Effect;
use crate::sql::access::{ColumnRef, InheritedOutput, RelationIndex, RelationRef, Role};
use crate::sql::lexer::Token;
use crate::sql::splice::{Generated, Splicer};
use crate::sql::tree::{Name, Span};

type Done = Result<(), Objection>;

/// Adds the replacements of one statement of a governed session.
pub(super) fn rewrite(case: &Case<'_>, text: &str, tokens: &[Token], splicer: &mut Splicer<'_>) -> Done {
    let mut rewriter = Rewriter { case, text, tokens, splicer };
    for (index, mention) in case.resolution.relations.iter().enumerate() {
        rewriter.mention(RelationIndex(index), mention)?;
    }
    for column in &case.resolution.columns {
        rewriter.column(column)?;
    }
    rewriter.bare_names()?;
    rewriter.column_calls()?;
    rewriter.inherited_names()?;
    for star in &case.resolution.stars {
        rewriter.star(star)?;
    }
    for row in &case.resolution.whole_rows {
        rewriter.whole_row(row)?;
    }
    for grouping in &case.resolution.groupings {
        rewriter.grouping(grouping)?;
    }
    rewriter.written()
}

/// Adds the replacements of one statement of an observed session: only columns past their sunset, and those that another
/// one stands in for, make a difference.
pub(super) fn retire(case: &Case<'_>, text: &str, tokens: &[Token], splicer: &mut Splicer<'_>) -> Done {
    let mut rewriter = Rewriter { case, text, tokens, splicer };
    let concerned = |mention: &RelationRef| rewriter.is_retiring(mention);
    if !case.resolution.relations.iter().any(concerned) {
        return Ok(());
    }
    for (index, mention) in case.resolution.relations.iter().enumerate() {
        if let Some(relation) = case.relation(mention).filter(|_| case.is_wrapped(mention)) {
            rewriter.wrap(RelationIndex(index), mention, relation)?;
        }
    }
    for column in &case.resolution.columns {
        rewriter.column(column)?;
    }
    rewriter.bare_names()?;
    rewriter.inherited_names()?;
    for star in &case.resolution.stars {
        if star
            .relations
            .iter()
            .filter_map(|index| case.mention(*index))
            .any(|mention| rewriter.reads_otherwise(mention))
        {
            rewriter.star(star)?;
        }
    }
    for row in &case.resolution.whole_rows {
        rewriter.whole_row(row)?;
    }
    for grouping in &case.resolution.groupings {
        rewriter.grouping(grouping)?;
    }
    rewriter.written()
}

struct Rewriter<'a, 'c, 's, 't> {
    case: &'c Case<'a>,
    text: &'c str,
    tokens: &'c [Token],
    splicer: &'s mut Splicer<'t>,
}

impl Rewriter<'_, '_, '_, '_> {
    /// Whether something of a relation counts as dropped, or has its values written or read elsewhere.
    fn is_retiring(&self, mention: &RelationRef) -> bool {
        let writes = |relation| !retired::redirected_writes(self.case.view, relation).is_empty();
        self.reads_otherwise(mention) || self.case.relation(mention).is_some_and(writes)
    }

    /// Whether a relation has columns that count as dropped, or that others stand in for.
    fn reads_otherwise(&self, mention: &RelationRef) -> bool {
        let (Some(relation), Some(rules)) = (self.case.relation(mention), self.case.rules(mention)) else {
            return false;
        };
        rules.columns.values().any(is_hidden)
            || relation.columns.iter().any(|column| retired::read_from(self.case.view, relation, column).is_some())
    }

    fn mention(&mut self, index: RelationIndex, mention: &RelationRef) -> Done {
        let Some(relation) = self.case.relation(mention) else { return Ok(()) };
        if self.case.is_wrapped(mention) {
            return self.wrap(index, mention, relation);
        }
        let span = mention.path.span();
        match mention.role {
            Role::CopyTo => Ok(()),
            Role::Target(_) => self.replace(span, relation.qualified(), Generated::Target),
            Role::Source | Role::CopyFrom if mention.path.qualifier.len() == 1 => Ok(()),
            Role::Source | Role::CopyFrom => self.replace(span, relation.qualified(), Generated::Plain),
        }
    }

    fn column(&mut self, reference: &ColumnRef) -> Done {
        let Some(mention) = self.case.mention(reference.via) else { return Ok(()) };
        if !reference.is_value {
            return Ok(());
        }
        if self.case.lookups.is_raw(reference) {
            return self.look_up(reference, mention);
        }
        if self.case.is_wrapped(mention) {
            return self.requalify(reference, mention);
        }
        let (Role::Target(_), Some(relation)) = (mention.role, self.case.relation(mention)) else { return Ok(()) };
        let Some(column) = relation.column_by_number(reference.column.attnum) else { return Ok(()) };
        let qualifier = reference.path.qualifier.last().unwrap_or_else(|| mention.visible_name());
        if let Some(source) = self.proposed(mention, relation, column, qualifier) {
            let field = format!("{}.{}", qualifier.ident, Ident::quoted(&source.name));
            return self.replace(reference.path.span(), converted(&field, source, column), Generated::Plain);
        }
        let Some((value, generated)) = self.target_value(relation, column, &qualifier.ident) else { return Ok(()) };
        self.replace(reference.path.span(), value, generated)?;
        if reference.names_output {
            self.name_output(reference.path.span(), &column.name)?;
        }
        Ok(())
    }

    /// The column of a proposed row, `excluded`, that has got the value written for another one.
    fn proposed<'r>(
        &self,
        mention: &RelationRef,
        relation: &'r Relation,
        column: &Column,
        qualifier: &Name,
    ) -> Option<&'r Column> {
        let is_proposed = qualifier.as_str() == "excluded" && qualifier.ident != mention.visible_name().ident;
        let redirect = retired::redirect(self.case.view, relation, column)
            .filter(|redirect| is_proposed && redirect.writes == RedirectedWrites::Replacement)?;
        let masked = self.case.view.governed
            && self.case.rule(relation, column).is_some_and(|rule| rule.effect != Effect::Allow);
        relation.column(&redirect.to).filter(|_| !masked)
    }

    /// What stands for a column of a target instead of its name.
    fn target_value(&self, relation: &Relation, column: &Column, qualifier: &Ident) -> Option<(String, Generated)> {
        let source = retired::read_from(self.case.view, relation, column);
        let field = format!("{qualifier}.{}", Ident::quoted(&source.unwrap_or(column).name));
        match self.case.rule(relation, column).map(|rule| &rule.effect) {
            Some(Effect::Mask(mask)) if self.case.view.governed => Some((mask.render(&field), Generated::Expression)),
            _ => source.map(|source| (converted(&field, source, column), Generated::Plain)),
        }
    }

    /// A name that a protected column of the target has, too, gets the qualifier of the entry that it means: then the text
    /// itself says that it does not mean the target's.
    fn bare_names(&mut self) -> Done {
        let targets: Vec<_> =
            self.case.resolution.relations.iter().filter(|mention| mention.role.is_target()).collect();
        for bare in &self.case.resolution.bare {
            let hides = targets.iter().any(|mention| {
                self.case.relation(mention).is_some_and(|relation| {
                    let column = relation.column(bare.name.as_str());
                    let rule = column.and_then(|column| self.case.rule(relation, column));
                    rule.is_some_and(|rule| rule.effect != Effect::Allow || is_hidden(rule))
                })
            });
            if hides {
                self.splicer.insert_before(bare.name.span.start, format!("{}.", bare.of.ident)).map_err(misfit)?;
            }
        }
        Ok(())
    }

    /// An expression that takes its name from a column loses it where a mask stands for the column.
    fn inherited_names(&mut self) -> Done {
        for output in &self.case.resolution.inherited_names {
            let within = self.case.resolution.columns.get(output.columns.clone()).unwrap_or_default();
            let masked = within.iter().any(|reference| {
                let target = self.case.mention(reference.via).is_some_and(|mention| mention.role.is_target());
                let relation = self.case.relation_of(reference.via);
                let column = relation.and_then(|relation| relation.column_by_number(reference.column.attnum));
                let name = Ident::quoted("");
                target
                    && relation
                        .zip(column)
                        .is_some_and(|(relation, column)| self.target_value(relation, column, &name).is_some())
            });
            if masked || self.inherits_from_row(output) {
                self.splicer.insert_after(output.end, format!(" AS {}", output.name)).map_err(misfit)?;
            }
        }
        Ok(())
    }

    /// Whether an expression takes its name from the row of a target that something else stands for.
    fn inherits_from_row(&self, output: &InheritedOutput) -> bool {
        let resolution = self.case.resolution;
        let between =
            |end: u32| resolution.inherited_names.iter().any(|other| end <= other.end && other.end < output.end);
        resolution.whole_rows.iter().filter(|row| row.field.is_none()).any(|row| {
            let end = row.path.span().end;
            let mention = self.case.mention(row.via).filter(|mention| mention.role.is_target());
            row.path.last.ident == output.name
                && end <= output.end
                && !between(end)
                && mention.is_some_and(|mention| self.reads_otherwise(mention))
        })
    }

    /// The column itself: the raw one of a projection; in the target of a change it stands where it stood.
    fn look_up(&mut self, reference: &ColumnRef, mention: &RelationRef) -> Done {
        if !self.case.is_wrapped(mention) {
            return Ok(());
        }
        let name = raw_name(reference.via, reference.column.attnum);
        self.replace(reference.path.span(), name.to_string(), Generated::Plain)
    }

    /// `column(row)` becomes `(row).column`, which can call nothing.
    fn column_calls(&mut self) -> Done {
        for call in &self.case.resolution.column_calls {
            let after = self.tokens.partition_point(|token| token.start < call.row.end);
            let Some(close) = self.tokens.get(after).filter(|token| token.is_symbol(self.text, ")")) else {
                return Err(
                    Objection::not_understood("a column that is called like a function").at(call.name.span.start)
                );
            };
            self.replace(call.name.span, String::new(), Generated::Plain)?;
            self.splicer.insert_after(close.end, format!(".{}", call.name.ident)).map_err(misfit)?;
        }
        Ok(())
    }

    /// A projection has no schema: `schema.table.column` becomes `table.column`.
    fn requalify(&mut self, reference: &ColumnRef, mention: &RelationRef) -> Done {
        match reference.path.qualifier_span() {
            Some(span) if reference.path.qualifier.len() > 1 => {
                self.replace(span, mention.visible_name().ident.to_string(), Generated::Plain)
            }
            _ => Ok(()),
        }
    }

    fn name_output(&mut self, span: Span, name: &str) -> Done {
        self.splicer.insert_after(span.end, format!(" AS {}", Ident::quoted(name))).map_err(misfit)
    }

    fn replace(&mut self, span: Span, text: String, generated: Generated) -> Done {
        self.splicer.replace(span, text, generated).map_err(misfit)
    }
}

/// The value of one column in the type of another.
fn converted(field: &str, from: &Column, to: &Column) -> String {
    let value = if from.ty.sql == to.ty.sql { field.to_owned() } else { format!("(CAST({field} AS {}))", to.ty.sql) };
    match &to.ty.collation {
        Some(collation) if from.ty.collation != to.ty.collation => format!("({value} COLLATE {collation})"),
        _ => value,
    }
}

fn misfit(error: crate::sql::splice::SpliceError) -> Objection {
    Objection::not_understood(error.to_string())
}

/// The mentions that a statement writes to.
pub(super) fn targets<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (RelationIndex, &'a RelationRef)> {
    case.resolution
        .relations
        .iter()
        .enumerate()
        .filter(|(_, mention)| matches!(mention.role, Role::Target(_) | Role::CopyFrom))
        .map(|(index, mention)| (RelationIndex(index), mention))
}
