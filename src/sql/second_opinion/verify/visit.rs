//! The walk over PostgreSQL's tree: each thing that it meets, against the admission.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{ColumnRef, FuncCall, LockingClause, RangeSubselect, RangeVar, ResTarget, TypeName};

use super::checker::{Change, Checker};
use super::{objection, parts, qualified};
use crate::sql::second_opinion::admission::{ColumnAdmission, Fragment, Objection, ObjectionKind, RelationAdmission};
use crate::sql::second_opinion::constants::constants;
use crate::sql::second_opinion::kinds::makes_temporary;
use crate::sql::second_opinion::lookups::lookups;
use crate::sql::second_opinion::offset;
use crate::sql::second_opinion::outline::Verb;
use crate::sql::second_opinion::raw;
use crate::sql::second_opinion::tree::{Role, Visitor, visible_name};

/// What is created there goes with the session.
const TEMPORARY: &str = "pg_temp";

impl<'a> Visitor<'a> for Checker<'_> {
    type Stop = Objection;

    fn relation(&mut self, relation: &'a RangeVar, role: Role<'a>) -> Result<(), Objection> {
        if role.cte {
            return Ok(());
        }
        let name = relation.relname().unwrap_or_default();
        let protected = self.admitted(relation)? == RelationAdmission::Protected;
        let place = offset(relation.location);
        let fine = match role.verb {
            _ if !protected => true,
            Verb::Read => self.is_wrapped(relation, &role),
            Verb::Insert | Verb::Update | Verb::Delete | Verb::Merge => {
                self.generated.iter().any(|fragment| match fragment {
                    Fragment::DmlTarget { start } => place == Some(*start),
                    Fragment::Wrapper { .. } | Fragment::Expression { .. } => false,
                })
            }
            Verb::Other => false,
        };
        if let Some(select) = role.wrapper.filter(|_| protected && fine) {
            self.carries(relation, select)?;
        }
        if fine { Ok(()) } else { Err(objection(ObjectionKind::ProtectedRelation, name, place)) }
    }

    fn column(&mut self, column: &'a ColumnRef) -> Result<(), Objection> {
        let place = offset(column.location);
        let fields = parts(column.fields());
        let name = fields.join(".");
        if self.raw.is_sanctioned(place) {
            return Ok(());
        }
        if fields.iter().any(|field| raw::is_raw(field)) {
            return Err(raw::unsanctioned(&name, column.location));
        }
        if place.is_some_and(|place| self.is_generated_expression(place)) {
            return Ok(());
        }
        let is_star = fields.len() < column.fields().len();
        let shows_raw = if is_star { self.raw.starred(&fields) } else { self.raw.named(&fields) };
        if !shows_raw && !self.reaches_target(column) {
            return Ok(());
        }
        Err(objection(ObjectionKind::ProtectedColumn, &name, place))
    }

    fn function(&mut self, call: &'a FuncCall) -> Result<(), Objection> {
        let names = parts(call.funcname());
        let admitted =
            qualified(&names).is_some_and(|(schema, name)| self.admission.call(schema, name, &constants(call)));
        if admitted {
            return Ok(());
        }
        Err(objection(ObjectionKind::Function, &names.join("."), offset(call.location)))
    }

    fn type_name(&mut self, name: &'a TypeName) -> Result<(), Objection> {
        let names: Vec<&str> = name.names().iter().filter_map(|name| name.sval()).collect();
        let admitted = !name.setof
            && !name.pct_type
            && qualified(&names).is_some_and(|(schema, name)| self.admission.type_name(schema, name));
        if admitted {
            return Ok(());
        }
        Err(objection(ObjectionKind::Type, &names.join("."), offset(name.location)))
    }

    fn operator(&mut self, names: &'a NodeList) -> Result<(), Objection> {
        let names = parts(names);
        let admitted = qualified(&names).is_some_and(|(schema, name)| self.admission.operator(schema, name));
        if admitted { Ok(()) } else { Err(objection(ObjectionKind::Operator, &names.join("."), None)) }
    }

    fn implied_operator(&mut self, name: &'static str) -> Result<(), Objection> {
        let admitted = self.admission.operator(None, name);
        if admitted { Ok(()) } else { Err(objection(ObjectionKind::Operator, name, None)) }
    }

    fn attribute(&mut self, name: &'a str) -> Result<(), Objection> {
        let admitted = self.admission.attribute(name) && !raw::is_raw(name);
        if admitted { Ok(()) } else { Err(objection(ObjectionKind::Attribute, name, None)) }
    }

    fn arbiter(&mut self, column: &'a str) -> Result<(), Objection> {
        let protected = self.changes.last().is_some_and(|change| {
            let admission = self.admission.column(&change.schema, &change.relation, column);
            change.protected && matches!(admission, ColumnAdmission::Protected | ColumnAdmission::Lookup)
        });
        if protected { Err(objection(ObjectionKind::ProtectedColumn, column, None)) } else { Ok(()) }
    }

    fn parameter(&mut self, _number: i32) -> Result<(), Objection> {
        Ok(())
    }

    fn into(&mut self, relation: Option<&'a RangeVar>) -> Result<(), Objection> {
        match relation {
            Some(relation) if self.fills && self.queries == 1 => self.created(relation),
            _ => Err(objection(ObjectionKind::Construct, "SELECT INTO", None)),
        }
    }

    fn created(&mut self, relation: &'a RangeVar) -> Result<(), Objection> {
        if makes_temporary(relation) && relation.catalogname().is_none() {
            return Ok(());
        }
        permanent(relation)
    }

    fn changed(&mut self, relation: &'a RangeVar) -> Result<(), Objection> {
        if relation.schemaname() == Some(TEMPORARY) && relation.catalogname().is_none() {
            return Ok(());
        }
        permanent(relation)
    }

    fn dropped(&mut self, names: &'a NodeList) -> Result<(), Objection> {
        match parts(names).as_slice() {
            [schema, _] if *schema == TEMPORARY => Ok(()),
            names => Err(objection(ObjectionKind::PermanentRelation, &names.join("."), None)),
        }
    }

    fn locking(&mut self, _clause: &'a LockingClause) -> Result<(), Objection> {
        Ok(())
    }

    fn assigned(&mut self, _target: &'a ResTarget) -> Result<(), Objection> {
        Ok(())
    }

    fn enter_change(&mut self, target: &'a RangeVar) -> Result<(), Objection> {
        let schema = target.schemaname().unwrap_or_default().to_owned();
        let relation = target.relname().unwrap_or_default().to_owned();
        let protected = self.admission.relation(&schema, &relation) != RelationAdmission::Clear;
        let visible = visible_name(target).unwrap_or_default().to_owned();
        self.raw.enter();
        self.changes.push(Change {
            schema,
            relation,
            visible,
            protected,
            queries: self.queries,
            row_names: Vec::new(),
        });
        Ok(())
    }

    fn leave_change(&mut self) {
        self.raw.leave();
        self.changes.pop();
    }

    fn row_name(&mut self, name: &'a str) -> Result<(), Objection> {
        if let Some(change) = self.changes.last_mut() {
            change.row_names.push(name.to_owned());
        }
        Ok(())
    }

    fn enter_query(&mut self) {
        self.queries += 1;
        self.raw.enter();
    }

    fn leave_query(&mut self) {
        self.queries = self.queries.saturating_sub(1);
        self.raw.leave();
    }

    fn condition(&mut self, condition: Node<'a>) -> Result<(), Objection> {
        for lookup in lookups(condition) {
            self.sanction(&lookup);
        }
        Ok(())
    }

    fn subselect(&mut self, subselect: &'a RangeSubselect) -> Result<(), Objection> {
        self.raw.subselect(subselect)
    }

    fn aliased_join(&mut self) -> Result<(), Objection> {
        self.raw.aliased_join()
    }

    fn merged(&mut self, column: &'a str) -> Result<(), Objection> {
        if raw::is_raw(column) { Err(raw::unsanctioned(column, -1)) } else { Ok(()) }
    }

    /// Only generated text gives an output column the name of a raw one.
    fn output(&mut self, target: &'a ResTarget) -> Result<(), Objection> {
        let Some(name) = target.name().filter(|name| raw::is_raw(name)) else { return Ok(()) };
        let wrapped = offset(target.location).is_some_and(|place| self.is_within_wrapper(place));
        if wrapped { Ok(()) } else { Err(raw::unsanctioned(name, target.location)) }
    }

    fn unknown(&mut self, what: &'static str) -> Result<(), Objection> {
        Err(objection(ObjectionKind::Construct, what, None))
    }
}

fn permanent(relation: &RangeVar) -> Result<(), Objection> {
    let name = relation.relname().unwrap_or_default();
    Err(objection(ObjectionKind::PermanentRelation, name, offset(relation.location)))
}
