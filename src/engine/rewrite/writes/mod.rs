//! Values that are written: columns that count as dropped get none, and those of a redirected pair go to the new column or to
//! both.
//!
//! A statement that names both columns of a pair knows what it does, and is left as it is.

mod insert;
mod set;

use std::ops::Range;

use super::{Done, Rewriter, misfit};
use crate::engine::objection::Objection;
use crate::engine::refusal::SqlState;
use crate::engine::retired;
use crate::model::catalog::{Column, Relation, RelationKind};
use crate::model::ident::{Ident, display_name};
use crate::model::lifecycle::RedirectedWrites;
use crate::sql::access::{RelationIndex, RelationRef, Role};
use crate::sql::clauses::Clauses;
use crate::sql::functions;
use crate::sql::splice::Generated;
use crate::sql::tree::{Path, Span, Verb};

/// An old column and the one in its place.
#[derive(Clone, Copy)]
pub(super) struct Pair<'r> {
    old: &'r Column,
    new: &'r Column,
    writes: RedirectedWrites,
}

impl<'r> Pair<'r> {
    /// What happens to a list of columns that get values.
    fn change(&self, names: &[&str]) -> Option<Change<'r>> {
        let place = |column: &Column| names.iter().position(|name| *name == &*column.name);
        match (place(self.old), place(self.new), self.writes) {
            (Some(_), Some(_), _) | (None, None, _) | (_, _, RedirectedWrites::AsNamed) => None,
            (Some(at), None, RedirectedWrites::Replacement) => {
                Some(Change { at, named: self.old, other: self.new, instead: true })
            }
            (None, Some(_), RedirectedWrites::Replacement) => None,
            (Some(at), None, RedirectedWrites::Both) => {
                Some(Change { at, named: self.old, other: self.new, instead: false })
            }
            (None, Some(at), RedirectedWrites::Both) => {
                Some(Change { at, named: self.new, other: self.old, instead: false })
            }
        }
    }
}

/// What happens to one column of a list.
#[derive(Clone, Copy)]
pub(super) struct Change<'r> {
    /// Its place in the list.
    at: usize,
    named: &'r Column,
    /// The column that gets the value, too, or instead.
    other: &'r Column,
    instead: bool,
}

impl Change<'_> {
    /// What stands around a value of the one column to make it one of the other.
    fn conversion(&self) -> (String, String) {
        if self.named.ty.oid == self.other.ty.oid {
            return (String::new(), String::new());
        }
        let types = (plain_type(self.named), plain_type(self.other));
        ("CAST(CAST(".to_owned(), format!(" AS {}) AS {})", types.0, types.1))
    }

    fn other_name(&self) -> Ident {
        Ident::quoted(&self.other.name)
    }
}

/// The type of a column without a length: an explicit cast would cut to it, where an assignment complains.
fn plain_type(column: &Column) -> String {
    let sql = &*column.ty.sql;
    let plain = match sql.split_once('(').and_then(|(before, rest)| Some((before, rest.split_once(')')?.1))) {
        Some((before, after)) if !before.contains('"') => format!("{before}{after}"),
        _ => sql.to_owned(),
    };
    match plain.as_str() {
        // As words of SQL these have the length one.
        "character" => "pg_catalog.bpchar".to_owned(),
        "bit" => "pg_catalog.\"bit\"".to_owned(),
        _ => plain,
    }
}

impl<'a> Rewriter<'a, '_, '_, '_> {
    /// Adds what the written columns of a statement need.
    pub(super) fn written(&mut self) -> Done {
        let mentions: &'a [RelationRef] = &self.case.resolution.relations;
        for (index, mention) in mentions.iter().enumerate() {
            let written = mention.role.is_target() || mention.role == Role::CopyFrom;
            let Some(relation) = self.case.relation(mention).filter(|_| written) else { continue };
            let pairs: Vec<_> = retired::redirected_writes(self.case.view, relation)
                .into_iter()
                .map(|(old, new, writes)| Pair { old, new, writes })
                .collect();
            let hides = self.shown_columns(relation).count() < relation.columns.len();
            if !pairs.is_empty() || hides {
                self.written_to((RelationIndex(index), mention), relation, &pairs)?;
            }
        }
        Ok(())
    }

    fn written_to(
        &mut self,
        (index, mention): (RelationIndex, &'a RelationRef),
        relation: &'a Relation,
        pairs: &[Pair<'a>],
    ) -> Done {
        let clauses = self.clauses();
        let mut after = clauses.from(mention.path.last.span.end);
        // ONLY (table)
        if mention.role.is_target() && clauses.is_symbol(after, ")") {
            after += 1;
        }
        match mention.role {
            Role::CopyFrom => self.copied_in(index, after, relation, pairs),
            Role::Target(Verb::Insert) => self.inserted(index, after, relation, pairs),
            Role::Target(Verb::Update) => match clauses.find(after, &["set"]) {
                Some(set) => self.assigned(set + 1, pairs),
                None => Ok(()),
            },
            Role::Target(Verb::Merge) => self.merged(after, relation, pairs),
            Role::Target(Verb::Delete) | Role::Source | Role::CopyTo => Ok(()),
        }
    }

    fn clauses(&self) -> Clauses<'a>
    where
        Self: 'a,
    {
        Clauses::new(self.text, self.tokens)
    }

    /// Whether an expression has the same value however often it is evaluated within the statement.
    fn is_steady(&self, item: &Range<usize>) -> bool {
        let Some(span) = self.clauses().span(item) else { return false };
        let catalog = self.case.catalog;
        let within = |path: &Path| {
            let place = path.span();
            place == Span::default() || (span.start <= place.start && place.end <= span.end)
        };
        let steady = |path: &Path| match path.qualifier.as_slice() {
            [] => {
                let name = path.last.as_str();
                functions::is_steady(name) && !catalog.functions.iter().any(|function| &*function.name == name)
            }
            [schema] => schema.as_str() == "pg_catalog" && functions::is_steady(path.last.as_str()),
            _ => false,
        };
        let stored = |mention: &RelationRef| {
            self.case
                .relation(mention)
                .is_some_and(|relation| matches!(relation.kind, RelationKind::Table | RelationKind::Partitioned))
        };
        let tokens = self.tokens.get(item.clone()).unwrap_or_default();
        let own = |text: &str| catalog.operators.iter().any(|operator| &*operator.name == text);
        self.case.resolution.functions.iter().filter(|path| within(path)).all(steady)
            && self.case.resolution.relations.iter().filter(|mention| within(&mention.path)).all(stored)
            && !tokens.iter().any(|token| token.kind.is_symbol() && own(token.text(self.text)))
    }

    fn rename(&mut self, at: usize, name: &Ident) -> Done {
        match self.clauses().span(&(at..at + 1)) {
            Some(span) => self.replace(span, name.to_string(), Generated::Plain),
            None => Ok(()),
        }
    }

    fn insert_behind(&mut self, at: usize, text: String) -> Done {
        match self.tokens.get(at) {
            Some(token) => self.splicer.insert_after(token.end, text).map_err(misfit),
            None => Ok(()),
        }
    }

    /// Puts something before and behind some tokens.
    fn surround(&mut self, item: &Range<usize>, before: String, after: String) -> Done {
        let Some(span) = self.clauses().span(item).filter(|_| !before.is_empty() || !after.is_empty()) else {
            return Ok(());
        };
        self.splicer.insert_before(span.start, before).map_err(misfit)?;
        self.splicer.insert_after(span.end, after).map_err(misfit)
    }

    /// Writes a value once more behind a token.
    fn copy_behind(&mut self, at: usize, (before, after): (&str, &str), item: &Range<usize>) -> Done {
        let (Some(token), Some(piece)) = (self.tokens.get(at), self.clauses().span(item)) else { return Ok(()) };
        self.splicer.insert_copy(token.end, before, piece, after).map_err(misfit)
    }

    /// A value that should be written twice cannot be.
    fn not_twice(&self, change: &Change<'_>, why: &str, hint: &str, item: &Range<usize>) -> Objection {
        let (named, other) = (display_name(&change.named.name), display_name(&change.other.name));
        let message = if change.instead {
            format!("the value of column {named} cannot be written to column {other}")
        } else {
            format!("the value of column {named} cannot be written to column {other} as well")
        };
        let objection = Objection::new(SqlState::FeatureNotSupported, message).detail(why).hint(hint);
        match self.clauses().span(item) {
            Some(span) => objection.at(span.start),
            None => objection,
        }
    }
}
