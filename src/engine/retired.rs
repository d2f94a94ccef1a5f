//! Columns on their way out whose place something else takes: dropped in all but name, or redirected to another column.

use std::collections::BTreeSet;

use super::decide::{Case, Decision, decide, is_hidden};
use super::judge::Text;
use super::kind;
use super::lookups::Lookups;
use super::objection::Objection;
use crate::model::catalog::{Catalog, Column, ColumnId, Relation, SearchPath};
use crate::model::ident::Ident;
use crate::model::lifecycle::{Conduct, Redirect, RedirectedWrites};
use crate::policy::view::{RelationRules, SubjectView};
use crate::sql::access::{RelationIndex, RelationRef, Resolution, Role};
use crate::sql::lexer::{self, Token};
use crate::sql::second_opinion::{NamedRelation, OutlineStatement};
use crate::sql::tree::{Name, Path, Span};

/// Whether a column counts as dropped.
pub(super) fn is_gone(view: &SubjectView, column: ColumnId) -> bool {
    view.rule(column).is_some_and(is_hidden)
}

/// How statements that name a column reach another one.
pub(super) fn redirect(view: &SubjectView, relation: &Relation, column: &Column) -> Option<Redirect> {
    let id = ColumnId { relation: relation.oid, attnum: column.attnum };
    let lifecycle = view.rule(id)?.lifecycle.as_ref()?;
    let redirect = lifecycle.redirect.as_ref().filter(|_| lifecycle.conduct < Conduct::Gone)?;
    // Without the other column there is nowhere to go.
    relation.column(&redirect.to).map(|_| redirect.clone())
}

/// The column whose value a read of this one gives, if that is another.
pub(super) fn read_from<'r>(view: &SubjectView, relation: &'r Relation, column: &Column) -> Option<&'r Column> {
    let redirect = redirect(view, relation, column).filter(|redirect| redirect.reads)?;
    relation.column(&redirect.to)
}

/// The pairs of a relation whose writes do not go where the statement says: the old column and the new one.
pub(super) fn redirected_writes<'r>(
    view: &SubjectView,
    relation: &'r Relation,
) -> Vec<(&'r Column, &'r Column, RedirectedWrites)> {
    if !view.relations.contains_key(&relation.oid) {
        return Vec::new();
    }
    let pair = |old: &'r Column| {
        let redirect = redirect(view, relation, old).filter(|redirect| redirect.writes != RedirectedWrites::AsNamed)?;
        Some((old, relation.column(&redirect.to)?, redirect.writes))
    };
    relation.columns.iter().filter_map(pair).collect()
}

/// The columns that get the value written to one.
pub(super) fn written_with<'r>(view: &SubjectView, relation: &'r Relation, column: &Column) -> Vec<&'r Column> {
    let other = |(old, new, writes): (&'r Column, &'r Column, RedirectedWrites)| {
        let both = writes == RedirectedWrites::Both;
        match column.attnum {
            named if named == old.attnum => Some(new),
            named if named == new.attnum && both => Some(old),
            _ => None,
        }
    };
    redirected_writes(view, relation).into_iter().filter_map(other).collect()
}

/// The relations in FROM, by where they stand, that must be replaced by a projection.
pub(super) fn wrapped(
    catalog: &Catalog,
    view: &SubjectView,
    resolution: &Resolution,
    (text, tokens): (&str, &[Token]),
) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for (index, mention) in resolution.relations.iter().enumerate() {
        let Some((relation, rules)) = mention.relation.and_then(|oid| {
            let relation = catalog.relation(oid)?;
            Some((relation, view.relations.get(&oid)?))
        }) else {
            continue;
        };
        if mention.role != Role::Source {
            continue;
        }
        let use_of = Use { view, resolution, index: RelationIndex(index), mention, relation, rules };
        let is_wrapped = view.governed && rules.protects() || use_of.meets_gone(text, tokens) || use_of.is_redirected();
        if is_wrapped {
            found.insert(mention.path.span().start);
        }
    }
    found
}

/// One mention of a relation with rules.
struct Use<'a> {
    view: &'a SubjectView,
    resolution: &'a Resolution,
    index: RelationIndex,
    mention: &'a RelationRef,
    relation: &'a Relation,
    rules: &'a RelationRules,
}

impl Use<'_> {
    /// Whether the server could meet a column that counts as dropped where the statement after the drop would not. Stars are
    /// not counted where they can be written out.
    fn meets_gone(&self, text: &str, tokens: &[Token]) -> bool {
        let is_gone = |column: &&Column| self.rules.columns.get(&column.attnum).is_some_and(is_hidden);
        let gone: Vec<&Column> = self.relation.columns.iter().filter(is_gone).collect();
        if gone.is_empty() {
            return false;
        }
        let names = |token: &Token| {
            let name = lexer::ident(text, token);
            name.is_some_and(|name| gone.iter().any(|column| &*column.name == name.as_str()))
                || token.kind == lexer::TokenKind::UnicodeIdent
        };
        self.view.governed
            || !self.mention.alias_columns.is_empty()
            || self.is_whole_row()
            || self.resolution.stars.iter().any(|star| star.columns.is_none() && star.relations.contains(&self.index))
            || tokens.iter().any(|token| names(token) || token.is_word(text, "natural"))
    }

    fn is_whole_row(&self) -> bool {
        self.resolution.whole_rows.iter().any(|row| row.via == self.index)
    }

    /// Whether the statement reads a column that another one stands in for.
    fn is_redirected(&self) -> bool {
        let everything =
            self.is_whole_row() || self.resolution.stars.iter().any(|star| star.relations.contains(&self.index));
        let reads = |column: &&Column| {
            everything
                || self.resolution.columns.iter().any(|found| {
                    found.via == self.index && found.column.attnum == column.attnum && !found.clause.is_write()
                })
        };
        let columns = self.relation.columns.iter().filter(reads);
        columns.filter_map(|column| read_from(self.view, self.relation, column)).next().is_some()
    }
}

/// What the retirement of tables means for a statement that is no query; none where it does not matter.
pub(super) fn tables(text: &Text<'_>, outline: &OutlineStatement) -> Option<Decision> {
    let catalog = text.catalog.filter(|_| kind::needs_tables(&outline.kind))?;
    let fallback = SearchPath::default();
    let path = text.facts.search_path.unwrap_or(&fallback);
    let mention = |named: &NamedRelation| {
        let relation = catalog.named(path, named.schema.as_deref(), &named.name);
        let name = |name: &String| {
            let span = Span { start: named.start, end: named.start };
            Name { ident: Ident::quoted(name), span }
        };
        let path = Path { qualifier: named.schema.iter().map(name).collect(), last: name(&named.name) };
        RelationRef::named(relation.map(|relation| relation.oid), path)
    };
    let relations = outline.relations.iter().map(mention).collect();
    let resolution = Resolution { relations, ..Resolution::default() };
    let (lookups, wrapped) = (Lookups::default(), BTreeSet::new());
    let decision = decide(&Case::of(catalog, text.facts, &resolution, &lookups, &wrapped));
    // The server does not say where.
    Some(Decision { objection: decision.objection.map(Objection::without_place), ..decision })
}
