//! The replacements that make the server answer as the shadow database would.
//!
//! A protected relation in FROM becomes a projection of what the subject may see, under the name by which the statement
//! knows it. The target of a data-modifying statement cannot be replaced, so there each reference becomes the masked value.
//! Every name of a relation or function is qualified, so that the session's search path decides nothing.

use super::decide::{Case, Denied, is_hidden, is_omitted};
use super::expand;
use super::lookups::raw_name;
use super::objection::Objection;
use crate::model::catalog::{Column, Relation};
use crate::model::ident::{Ident, display_name};
use crate::policy::view::{ColumnRule, Effect, MaskExpression, Shown};
use crate::sql::access::{ColumnRef, Grouping, RelationIndex, RelationRef, Role, StarColumn, StarRef, WholeRowRef};
use crate::sql::lexer::Token;
use crate::sql::second_opinion::WrapperEnd;
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
    rewriter.implicit_inserts()
}

/// Adds the replacement of COPY … TO.
pub(super) fn copy_out(
    case: &Case<'_>,
    text: &str,
    tokens: &[Token],
    splicer: &mut Splicer<'_>,
    copied: (&[Name], Span),
) -> Done {
    let mut rewriter = Rewriter { case, text, tokens, splicer };
    match case.resolution.relations.first() {
        Some(mention) => rewriter.copy_out(mention, copied.0, copied.1),
        None => Ok(()),
    }
}

/// Adds the replacements of one statement of an observed session: only columns past their sunset make a difference.
pub(super) fn hide_retired(case: &Case<'_>, text: &str, tokens: &[Token], splicer: &mut Splicer<'_>) -> Done {
    let mut rewriter = Rewriter { case, text, tokens, splicer };
    for star in &case.resolution.stars {
        let hides = star.columns.iter().flatten().any(|column| rewriter.omits(column));
        if hides {
            rewriter.expand(star)?;
        }
    }
    rewriter.implicit_inserts()
}

struct Rewriter<'a, 'c, 's, 't> {
    case: &'c Case<'a>,
    text: &'c str,
    tokens: &'c [Token],
    splicer: &'s mut Splicer<'t>,
}

impl Rewriter<'_, '_, '_, '_> {
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

    /// Puts a projection in place of a relation.
    fn wrap(&mut self, index: RelationIndex, mention: &RelationRef, relation: &Relation) -> Done {
        let (span, only) = self.with_only(mention.path.span())?;
        let raw = self.case.lookups.entries(index, relation);
        let projection = self.projection(mention, relation, only, raw)?;
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
        let columns = relation.columns.iter().zip(&mention.alias_columns);
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
    fn projection(
        &self,
        mention: &RelationRef,
        relation: &Relation,
        only: &'static str,
        raw: Vec<String>,
    ) -> Result<Projection, Objection> {
        if self.case.rules(mention).is_some_and(|rules| rules.shown == Shown::Definition) {
            return self.query_of_view(mention, relation);
        }
        let mut entries: Vec<String> = Vec::new();
        for column in &relation.columns {
            match self.case.rule(relation, column) {
                rule if self.shows_null(rule) => entries.push(null_entry(column)),
                rule if is_omitted(rule) => {}
                Some(rule) => match &rule.effect {
                    Effect::Allow => entries.push(Ident::quoted(&column.name).to_string()),
                    Effect::Mask(mask) => entries.push(masked_entry(mask, column)),
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
        let text = head + &relation.qualified() + ")";
        let generated = wrapper(relation_at, text.len(), WrapperEnd::Parenthesis);
        Ok(Projection { text, generated })
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

    /// COPY of a protected relation becomes COPY of its projection; like COPY, it leaves children out.
    fn copy_out(&mut self, mention: &RelationRef, columns: &[Name], span: Span) -> Done {
        let Some(relation) = self.case.relation(mention) else { return Ok(()) };
        let rules = self.case.rules(mention);
        if !rules.is_some_and(|rules| rules.protects() || rules.columns.values().any(super::decide::is_hidden)) {
            return self.replace(mention.path.span(), relation.qualified(), Generated::Plain);
        }
        let projection = self.projection(mention, relation, "ONLY ", Vec::new())?;
        let list = match columns {
            [] => "*".to_owned(),
            names => names.iter().map(|name| name.ident.to_string()).collect::<Vec<_>>().join(", "),
        };
        let head = format!("(SELECT {list} FROM ");
        let generated = Generated::Query(shifted(vec![(0, projection.generated)], head.len()));
        let text = format!("{head}{} AS {})", projection.text, mention.path.last.ident);
        self.replace(span, text, generated)
    }

    /// A column list behind an alias counts columns: the names of those that are left out go with them.
    fn shorten_alias_list(&mut self, mention: &RelationRef, relation: &Relation) -> Done {
        let (Some(first), Some(last)) = (mention.alias_columns.first(), mention.alias_columns.last()) else {
            return Ok(());
        };
        let columns = || relation.columns.iter().zip(&mention.alias_columns);
        let hidden = |column: &Column| self.case.rule(relation, column).is_some_and(super::decide::is_hidden);
        if columns().any(|(column, _)| hidden(column)) {
            let why = "a column list counts a column that is treated as dropped";
            return Err(Objection::not_understood(why).at(first.span.start));
        }
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
        let Some(Effect::Mask(mask)) = self.case.rule(relation, column).map(|rule| &rule.effect) else {
            return Ok(());
        };
        let qualifier = reference.path.qualifier.last().unwrap_or_else(|| mention.visible_name());
        let field = format!("{}.{}", qualifier.ident, Ident::quoted(&column.name));
        self.replace(reference.path.span(), mask.render(&field), Generated::Expression)?;
        if reference.names_output {
            self.name_output(reference.path.span(), &column.name)?;
        }
        Ok(())
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
                    rule.is_some_and(|rule| rule.effect != Effect::Allow)
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
                let rule = self.case.view.rule(reference.column);
                target && rule.is_some_and(|rule| matches!(rule.effect, Effect::Mask(_)))
            });
            if masked {
                self.splicer.insert_after(output.end, format!(" AS {}", output.name)).map_err(misfit)?;
            }
        }
        Ok(())
    }

    /// The column itself: the raw one of a projection; in the target of a change it stands where it stood.
    fn look_up(&mut self, reference: &ColumnRef, mention: &RelationRef) -> Done {
        if !self.case.is_wrapped(mention) {
            return Ok(());
        }
        let name = raw_name(reference.via, reference.column.attnum);
        self.replace(reference.path.span(), name.to_string(), Generated::Plain)
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

    fn star(&mut self, star: &StarRef) -> Done {
        let mut needs_list = false;
        let mut qualified = None;
        for index in &star.relations {
            let Some(mention) = self.case.mention(*index) else { continue };
            let is_target = matches!(mention.role, Role::Target(_));
            needs_list |= is_target && self.case.rules(mention).is_some_and(|rules| !rules.columns.is_empty());
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

    /// `f(t.*)` is `f(t)`, but `ROW(t.*)` has each column.
    fn row_of_star(&mut self, star: &StarRef) -> Done {
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
    fn expand(&mut self, star: &StarRef) -> Done {
        let Some(columns) = &star.columns else {
            return Err(Objection::not_understood("the columns behind a star cannot be known").at(star.span.start));
        };
        let entries: Vec<_> =
            columns.iter().filter(|column| !self.omits(column)).map(|column| self.star_entry(column)).collect();
        if entries.is_empty() {
            return Err(Objection::not_understood("a star expands to nothing").at(star.span.start));
        }
        let is_masked = columns.iter().any(|column| self.target_mask(column).is_some());
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
        match self.target_mask(column) {
            Some(mask) => format!("{} AS {name}", mask.render(&field)),
            None => field,
        }
    }

    /// The mask of a column that stands unwrapped.
    fn target_mask(&self, column: &StarColumn) -> Option<&MaskExpression> {
        let (id, via) = column.column?;
        let mention = self.case.mention(via)?;
        if self.case.is_wrapped(mention) || !self.case.view.governed {
            return None;
        }
        match &self.case.view.rule(id)?.effect {
            Effect::Mask(mask) => Some(mask),
            Effect::Allow | Effect::Deny => None,
        }
    }

    fn omits(&self, column: &StarColumn) -> bool {
        let rule = column.column.and_then(|(id, _)| self.case.view.rule(id));
        if self.case.view.governed {
            return is_omitted(rule);
        }
        rule.is_some_and(super::decide::is_hidden)
    }

    fn whole_row(&mut self, row: &WholeRowRef) -> Done {
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
        if self.case.lookups.carries(row.via) {
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
    fn grouping(&mut self, grouping: &Grouping) -> Done {
        let (Some(mention), Some(relation)) =
            (self.case.mention(grouping.relation), self.case.relation_of(grouping.relation))
        else {
            return Ok(());
        };
        if !self.case.is_wrapped(mention) {
            return Ok(());
        }
        let mut added = String::new();
        for attnum in grouping.used.iter().filter(|attnum| !grouping.grouped.contains(attnum)) {
            let Some(column) = relation.column_by_number(*attnum) else { continue };
            if !is_omitted(self.case.rule(relation, column)) {
                added += &format!(", {}.{}", mention.visible_name().ident, Ident::quoted(&column.name));
            }
        }
        if added.is_empty() {
            return Ok(());
        }
        self.splicer.insert_after(grouping.insert_at, added).map_err(misfit)
    }

    /// INSERT without a column list, where a column counts as dropped: the remaining ones are named.
    fn implicit_inserts(&mut self) -> Done {
        for insert in &self.case.resolution.implicit_inserts {
            let (Some(relation), Some(width)) = (self.case.relation_of(insert.relation), insert.width) else {
                continue;
            };
            let hidden = |column: &&Column| self.case.rule(relation, column).is_some_and(super::decide::is_hidden);
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

    fn replace(&mut self, span: Span, text: String, generated: Generated) -> Done {
        self.splicer.replace(span, text, generated).map_err(misfit)
    }
}

const SELECT: &str = "(SELECT ";

/// A generated subquery, and what it is.
struct Projection {
    text: String,
    generated: Generated,
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
fn shifted(generated: Vec<(u32, Generated)>, by: usize) -> Vec<(u32, Generated)> {
    let by = u32::try_from(by).unwrap_or(u32::MAX);
    generated.into_iter().map(|(start, part)| (start.saturating_add(by), part)).collect()
}

fn null_entry(column: &Column) -> String {
    let collation = column.ty.collation.as_ref().map(|name| format!(" COLLATE {name}")).unwrap_or_default();
    format!("CAST(NULL AS {}){collation} AS {}", column.ty.sql, Ident::quoted(&column.name))
}

fn masked_entry(mask: &MaskExpression, column: &Column) -> String {
    let name = Ident::quoted(&column.name).to_string();
    format!("{} AS {name}", mask.render(&name))
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
