//! SET of UPDATE, of ON CONFLICT DO UPDATE and of MERGE.

use std::ops::Range;

use super::{Change, Pair, plain_type};
use crate::engine::objection::Objection;
use crate::engine::rewrite::{Done, Rewriter};
use crate::sql::clauses::{Assignment, Target};

/// One column of an assignment.
struct Assigned<'s> {
    assignment: &'s Assignment,
    target: &'s Target,
    /// Its place among the columns of the assignment.
    at: usize,
}

impl<'a> Rewriter<'a, '_, '_, '_> {
    /// The assignments that begin at this token.
    pub(super) fn assigned(&mut self, from: usize, pairs: &[Pair<'a>]) -> Done {
        let Some(assignments) = self.clauses().assignments(from) else {
            return Err(Objection::not_understood("an assignment of another form"));
        };
        let all: Vec<Assigned<'_>> = assignments
            .iter()
            .flat_map(|assignment| {
                let targets = assignment.names.iter().enumerate();
                targets.map(move |(at, target)| Assigned { assignment, target, at })
            })
            .collect();
        let names: Vec<&str> = all.iter().map(|assigned| assigned.target.name.as_str()).collect();
        let mut rows = Vec::new();
        for pair in pairs {
            let Some(change) = pair.change(&names) else { continue };
            let Some(assigned) = all.get(change.at) else { continue };
            if assigned.target.is_part && (!change.instead || change.named.ty.oid != change.other.ty.oid) {
                return Err(self.of_a_part(&change, assigned.target));
            }
            if change.instead {
                self.instead(&change, assigned)?;
            } else if assigned.assignment.multiple {
                rows.push((change, assigned));
            } else {
                self.twice(&change, assigned)?;
            }
        }
        for assignment in &assignments {
            let of_row: Vec<_> =
                rows.iter().filter(|(_, assigned)| std::ptr::eq(assigned.assignment, assignment)).collect();
            if !of_row.is_empty() {
                self.row_twice(assignment, &of_row)?;
            }
        }
        Ok(())
    }

    /// `SET old = value` becomes `SET new = value`.
    fn instead(&mut self, change: &Change<'a>, assigned: &Assigned<'_>) -> Done {
        self.rename(assigned.target.at, &change.other_name())?;
        let value = &assigned.assignment.value;
        if change.named.ty.oid == change.other.ty.oid {
            return Ok(());
        }
        let item = if assigned.assignment.multiple {
            self.clauses().row(value).and_then(|items| items.get(assigned.at).cloned())
        } else {
            Some(value.clone())
        };
        let Some(item) = item else {
            let why = "The columns are of different types, and the value comes out of a query for several columns.";
            return Err(self.not_twice(change, why, "Assign the columns one by one.", value));
        };
        if self.clauses().is_default(&item) {
            return Ok(());
        }
        let (before, after) = change.conversion();
        self.surround(&item, before, after)
    }

    /// `SET a = value` becomes `SET a = value, b = value`, or `SET (a, b) = (SELECT …)` where it must be evaluated once.
    fn twice(&mut self, change: &Change<'a>, assigned: &Assigned<'_>) -> Done {
        let (target, value) = (assigned.target, &assigned.assignment.value);
        let other = change.other_name();
        if self.clauses().is_default(value) {
            return self.insert_behind(value.end - 1, format!(", {other} = DEFAULT"));
        }
        let (before, after) = change.conversion();
        if self.is_steady(value) && !self.clauses().has_query(value) {
            return self.copy_behind(value.end - 1, (&format!(", {other} = {before}"), &after), value);
        }
        let Some(name) = self.clauses().name(target.at) else { return Ok(()) };
        self.rename_to(target.at, format!("({name}, {other})"))?;
        let cast = if self.clauses().is_constant(value) {
            ("CAST(".to_owned(), format!(" AS {})", plain_type(change.named)))
        } else {
            (String::new(), String::new())
        };
        let head = format!("(SELECT v.c1, {before}v.c1{after} FROM (SELECT {}", cast.0);
        self.surround(value, head, format!("{} AS c1) AS v)", cast.1))
    }

    /// `SET (a, c) = (x, y)` becomes `SET (a, c, b) = (x, y, x)`.
    fn row_twice(&mut self, assignment: &Assignment, changes: &[&(Change<'a>, &Assigned<'_>)]) -> Done {
        let clauses = self.clauses();
        let Some(last) = assignment.names.last() else { return Ok(()) };
        let close = clauses.end(last.at, &|_| false);
        let added: String = changes.iter().map(|(change, _)| format!(", {}", change.other_name())).collect();
        self.insert_behind(close - 1, added)?;
        let value = &assignment.value;
        if let Some(items) = clauses.row(value) {
            return changes.iter().try_for_each(|(change, assigned)| match items.get(assigned.at) {
                Some(item) => self.item_twice(change, item, value.end - 2),
                None => Ok(()),
            });
        }
        let query = match clauses.closing(value.start) {
            Some(close) if close + 1 == value.end && clauses.is_query(value.start + 1) => value.start + 1..close,
            _ => {
                let (change, why) = (changes.first(), "The row that is assigned is neither a list nor a query.");
                return match change {
                    Some((change, _)) => Err(self.not_twice(change, why, "Assign the columns one by one.", value)),
                    None => Ok(()),
                };
            }
        };
        let again: String = changes
            .iter()
            .map(|(change, assigned)| {
                let (before, after) = change.conversion();
                format!(", {before}v.c{}{after}", assigned.at + 1)
            })
            .collect();
        let names: Vec<_> = (1..=assignment.names.len()).map(|number| format!("c{number}")).collect();
        self.surround(&query, format!("SELECT v.*{again} FROM ("), format!(") AS v ({})", names.join(", ")))
    }

    fn item_twice(&mut self, change: &Change<'a>, item: &Range<usize>, last: usize) -> Done {
        let is_default = self.clauses().is_default(item);
        if !is_default && !self.is_steady(item) {
            let why = "Its expression may have another value each time it is evaluated, and would be evaluated twice.";
            return Err(self.not_twice(change, why, "Assign the columns one by one.", item));
        }
        let (before, after) = if is_default { (String::new(), String::new()) } else { change.conversion() };
        self.copy_behind(last, (&format!(", {before}"), &after), item)
    }

    fn rename_to(&mut self, at: usize, text: String) -> Done {
        match self.clauses().span(&(at..at + 1)) {
            Some(span) => self.replace(span, text, crate::sql::splice::Generated::Plain),
            None => Ok(()),
        }
    }
}
