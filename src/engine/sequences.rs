//! Sequences that a governed session may take numbers from: those of tables that it may insert into, and its own.

use super::judge::Text;
use super::objection::Objection;
use super::refusal::SqlState;
use crate::model::catalog::{Catalog, Relation, RelationKind};
use crate::model::ident::display_name;
use crate::policy::view::SubjectView;
use crate::sql::inner;
use crate::sql::second_opinion::{Constant, NamedObject};
use crate::sql::splice::{Generated, Splicer};
use crate::sql::tree::{Path, Span};

/// Judges `nextval`, and puts the schema before the name in its argument, so that it means the sequence that was checked.
pub(super) fn qualify(
    text: &Text<'_>,
    catalog: &Catalog,
    function: &NamedObject,
    splicer: &mut Splicer<'_>,
) -> Result<(), Objection> {
    let misfit = || Objection::not_understood("the sequence is not named by a plain literal");
    let constant = function.constants.first().and_then(Option::as_ref).ok_or_else(misfit)?;
    let start = constant.start.ok_or_else(misfit)?;
    let path = path(constant).ok_or_else(misfit)?;
    let fallback = crate::model::catalog::SearchPath::default();
    let found = match path.qualifier.as_slice() {
        [] => catalog.resolve(text.search_path(&fallback)?, path.last.as_str()),
        [schema] => catalog.find(schema.as_str(), path.last.as_str()),
        _ => None,
    };
    let relation = found.ok_or_else(|| Objection::no_such_relation(&constant.value).at(start))?;
    if !may_count(catalog, text.facts.view, relation) {
        let message = format!("permission denied for sequence {}", display_name(&relation.name));
        return Err(Objection::new(SqlState::InsufficientPrivilege, message)
            .detail("The policy lists no INSERT of this user into a table that it numbers.")
            .hint("Ask the owner of the policy to add it under \"writes\".")
            .at(start));
    }
    let literal = format!("'{}'", relation.qualified().replace('\'', "''"));
    let token = text.token_at(start).ok_or_else(misfit)?;
    splicer.replace(Span { start, end: token.end }, literal, Generated::Plain).map_err(|_| misfit())
}

/// Whether the final text may take a number from the sequence that this names.
pub(super) fn admitted(catalog: &Catalog, view: &SubjectView, constant: Option<&Constant>) -> bool {
    let Some(path) = constant.and_then(path) else { return false };
    match path.qualifier.as_slice() {
        [schema] => {
            catalog.find(schema.as_str(), path.last.as_str()).is_some_and(|relation| may_count(catalog, view, relation))
        }
        _ => false,
    }
}

fn path(constant: &Constant) -> Option<Path> {
    inner::name(&constant.value)
}

fn may_count(catalog: &Catalog, view: &SubjectView, relation: &Relation) -> bool {
    let fills = |table| view.writes.insert.iter().any(|column| column.relation == table);
    let numbers =
        || catalog.numbered_by.get(&relation.oid).is_some_and(|tables| tables.iter().any(|table| fills(*table)));
    relation.kind == RelationKind::Sequence && (relation.is_temporary() || numbers())
}
