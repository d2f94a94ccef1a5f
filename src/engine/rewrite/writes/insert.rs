//! Lists of columns and the rows for them: INSERT, the INSERT of MERGE, COPY FROM.

use std::ops::Range;

use super::{Change, Pair, plain_type};
use crate::engine::objection::Objection;
use crate::engine::rewrite::{Done, Rewriter};
use crate::model::catalog::{Column, Relation};
use crate::model::ident::Ident;
use crate::model::lifecycle::RedirectedWrites;
use crate::sql::access::RelationIndex;
use crate::sql::clauses::Target;

/// The columns that get values.
struct Listed<'a> {
    /// The list as written; none where the first columns are meant.
    written: Option<Vec<Target>>,
    names: Vec<&'a str>,
    columns: Vec<&'a Column>,
    /// The token behind which more columns, or the list, can stand.
    last: usize,
    /// The first token behind the list.
    after: usize,
}

impl<'a> Rewriter<'a, '_, '_, '_> {
    pub(super) fn copied_in(
        &mut self,
        index: RelationIndex,
        after: usize,
        relation: &'a Relation,
        pairs: &[Pair<'a>],
    ) -> Done {
        let Some(listed) = self.listed(after, relation, self.width(index)) else { return Ok(()) };
        let changes = self.changes(&listed, pairs);
        if let (Some(change), Some(written)) = (changes.iter().find(|change| !change.instead), &listed.written) {
            let at = written.get(change.at).map_or(after, |target| target.at);
            let why = "COPY FROM writes both columns of a pair only if it lists both.";
            let hint = "Copy into a table of its own, and go on with INSERT ... SELECT.";
            return Err(self.not_twice(change, why, hint, &(at..at + 1)));
        }
        self.list(&listed, relation, &changes)
    }

    pub(super) fn inserted(
        &mut self,
        index: RelationIndex,
        after: usize,
        relation: &'a Relation,
        pairs: &[Pair<'a>],
    ) -> Done {
        let clauses = self.clauses();
        let after = if clauses.is(after, "as") { after + 2 } else { after };
        let Some(listed) = self.listed(after, relation, self.width(index)) else {
            return self.conflict(after, pairs);
        };
        let changes = self.changes(&listed, pairs);
        self.list(&listed, relation, &changes)?;
        self.rows(&listed, &changes)?;
        self.conflict(listed.after, pairs)
    }

    /// The INSERT and UPDATE clauses of MERGE.
    pub(super) fn merged(&mut self, after: usize, relation: &'a Relation, pairs: &[Pair<'a>]) -> Done {
        let clauses = self.clauses();
        let mut from = after;
        while let Some(then) = clauses.find(from, &["then"]) {
            from = then + 1;
            if clauses.is(from, "update") && clauses.is(from + 1, "set") {
                self.assigned(from + 2, pairs)?;
            } else if clauses.is(from, "insert") {
                let width = clauses.find(from, &["values"]).and_then(|values| {
                    let close = clauses.closing(values + 1)?;
                    Some(clauses.items(values + 2..close).len())
                });
                let Some(listed) = self.listed(from + 1, relation, width) else { continue };
                let changes = self.changes(&listed, pairs);
                self.list(&listed, relation, &changes)?;
                self.rows(&listed, &changes)?;
            }
        }
        Ok(())
    }

    /// How many values a row has where no columns are listed.
    fn width(&self, index: RelationIndex) -> Option<usize> {
        self.case.resolution.implicit_inserts.iter().find(|insert| insert.relation == index)?.width
    }

    /// The columns that get values; none for DEFAULT VALUES.
    fn listed(&self, after: usize, relation: &'a Relation, width: Option<usize>) -> Option<Listed<'a>> {
        let clauses = self.clauses();
        let has_list =
            clauses.is_symbol(after, "(") && !clauses.is_query(after + 1) && !clauses.is_symbol(after + 1, "(");
        if !has_list {
            let columns: Vec<&Column> = self.shown_columns(relation).take(width?).collect();
            let names = columns.iter().map(|column| &*column.name).collect();
            return Some(Listed { written: None, names, columns, last: after.checked_sub(1)?, after });
        }
        let close = clauses.closing(after)?;
        let written = clauses.targets(after, close)?;
        let columns: Vec<&Column> = written.iter().filter_map(|target| relation.column(target.name.as_str())).collect();
        // A name that is no column is the server's to complain of.
        let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
        let complete = names.len() == written.len();
        complete.then_some(Listed { written: Some(written), names, columns, last: close - 1, after: close + 1 })
    }

    fn changes(&self, listed: &Listed<'a>, pairs: &[Pair<'a>]) -> Vec<Change<'a>> {
        pairs.iter().filter_map(|pair| pair.change(&listed.names)).collect()
    }

    /// The list itself.
    fn list(&mut self, listed: &Listed<'a>, relation: &Relation, changes: &[Change<'a>]) -> Done {
        let added = changes.iter().filter(|change| !change.instead).map(|change| change.other_name().to_string());
        let Some(written) = &listed.written else {
            let hides = self.shown_columns(relation).count() < relation.columns.len();
            if changes.is_empty() && !hides {
                return Ok(());
            }
            let name = |(at, name): (usize, &&str)| {
                let instead = changes.iter().find(|change| change.instead && change.at == at);
                instead.map_or_else(|| Ident::quoted(name), Change::other_name).to_string()
            };
            let names: Vec<_> = listed.names.iter().enumerate().map(name).chain(added).collect();
            return self.insert_behind(listed.last, format!(" ({})", names.join(", ")));
        };
        for change in changes.iter().filter(|change| change.instead) {
            if let Some(target) = written.get(change.at) {
                self.rename(target.at, &change.other_name())?;
            }
        }
        let added: String = added.map(|name| format!(", {name}")).collect();
        if added.is_empty() { Ok(()) } else { self.insert_behind(listed.last, added) }
    }

    /// The values for the list.
    fn rows(&mut self, listed: &Listed<'a>, changes: &[Change<'a>]) -> Done {
        let part = |change: &&Change<'_>| {
            listed.written.as_ref().and_then(|written| written.get(change.at)).filter(|target| target.is_part)
        };
        if let Some((change, target)) = changes.iter().find_map(|change| Some((change, part(&change)?))) {
            return Err(self.of_a_part(change, target));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let clauses = self.clauses();
        let at = if clauses.is(listed.after, "overriding") { listed.after + 3 } else { listed.after };
        if let Some(rows) = self.value_rows(at) {
            return rows.iter().try_for_each(|row| self.row(row, changes));
        }
        if changes.iter().all(|change| change.instead) {
            return Ok(());
        }
        self.query(at, listed, changes)
    }

    /// The rows of VALUES; none for another query.
    fn value_rows(&self, at: usize) -> Option<Vec<Range<usize>>> {
        let clauses = self.clauses();
        let mut rows = Vec::new();
        let mut open = at + 1;
        while clauses.is(at, "values") && clauses.is_symbol(open, "(") {
            let close = clauses.closing(open)?;
            rows.push(open + 1..close);
            if !clauses.is_symbol(close + 1, ",") {
                // What else may follow a query would follow a VALUES that is one, too.
                let goes_on = ["union", "intersect", "except", "order", "limit", "offset", "fetch", "for"];
                return (!goes_on.iter().any(|word| clauses.is(close + 1, word))).then_some(rows);
            }
            open = close + 2;
        }
        None
    }

    fn row(&mut self, row: &Range<usize>, changes: &[Change<'a>]) -> Done {
        let clauses = self.clauses();
        let items = clauses.items(row.clone());
        for change in changes {
            let Some(item) = items.get(change.at) else { continue };
            let is_default = clauses.is_default(item);
            let (before, after) = if is_default { (String::new(), String::new()) } else { change.conversion() };
            if change.instead {
                self.surround(item, before, after)?;
            } else if self.is_steady(item) {
                self.copy_behind(row.end - 1, (&format!(", {before}"), &after), item)?;
            } else {
                let why =
                    "Its expression may have another value each time it is evaluated, and would be evaluated twice.";
                let hint = "Use INSERT ... SELECT, or compute the value first.";
                return Err(self.not_twice(change, why, hint, item));
            }
        }
        Ok(())
    }

    /// A query gives each value once; around it, the values of some columns are taken twice.
    fn query(&mut self, at: usize, listed: &Listed<'a>, changes: &[Change<'a>]) -> Done {
        let clauses = self.clauses();
        let stops = |at: usize| clauses.is(at, "returning") || clauses.is_conflict(at);
        let source = at..clauses.end(at, &stops);
        self.constants(&source, listed)?;
        let added: String = changes
            .iter()
            .filter(|change| !change.instead)
            .map(|change| {
                let (before, after) = change.conversion();
                format!(", {before}v.c{}{after}", change.at + 1)
            })
            .collect();
        let names: Vec<_> = (1..=listed.names.len()).map(|number| format!("c{number}")).collect();
        let (before, after) = (format!("SELECT v.*{added} FROM ("), format!(") AS v ({})", names.join(", ")));
        self.surround(&source, before, after)
    }

    /// Literals and parameters of a select list take the types of the columns that they are for; in a subquery they would
    /// be text.
    fn constants(&mut self, source: &Range<usize>, listed: &Listed<'a>) -> Done {
        let clauses = self.clauses();
        let mut select = source.start;
        while clauses.is_symbol(select, "(") {
            select += 1;
        }
        let Some(select) = clauses.find(select, &["select"]).filter(|at| *at < source.end) else { return Ok(()) };
        let combines = ["union", "intersect", "except"];
        let combined = clauses.end(select, &|at| combines.iter().any(|word| clauses.is(at, word)));
        if combines.iter().any(|word| clauses.is(combined, word)) {
            return Ok(());
        }
        let first = if clauses.is(select + 1, "all") { select + 2 } else { select + 1 };
        let ends = ["from", "where", "group", "having", "window", "order", "limit", "offset", "fetch", "for"];
        let end = clauses.end(first, &|at| at >= source.end || ends.iter().any(|word| self.ends_list(at, word)));
        for (at, item) in clauses.items(first..end).into_iter().enumerate() {
            if item.clone().next_back().is_some_and(|last| clauses.is_symbol(last, "*")) {
                return Ok(());
            }
            let value = self.without_alias(item);
            if let Some(column) = listed.columns.get(at).filter(|_| clauses.is_constant(&value)) {
                self.surround(&value, "CAST(".to_owned(), format!(" AS {})", plain_type(column)))?;
            }
        }
        Ok(())
    }

    fn ends_list(&self, at: usize, word: &str) -> bool {
        let clauses = self.clauses();
        clauses.is(at, word)
            && !(word == "from" && at.checked_sub(1).is_some_and(|before| clauses.is(before, "distinct")))
    }

    /// A constant of a select list without the name behind it.
    fn without_alias(&self, item: Range<usize>) -> Range<usize> {
        let named = item.len() > 1 && self.clauses().name(item.end - 1).is_some();
        if !named {
            return item;
        }
        let written =
            item.len() > 2 && self.tokens.get(item.end - 2).is_some_and(|token| token.is_word(self.text, "as"));
        item.start..item.end - if written { 2 } else { 1 }
    }

    /// ON CONFLICT behind the rows.
    fn conflict(&mut self, from: usize, pairs: &[Pair<'a>]) -> Done {
        let clauses = self.clauses();
        let on = clauses.end(from, &|at| clauses.is_conflict(at));
        if !clauses.is_conflict(on) {
            return Ok(());
        }
        // Rows that have the value in the new column only can be told apart by that one only.
        if let Some(names) = clauses.closing(on + 2).and_then(|close| clauses.targets(on + 2, close)) {
            for pair in pairs.iter().filter(|pair| pair.writes == RedirectedWrites::Replacement) {
                for target in names.iter().filter(|target| target.name.as_str() == &*pair.old.name) {
                    self.rename(target.at, &Ident::quoted(&pair.new.name))?;
                }
            }
        }
        match clauses.find(on, &["do", "update", "set"]) {
            Some(update) => self.assigned(update + 3, pairs),
            None => Ok(()),
        }
    }

    pub(super) fn of_a_part(&self, change: &Change<'_>, target: &Target) -> Objection {
        let why = "Only an element or a field of it gets a value.";
        let hint = "Give the whole column a value.";
        self.not_twice(change, why, hint, &(target.at..target.at + 1))
    }
}
