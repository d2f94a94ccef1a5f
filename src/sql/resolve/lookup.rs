//! What a name means at one place.

use super::{Place, Resolver, UNNAMED, Value, visible_relations};
use crate::model::catalog::ColumnId;
use crate::model::ident::Ident;
use crate::sql::access::{BareName, ColumnRef, RelationIndex, Role, Unresolved, WholeRowRef};
use crate::sql::scope::{self, Chain, Columns, RangeItem, Scope};
use crate::sql::tree::{Name, Path};

/// The columns that every table has and no list shows.
const SYSTEM_COLUMNS: &[&str] = &["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

enum Found {
    Column {
        places: Vec<(Option<RelationIndex>, Option<ColumnId>)>,
        value: Value,
        /// The entry, where it is one and has a name.
        of: Option<Name>,
    },
    System {
        relation: Option<RelationIndex>,
    },
    WholeRow {
        relation: Option<RelationIndex>,
        sources: Vec<ColumnId>,
    },
    /// Some entry whose columns cannot be known may have it.
    Open {
        sources: Vec<ColumnId>,
        outer: Option<Box<Found>>,
    },
    Ambiguous,
    Missing {
        of: Option<RelationIndex>,
    },
}

impl Resolver<'_> {
    /// Notes a name without a qualifier that means no column of a relation that is written to.
    fn note_bare(&mut self, path: &Path, places: &[(Option<RelationIndex>, Option<ColumnId>)], of: Option<Name>) {
        let role = |index: &RelationIndex| self.out.relations.get(index.0).map(|mention| mention.role);
        let target = places.iter().filter_map(|(relation, _)| relation.as_ref()).filter_map(role).any(Role::is_target);
        if let Some(of) = of.filter(|_| path.qualifier.is_empty() && !target) {
            self.out.bare.push(BareName { name: path.last.clone(), of });
        }
    }

    /// Resolves a name that stands for a value, and notes what it refers to.
    pub(super) fn column(&mut self, path: &Path, chain: Option<&Chain<'_>>, place: Place) -> Value {
        self.out.column_starts.push(path.span().start);
        let found = look_up(path, chain);
        let mut value = self.note(path, found, chain, place, None);
        value.name = Some(path.last.ident.clone());
        value
    }

    /// Resolves `(name).field` where the name is a relation: only that field is read.
    pub(super) fn field_of_row(&mut self, path: &Path, field: &Name, chain: Option<&Chain<'_>>, place: Place) -> Value {
        self.out.column_starts.push(path.span().start);
        let found = look_up(path, chain);
        let mut value = self.note(path, found, chain, place, Some(field));
        value.identity = None;
        value.name = Some(field.ident.clone());
        value
    }

    /// Whether a name means a row of a relation that has that column.
    pub(super) fn row_has(&self, row: &Path, column: &str, chain: Option<&Chain<'_>>) -> bool {
        let Found::WholeRow { relation: Some(via), .. } = look_up(row, chain) else { return false };
        let relation = self.out.relations.get(via.0).and_then(|mention| mention.relation);
        relation.is_some_and(|oid| self.known_column(oid, column).is_some())
    }

    fn note(
        &mut self,
        path: &Path,
        found: Found,
        chain: Option<&Chain<'_>>,
        place: Place,
        field: Option<&Name>,
    ) -> Value {
        match found {
            Found::Column { places, value, of } => {
                self.note_bare(path, &places, of);
                for (relation, id) in places {
                    if let (Some(via), Some(column)) = (relation, id) {
                        let names_output = place.names_output && field.is_none();
                        let path = path.clone();
                        let clause = place.clause;
                        self.out.columns.push(ColumnRef { column, via, path, clause, names_output, is_value: true });
                    }
                }
                value
            }
            Found::System { relation } => {
                if let Some(mention) = relation.and_then(|index| self.out.relations.get_mut(index.0)) {
                    mention.system_columns.push(path.last.clone());
                }
                Value::default()
            }
            Found::WholeRow { relation, sources } => {
                if let Some(via) = relation {
                    self.out.whole_rows.push(WholeRowRef {
                        via,
                        path: path.clone(),
                        clause: place.clause,
                        names_output: place.names_output && field.is_none(),
                        field: field.cloned(),
                    });
                }
                Value { sources, ..Value::default() }
            }
            Found::Open { mut sources, outer } => {
                if let Some(outer) = outer {
                    sources.extend(self.note(path, *outer, chain, place, field).sources);
                }
                Value { sources, ..Value::default() }
            }
            Found::Ambiguous => {
                self.out.ambiguous.push(path.last.clone());
                Value::default()
            }
            Found::Missing { of } => {
                let visible = visible_relations(chain);
                self.out.unresolved.push(Unresolved { path: path.clone(), of, visible, clause: place.clause });
                Value::default()
            }
        }
    }
}

fn look_up(path: &Path, chain: Option<&Chain<'_>>) -> Found {
    match path.qualifier.as_slice() {
        [] => unqualified(&path.last.ident, chain),
        [.., last] => {
            let schema = path.qualifier.len().checked_sub(2).and_then(|at| path.qualifier.get(at));
            qualified(schema.map(|name| &name.ident), &last.ident, &path.last.ident, chain)
        }
    }
}

fn unqualified(name: &Ident, chain: Option<&Chain<'_>>) -> Found {
    match column_of_levels(name, chain) {
        Found::Missing { .. } => whole_row(name, chain),
        found => found,
    }
}

/// A column of this level, or of the next one out that has it.
fn column_of_levels(name: &Ident, chain: Option<&Chain<'_>>) -> Found {
    let Some(Chain { scope, outer }) = chain else {
        return Found::Missing { of: None };
    };
    let mut matches = scope.columns.iter().filter(|column| column.name == *name);
    match (matches.next(), matches.next()) {
        (Some(column), None) => found_column(scope, &column.places),
        (Some(_), Some(_)) => Found::Ambiguous,
        (None, _) => {
            let table = scope.items.iter().find(|item| item.relation.is_some());
            if let Some(item) = table.filter(|_| SYSTEM_COLUMNS.contains(&name.as_str())) {
                return Found::System { relation: item.relation };
            }
            let sources = unknown_sources(scope.items.iter());
            match sources {
                None => column_of_levels(name, *outer),
                Some(sources) => {
                    // A row of this level comes before one further out, and behind all columns.
                    let elsewhere = match column_of_levels(name, *outer) {
                        Found::Missing { .. } => whole_row(name, chain),
                        found => found,
                    };
                    let outer = match elsewhere {
                        Found::Missing { .. } | Found::Ambiguous => None,
                        found => Some(Box::new(found)),
                    };
                    Found::Open { sources, outer }
                }
            }
        }
    }
}

/// What a name may depend on that only an entry with unknown columns, or an unnamed column, can explain; none without such.
fn unknown_sources<'a>(items: impl Iterator<Item = &'a RangeItem>) -> Option<Vec<ColumnId>> {
    let mut any = false;
    let mut all = Vec::new();
    for item in items {
        if let Columns::Open { sources, .. } = &item.columns {
            any = true;
            all.extend(sources.iter().copied());
        }
        for column in item.columns.known().iter().filter(|column| column.name.as_str() == UNNAMED) {
            any = true;
            all.extend(column.sources.iter().copied());
        }
    }
    any.then_some(all)
}

fn found_column(scope: &Scope, places: &[scope::Place]) -> Found {
    let mut value = Value::default();
    let mut found = Vec::new();
    let mut of = None;
    for place in places {
        if let (Some(item), Some(column)) = (scope.items.get(place.item), scope.column(*place)) {
            of = item.name.clone().filter(|_| places.len() == 1);
            found.push((item.relation, column.id));
            value.sources.extend(column.sources.iter().copied());
            value.identity = if places.len() == 1 { column.identity } else { None };
        }
    }
    Found::Column { places: found, value, of }
}

fn whole_row(name: &Ident, chain: Option<&Chain<'_>>) -> Found {
    let mut level = chain;
    while let Some(Chain { scope, outer }) = level {
        if let Some((_, item)) = scope.item(name) {
            return row_of(item);
        }
        level = *outer;
    }
    Found::Missing { of: None }
}

fn row_of(item: &RangeItem) -> Found {
    let mut sources: Vec<_> = item.columns.known().iter().flat_map(|column| column.sources.iter().copied()).collect();
    sources.extend(unknown_sources(std::iter::once(item)).unwrap_or_default());
    Found::WholeRow { relation: item.relation, sources }
}

fn qualified(schema: Option<&Ident>, qualifier: &Ident, name: &Ident, chain: Option<&Chain<'_>>) -> Found {
    let mut level = chain;
    while let Some(Chain { scope, outer }) = level {
        let item = scope.item(qualifier).filter(|(_, item)| schema.is_none() || item.schema.as_ref() == schema);
        if let Some((index, item)) = item {
            return column_of_item(scope, index, item, name);
        }
        level = *outer;
    }
    Found::Missing { of: None }
}

fn column_of_item(scope: &Scope, index: usize, item: &RangeItem, name: &Ident) -> Found {
    let known = item.columns.known();
    let mut matches = known.iter().enumerate().filter(|(_, column)| column.name == *name);
    match (matches.next(), matches.next()) {
        (Some((column, _)), None) => found_column(scope, &[scope::Place { item: index, column }]),
        (Some(_), Some(_)) => Found::Ambiguous,
        (None, _) if item.relation.is_some() && SYSTEM_COLUMNS.contains(&name.as_str()) => {
            Found::System { relation: item.relation }
        }
        (None, _) => match unknown_sources(std::iter::once(item)) {
            Some(sources) => Found::Open { sources, outer: None },
            None => Found::Missing { of: item.relation },
        },
    }
}

/// The entry that `qualifier.*` names.
pub(super) fn star_item<'a>(path: &Path, chain: &Chain<'a>) -> Option<(&'a Scope, usize)> {
    let mut level = Some(*chain);
    while let Some(Chain { scope, outer }) = level {
        let schema = path.qualifier.last().map(|name| &name.ident);
        let found = scope.item(&path.last.ident).filter(|(_, item)| schema.is_none() || item.schema.as_ref() == schema);
        if let Some((index, _)) = found {
            return Some((scope, index));
        }
        level = outer.copied();
    }
    None
}
