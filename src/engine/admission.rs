//! What the checker of the final text may let through, for one subject.

use super::calls::Sensitive;
use super::{sequences, session, settings};
use crate::model::catalog::{Catalog, SearchPath};
use crate::policy::trusted;
use crate::policy::view::{Effect, Predicates, SubjectView};
use crate::sql::second_opinion::{Admission, ColumnAdmission, Constant, RelationAdmission, StatementKind};

/// One subject's rules over one catalog.
pub(super) struct Allowed<'a> {
    pub catalog: &'a Catalog,
    pub view: &'a SubjectView,
    /// Operators and unqualified types are found along it.
    pub path: Option<&'a SearchPath>,
}

impl Allowed<'_> {
    fn built_in(&self, name: &str) -> bool {
        trusted::built_in(self.catalog, &self.view.functions, name)
    }
}

impl Admission for Allowed<'_> {
    fn relation(&self, schema: &str, name: &str) -> RelationAdmission {
        let Some(relation) = self.catalog.find(schema, name) else { return RelationAdmission::Unknown };
        match self.view.relations.get(&relation.oid) {
            Some(rules) if rules.opaque.is_some() => RelationAdmission::Unknown,
            Some(rules) if rules.protects() => RelationAdmission::Protected,
            _ => RelationAdmission::Clear,
        }
    }

    fn column(&self, schema: &str, relation: &str, column: &str) -> ColumnAdmission {
        let Some(relation) = self.catalog.find(schema, relation) else { return ColumnAdmission::Unknown };
        let Some(column) = relation.column(column) else { return ColumnAdmission::Unknown };
        let rule = self.view.relations.get(&relation.oid).and_then(|rules| rules.columns.get(&column.attnum));
        match rule.map(|rule| (&rule.effect, &rule.predicates)) {
            None | Some((Effect::Allow, _)) => ColumnAdmission::Clear,
            Some((Effect::Mask(_), Predicates::Equality)) => ColumnAdmission::Lookup,
            Some((Effect::Mask(_) | Effect::Deny, _)) => ColumnAdmission::Protected,
        }
    }

    fn function(&self, schema: Option<&str>, name: &str) -> bool {
        match schema {
            Some("pg_catalog") => self.built_in(name),
            // Only the masks call it, and only with a column of a wrapper; a client's own call was refused before.
            Some("pgcovenant") if name == "pseudonym" => true,
            Some(schema) => trusted::function(self.catalog, &self.view.functions, schema, name),
            None => {
                self.built_in(name)
                    && (trusted::is_built_in_as_written(self.catalog, name)
                        || trusted::may_be_overloaded(self.catalog, &self.view.functions, self.path, name))
            }
        }
    }

    fn call(&self, schema: Option<&str>, name: &str, constants: &[Option<Constant>]) -> bool {
        match (schema, Sensitive::of(name)) {
            (Some("pg_catalog"), Some(Sensitive::SetConfig)) => settings::call(constants, Some(self.catalog)).is_ok(),
            (Some("pg_catalog"), Some(Sensitive::Rewrite)) => constants.len() == 3,
            (Some("pg_catalog"), Some(Sensitive::NextVal)) => {
                sequences::admitted(self.catalog, self.view, constants.first().and_then(Option::as_ref))
            }
            _ => self.function(schema, name),
        }
    }

    fn operator(&self, schema: Option<&str>, name: &str) -> bool {
        trusted::operator((self.catalog, &self.view.functions), self.path, schema, name)
    }

    fn type_name(&self, schema: Option<&str>, name: &str) -> bool {
        // The client's own types were judged in the original text. Generated text casts whole rows back to their row type
        // and masked values to their domain, by qualified name.
        trusted::type_name(self.catalog, &self.view.functions, schema, name)
            || schema.is_some_and(|schema| {
                self.catalog.find(schema, name).is_some()
                    || self.catalog.types.iter().any(|ty| &*ty.schema == schema && &*ty.name == name)
            })
    }

    fn attribute(&self, name: &str) -> bool {
        !trusted::is_foreign_function(self.catalog, &self.view.functions, name) && self.built_in(name)
    }

    fn constant_type(&self, schema: Option<&str>, name: &str) -> bool {
        trusted::compares_plainly(self.catalog, schema, name)
    }

    fn statement(&self, kind: &StatementKind) -> bool {
        session::is_open(kind)
    }
}
