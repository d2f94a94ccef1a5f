//! What generated text stands where, and what a reference may reach.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{ColumnRef, RangeVar, SelectStmt, TypeName};

use super::{objection, parts, qualified};
use crate::sql::second_opinion::admission::{
    Admission, ColumnAdmission, Fragment, Objection, ObjectionKind, RelationAdmission, WrapperEnd,
};
use crate::sql::second_opinion::lookups::Lookup;
use crate::sql::second_opinion::offset;
use crate::sql::second_opinion::outline::Verb;
use crate::sql::second_opinion::raw::{self, RawColumns};
use crate::sql::second_opinion::tree::Role;

/// The target of a change that is being walked.
pub(super) struct Change {
    pub(super) schema: String,
    pub(super) relation: String,
    pub(super) visible: String,
    pub(super) protected: bool,
    /// How many queries the change itself stands in.
    pub(super) queries: u32,
    /// What RETURNING calls the rows before and after.
    pub(super) row_names: Vec<String>,
}

impl Change {
    /// The target's rows under any of their names; `old` and `new` are those of newer servers.
    fn is_row_name(&self, name: &str) -> bool {
        name == self.visible
            || matches!(name, "excluded" | "old" | "new")
            || self.row_names.iter().any(|given| given == name)
    }
}

pub(super) struct Checker<'g> {
    pub(super) generated: &'g [Fragment],
    pub(super) admission: &'g dyn Admission,
    pub(super) changes: Vec<Change>,
    /// Queries that the walk is in.
    pub(super) queries: u32,
    pub(super) raw: RawColumns,
    /// The statement itself is a SELECT … INTO.
    pub(super) fills: bool,
}

impl Checker<'_> {
    pub(super) fn admitted(&self, relation: &RangeVar) -> Result<RelationAdmission, Objection> {
        let name = relation.relname().unwrap_or_default();
        let position = offset(relation.location);
        let Some(schema) = relation.schemaname() else {
            return Err(objection(ObjectionKind::UnqualifiedRelation, name, position));
        };
        match self.admission.relation(schema, name) {
            RelationAdmission::Unknown => Err(objection(ObjectionKind::UnknownRelation, name, position)),
            found => Ok(found),
        }
    }

    /// COPY names a relation only where nothing of it is protected, or to fill it.
    pub(super) fn copied(&self, relation: &RangeVar, verb: Verb) -> Result<(), Objection> {
        match self.admitted(relation)? {
            RelationAdmission::Protected if verb == Verb::Read => {
                let name = relation.relname().unwrap_or_default();
                Err(objection(ObjectionKind::ProtectedRelation, name, offset(relation.location)))
            }
            _ => Ok(()),
        }
    }

    /// A protected relation stands where generated text put it: the name and the first output expression are at the
    /// offsets of one fragment, so all that lies between was read as it was written.
    pub(super) fn is_wrapped(&self, relation: &RangeVar, role: &Role<'_>) -> bool {
        let (Some(place), Some(select)) = (offset(relation.location), role.wrapper) else { return false };
        let sample = role.sampled_at.map(|location| offset(location).unwrap_or(0));
        self.generated.iter().any(|fragment| match *fragment {
            Fragment::Wrapper { start, end, relation_offset, first_target_offset, ends } => {
                let mut targets = select.target_list().iter().map(|target| offset(target.location));
                let first = targets.next().flatten();
                let within = |place: Option<u32>| place.is_some_and(|place| start < place && place < end);
                start.checked_add(relation_offset) == Some(place)
                    && place < end
                    && match (ends, sample) {
                        (WrapperEnd::Parenthesis, None) => true,
                        (WrapperEnd::Sample, Some(sample)) => end <= sample,
                        (WrapperEnd::Parenthesis, Some(_)) | (WrapperEnd::Sample, None) => false,
                    }
                    && first.is_some() == first_target_offset.is_some()
                    && first == first_target_offset.and_then(|offset| start.checked_add(offset))
                    && targets.all(within)
                    && relation.alias().is_none()
                    && is_bare(select)
            }
            Fragment::DmlTarget { .. } | Fragment::Expression { .. } => false,
        })
    }

    pub(super) fn is_generated_expression(&self, place: u32) -> bool {
        self.is_within_wrapper(place)
            || self.generated.iter().any(|fragment| match fragment {
                Fragment::Expression { start, end } => (*start..*end).contains(&place),
                Fragment::Wrapper { .. } | Fragment::DmlTarget { .. } => false,
            })
    }

    pub(super) fn is_within_wrapper(&self, place: u32) -> bool {
        self.generated.iter().any(|fragment| match fragment {
            Fragment::Wrapper { start, end, .. } => (*start..*end).contains(&place),
            Fragment::Expression { .. } | Fragment::DmlTarget { .. } => false,
        })
    }

    /// A comparison may look at a raw column, and at a column of the target of a change that is open to it.
    pub(super) fn sanction(&mut self, lookup: &Lookup<'_>) {
        let Some(place) = offset(lookup.column.location) else { return };
        let admits = |name: &TypeName| {
            let names: Vec<&str> = name.names().iter().filter_map(|name| name.sval()).collect();
            qualified(&names).is_some_and(|(schema, name)| self.admission.constant_type(schema, name))
        };
        let fields = parts(lookup.column.fields());
        let is_raw = matches!(fields.as_slice(), [.., name] if raw::is_raw(name));
        if lookup.types.iter().all(|name| admits(name)) && (is_raw || self.is_open(&fields)) {
            self.raw.sanction(place);
        }
    }

    /// Every column of the target of a change that a reference may mean is open to comparisons.
    fn is_open(&self, fields: &[&str]) -> bool {
        let [.., column] = fields else { return false };
        let mut reached =
            self.changes.iter().filter(|change| change.protected && self.name_reaches(change, fields)).peekable();
        let is_lookup = |change: &Change| {
            self.admission.column(&change.schema, &change.relation, column) == ColumnAdmission::Lookup
        };
        reached.peek().is_some() && reached.all(is_lookup)
    }

    /// A raw column stands for one column of the relation, which is open to comparisons.
    pub(super) fn carries(&self, relation: &RangeVar, select: &SelectStmt) -> Result<(), Objection> {
        for target in select.target_list().iter().filter(|target| target.name().is_some_and(raw::is_raw)) {
            let column = match target.val() {
                Node::ColumnRef(column) => parts(column.fields()),
                _ => Vec::new(),
            };
            let (schema, name) = (relation.schemaname().unwrap_or_default(), relation.relname().unwrap_or_default());
            let open = match column.as_slice() {
                [column] => self.admission.column(schema, name, column) == ColumnAdmission::Lookup,
                _ => false,
            };
            if !open {
                return Err(raw::unsanctioned(target.name().unwrap_or_default(), target.location));
            }
        }
        Ok(())
    }

    /// Whether a reference may reach a protected column of the target of a change around it.
    pub(super) fn reaches_target(&self, column: &ColumnRef) -> bool {
        let fields = parts(column.fields());
        let star = fields.len() < column.fields().len();
        self.changes
            .iter()
            .filter(|change| change.protected)
            .any(|change| if star { self.star_reaches(change, &fields) } else { self.name_reaches(change, &fields) })
    }

    fn star_reaches(&self, change: &Change, qualifier: &[&str]) -> bool {
        match qualifier {
            // A sub-query's bare star covers its own FROM list only.
            [] => self.queries == change.queries,
            [row] => change.is_row_name(row),
            [schema, row] => *schema == change.schema && change.is_row_name(row),
            _ => true,
        }
    }

    fn name_reaches(&self, change: &Change, fields: &[&str]) -> bool {
        // Behind a point, a name that is no column calls a function on the row.
        let clear =
            |name: &str| self.admission.column(&change.schema, &change.relation, name) == ColumnAdmission::Clear;
        match fields {
            [] => false,
            [name] => match self.admission.column(&change.schema, &change.relation, name) {
                ColumnAdmission::Protected | ColumnAdmission::Lookup => true,
                ColumnAdmission::Clear => false,
                ColumnAdmission::Unknown => change.is_row_name(name),
            },
            [row, name] if change.is_row_name(row) => !clear(name),
            // The whole row, with its schema.
            [schema, row] => *schema == change.schema && change.is_row_name(row),
            [schema, row, name] => *schema == change.schema && change.is_row_name(row) && !clear(name),
            _ => true,
        }
    }
}

/// Nothing but output expressions and one FROM item.
fn is_bare(select: &SelectStmt) -> bool {
    select.distinct_clause().is_empty()
        && select.into_clause().is_none()
        && select.from_clause().len() == 1
        && matches!(select.where_clause(), Node::None)
        && select.group_clause().is_empty()
        && matches!(select.having_clause(), Node::None)
        && select.window_clause().is_empty()
        && select.values_lists().is_empty()
        && select.sort_clause().is_empty()
        && matches!(select.limit_offset(), Node::None)
        && matches!(select.limit_count(), Node::None)
        && select.locking_clause().is_empty()
        && select.with_clause().is_none()
        && select.larg().is_none()
        && select.rarg().is_none()
}
