//! Raw columns: where a policy lets conditions look up a masked column by equality, the projection that stands for the
//! relation carries the column itself under a reserved name as well. This holds that nothing reaches it but such a
//! comparison: no other reference by name, no star, no whole row, no list of names behind an alias.

use std::collections::BTreeSet;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{Alias, RangeSubselect, ResTarget, SelectStmt};

use super::admission::{Objection, ObjectionKind};
use super::offset;

/// How the names of raw columns begin; the client's own text may hold no such name beside them.
pub const RAW_COLUMN: &str = "pgcovenant_raw_";

/// Whether a name is that of a raw column.
pub(super) fn is_raw(name: &str) -> bool {
    name.starts_with(RAW_COLUMN)
}

/// A sub-query in FROM that carries raw columns.
struct Carrier {
    /// Its alias.
    name: String,
    /// The columns that may be named freely.
    columns: Vec<String>,
}

/// The carriers in one FROM list.
#[derive(Default)]
struct Level {
    carriers: Vec<Carrier>,
    /// A join there has an alias, behind which columns are counted.
    aliased_join: bool,
}

/// The raw columns of a statement, as far as the walk has come.
#[derive(Default)]
pub(super) struct RawColumns {
    /// The queries and changes that the walk is in.
    levels: Vec<Level>,
    /// Where a raw column stands in a comparison that may look at it.
    sanctioned: BTreeSet<u32>,
}

impl RawColumns {
    pub(super) fn enter(&mut self) {
        self.levels.push(Level::default());
    }

    pub(super) fn leave(&mut self) {
        self.levels.pop();
    }

    pub(super) fn sanction(&mut self, place: u32) {
        self.sanctioned.insert(place);
    }

    pub(super) fn is_sanctioned(&self, place: Option<u32>) -> bool {
        place.is_some_and(|place| self.sanctioned.contains(&place))
    }

    /// A join under an alias counts the columns of what it joins, raw ones included.
    pub(super) fn aliased_join(&mut self) -> Result<(), Objection> {
        match self.levels.last_mut() {
            Some(level) if level.carriers.is_empty() => {
                level.aliased_join = true;
                Ok(())
            }
            Some(_) | None => Err(unknown("join under an alias")),
        }
    }

    /// Notes a sub-query that carries raw columns; they are its last ones, and no alias renames them.
    pub(super) fn subselect(&mut self, subselect: &RangeSubselect) -> Result<(), Objection> {
        let Node::SelectStmt(select) = subselect.subquery() else { return Ok(()) };
        let names: Vec<&str> = targets(select).map(output_name).collect();
        let Some(first_raw) = names.iter().position(|name| is_raw(name)) else { return Ok(()) };
        let Some((open, raw)) = names.split_at_checked(first_raw) else { return Ok(()) };
        let Some(alias) = subselect.alias() else { return Err(unknown("raw column without an alias")) };
        let renamed: Vec<&str> = alias.colnames().iter().filter_map(|name| name.as_str()).collect();
        let Some(level) = self.levels.last_mut().filter(|level| !level.aliased_join) else {
            return Err(unknown("join under an alias"));
        };
        if !raw.iter().all(|name| is_raw(name)) || renamed.len() > open.len() {
            return Err(unknown("list of columns behind an alias"));
        }
        let kept = open.iter().skip(renamed.len());
        level.carriers.push(Carrier {
            name: Alias::aliasname(alias).unwrap_or_default().to_owned(),
            columns: renamed.iter().chain(kept).map(|name| (*name).to_owned()).collect(),
        });
        Ok(())
    }

    /// Whether a star may show a raw column: a bare one that of its own FROM list.
    pub(super) fn starred(&self, qualifier: &[&str]) -> bool {
        match qualifier {
            [] => self.levels.last().is_some_and(|level| !level.carriers.is_empty()),
            [.., row] => self.carriers().any(|carrier| carrier.name == *row),
        }
    }

    /// Whether a name may reach a raw column other than by that column's own: as the whole row, or as a function that is
    /// called on it behind a point.
    pub(super) fn named(&self, fields: &[&str]) -> bool {
        match fields {
            [] => false,
            [row] => self.carriers().any(|carrier| carrier.name == *row),
            [.., row, column] => self
                .carriers()
                .any(|carrier| carrier.name == *row && !carrier.columns.iter().any(|known| known == column)),
        }
    }

    fn carriers(&self) -> impl Iterator<Item = &Carrier> {
        self.levels.iter().flat_map(|level| &level.carriers)
    }
}

fn targets(select: &SelectStmt) -> impl Iterator<Item = &ResTarget> {
    select.target_list().iter()
}

/// The name of an output column; empty for an expression without one, which nobody can name.
fn output_name(target: &ResTarget) -> &str {
    if let Some(name) = target.name() {
        return name;
    }
    match target.val() {
        Node::ColumnRef(column) => {
            column.fields().iter().next_back().and_then(|name| name.as_str()).unwrap_or_default()
        }
        _ => "",
    }
}

fn unknown(what: &str) -> Objection {
    Objection { kind: ObjectionKind::Construct, name: what.to_owned(), position: None }
}

/// A raw column where nothing sanctions it.
pub(super) fn unsanctioned(name: &str, location: i32) -> Objection {
    Objection { kind: ObjectionKind::ProtectedColumn, name: name.to_owned(), position: offset(location) }
}
