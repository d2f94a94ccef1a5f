//! Look-ups: comparisons for equality that a policy lets see a masked column itself.
//!
//! The projection that stands for a relation carries such a column once more, raw and under a reserved name, and the
//! comparison names that one. The reserved name is written nowhere else: stars become lists, whole rows are put together
//! anew, and a statement that holds a name of that form is refused. The check of the final text holds all of it again
//! on PostgreSQL's own tree. In the target of a change the column simply stays where it is.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{Case, is_omitted};
use super::objection::Objection;
use super::refusal::SqlState;

use crate::model::catalog::{Catalog, Relation};
use crate::model::ident::{Ident, display_name};
use crate::policy::trusted;
use crate::policy::view::{Effect, Predicates, SubjectView};
use crate::sql::access::{ColumnRef, RelationIndex, RelationRef, Resolution, Role};
use crate::sql::lexer::{self, Token};
use crate::sql::second_opinion::{Lookup, OutlineStatement, RAW_COLUMN};

/// The look-ups of one statement.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    /// Where a compared column stands.
    places: BTreeSet<u32>,
    /// The columns that the projection of a relation carries raw.
    carried: BTreeMap<RelationIndex, BTreeSet<i16>>,
}

impl Lookups {
    /// The comparisons of a statement that the rules open.
    pub(super) fn of(
        catalog: &Catalog,
        view: &SubjectView,
        resolution: &Resolution,
        outline: &OutlineStatement,
    ) -> Self {
        let mut found = Self::default();
        if !view.governed {
            return found;
        }
        let finder = Finder { catalog, view, resolution, outline };
        for lookup in &outline.lookups {
            let Some(reference) = finder.reference(lookup) else { continue };
            found.places.insert(lookup.column);
            let role = resolution.relations.get(reference.via.0).map(|mention| mention.role);
            if role == Some(Role::Source) {
                found.carried.entry(reference.via).or_default().insert(reference.column.attnum);
            }
        }
        found
    }

    /// Whether a reference sees the column itself.
    pub(super) fn is_raw(&self, reference: &ColumnRef) -> bool {
        reference.is_value && self.places.contains(&reference.path.span().start)
    }

    /// Whether the projection of a relation has columns that no star may show.
    pub(super) fn carries(&self, mention: RelationIndex) -> bool {
        self.carried.contains_key(&mention)
    }

    /// The entries that the projection of a relation has beside those that may be seen.
    pub(super) fn entries(&self, mention: RelationIndex, relation: &Relation) -> Vec<String> {
        let carried = self.carried.get(&mention).into_iter().flatten();
        carried
            .filter_map(|attnum| relation.column_by_number(*attnum))
            .map(|column| format!("{} AS {}", Ident::quoted(&column.name), raw_name(mention, column.attnum)))
            .collect()
    }

    /// What could reach a raw column in a way that cannot be rewritten is refused.
    pub(super) fn admit(&self, case: &Case<'_>, text: &str, tokens: &[Token]) -> Result<(), Objection> {
        if self.carried.is_empty() {
            return Ok(());
        }
        if let Some(token) = tokens.iter().find(|token| may_be_raw(text, token)) {
            return Err(Objection::not_understood("a name that is reserved for the check").at(token.start));
        }
        // Behind a point, a name that is no column calls a function on the whole row.
        for name in case.resolution.unresolved.iter().filter(|name| !name.path.qualifier.is_empty()) {
            if name.of.iter().chain(&name.visible).any(|mention| self.carries(*mention)) {
                let written = text.get(name.path.span().range()).unwrap_or_default();
                let message = format!("column {written} does not exist");
                return Err(Objection::new(SqlState::UndefinedColumn, message).at(name.path.span().start));
            }
        }
        for row in case.resolution.whole_rows.iter().filter(|row| self.carries(row.via)) {
            let Some(relation) = case.relation_of(row.via) else { continue };
            let is_whole = !relation.columns.iter().any(|column| is_omitted(case.rule(relation, column)));
            if row.field.is_some() || !is_whole {
                let name = display_name(&relation.name);
                let why = format!("the row of {name} is taken apart beside a look-up of one of its columns");
                return Err(Objection::not_understood(why).at(row.path.span().start));
            }
        }
        Ok(())
    }
}

/// The name of a raw column: of one mention, so that no two of a statement are the same.
pub(super) fn raw_name(mention: RelationIndex, attnum: i16) -> Ident {
    Ident::quoted(&format!("{RAW_COLUMN}{}_{attnum}", mention.0))
}

fn may_be_raw(text: &str, token: &Token) -> bool {
    match lexer::ident(text, token) {
        Some(name) => name.as_str().starts_with(RAW_COLUMN),
        None => token.kind == lexer::TokenKind::UnicodeIdent,
    }
}

struct Finder<'a> {
    catalog: &'a Catalog,
    view: &'a SubjectView,
    resolution: &'a Resolution,
    outline: &'a OutlineStatement,
}

impl<'a> Finder<'a> {
    /// The one reference that a comparison is about, if it may see the column itself.
    fn reference(&self, lookup: &Lookup) -> Option<&'a ColumnRef> {
        let mut all = self.resolution.columns.iter().filter(|column| column.path.span().start == lookup.column);
        let reference = all.next()?;
        // A column that USING merged has two places.
        if all.next().is_some() || !reference.is_value {
            return None;
        }
        let mention = self.resolution.relations.get(reference.via.0)?;
        let relation = self.catalog.relation(mention.relation?)?;
        let rule = self.view.rule(reference.column)?;
        let open = matches!(rule.effect, Effect::Mask(_)) && rule.predicates == Predicates::Equality;
        let plain = |names: &Vec<String>| match names.as_slice() {
            [name] => trusted::compares_plainly(self.catalog, None, name),
            [schema, name] => trusted::compares_plainly(self.catalog, Some(schema), name),
            _ => false,
        };
        let fits = open
            && lookup.types.iter().all(plain)
            && self.is_same_level(mention, lookup)
            && self.columns_keep_their_names(mention, relation);
        fits.then_some(reference)
    }

    /// Further in, the query around may be grouped, and then the column would not be there.
    fn is_same_level(&self, mention: &RelationRef, lookup: &Lookup) -> bool {
        let start = mention.path.span().start;
        let named = self.outline.relations.iter().find(|relation| relation.start == start);
        named.is_some_and(|relation| relation.level == lookup.level)
    }

    /// A list behind an alias that is too long would name the raw column.
    fn columns_keep_their_names(&self, mention: &RelationRef, relation: &Relation) -> bool {
        let rule = |attnum| self.view.relations.get(&relation.oid).and_then(|rules| rules.columns.get(&attnum));
        let shown = relation.columns.iter().filter(|column| !is_omitted(rule(column.attnum))).count();
        mention.alias_columns.len() <= shown + mention.system_columns.len()
            && !relation.columns.iter().any(|column| column.name.starts_with(RAW_COLUMN))
    }
}
