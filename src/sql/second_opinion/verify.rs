//! Judges a text that is about to be sent, by PostgreSQL's own tree of it.

use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{
    ColumnRef, FuncCall, LockingClause, RangeSubselect, RangeVar, ResTarget, SelectStmt, TypeName,
};
use pg_raw_parse::{Node, ParseResult};

use super::admission::{Admission, ColumnAdmission, Fragment, Objection, ObjectionKind, RelationAdmission, WrapperEnd};
use super::constants::constants;
use super::kinds::{kind, makes_temporary};
use super::lookups::{Lookup, lookups};
use super::offset;
use super::outline::Verb;
use super::raw::{self, RawColumns};
use super::tree::{Role, Tree, Visitor, visible_name};

/// What is created there goes with the session.
const TEMPORARY: &str = "pg_temp";

/// Every statement of a text against the admission.
pub(super) fn verify(parsed: &ParseResult, generated: &[Fragment], admission: &dyn Admission) -> Result<(), Objection> {
    for raw in parsed.iter() {
        let node = raw.stmt();
        let kind = kind(node);
        if !admission.statement(&kind) {
            return Err(objection(ObjectionKind::Statement, kind.as_str(), offset(raw.stmt_location)));
        }
        let mut checker =
            Checker { generated, admission, changes: Vec::new(), queries: 0, raw: RawColumns::default(), fills: false };
        let mut tree = Tree::new(&mut checker);
        match node {
            Node::CopyStmt(copy) => {
                if let Some(relation) = copy.relation() {
                    let verb = if copy.is_from { Verb::Insert } else { Verb::Read };
                    tree.visitor.copied(relation, verb)?;
                }
                tree.query(copy.query())?;
                tree.expression(copy.where_clause())?;
            }
            Node::ExplainStmt(explain) => tree.query(explain.query())?,
            Node::PrepareStmt(prepare) => {
                tree.types(prepare.argtypes())?;
                tree.query(prepare.query())?;
            }
            // Its arguments are expressions that the server evaluates.
            Node::ExecuteStmt(execute) => tree.expressions(execute.params())?,
            Node::DeclareCursorStmt(declare) => tree.query(declare.query())?,
            Node::SelectStmt(select) => {
                tree.visitor.fills = select.into_clause().is_some();
                tree.query(node)?;
            }
            Node::LockStmt(lock) => {
                for relation in lock.relations() {
                    match relation {
                        Node::RangeVar(relation) => tree.visitor.admitted(relation).map(drop)?,
                        _ => tree.visitor.unknown("LOCK of something else")?,
                    }
                }
            }
            Node::CallStmt(call) => match call.funccall() {
                Some(call) => tree.expression(Node::FuncCall(call))?,
                None => tree.visitor.unknown("CALL of nothing")?,
            },
            Node::CreateTableAsStmt(create) => tree.create_table_as(create)?,
            Node::CreateStmt(_)
            | Node::DropStmt(_)
            | Node::AlterTableStmt(_)
            | Node::RenameStmt(_)
            | Node::IndexStmt(_)
            | Node::TruncateStmt(_)
            | Node::VacuumStmt(_) => tree.table_change(node)?,
            Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => tree.query(node)?,
            // These hold neither a query nor an expression.
            Node::DeallocateStmt(_)
            | Node::FetchStmt(_)
            | Node::ClosePortalStmt(_)
            | Node::TransactionStmt(_)
            | Node::VariableSetStmt(_)
            | Node::VariableShowStmt(_)
            | Node::DiscardStmt(_)
            | Node::ListenStmt(_)
            | Node::UnlistenStmt(_)
            | Node::NotifyStmt(_)
            | Node::ConstraintsSetStmt(_) => {}
            // Any other may reach further than this walk.
            _ => return Err(objection(ObjectionKind::Statement, kind.as_str(), offset(raw.stmt_location))),
        }
    }
    Ok(())
}

fn objection(kind: ObjectionKind, name: &str, position: Option<u32>) -> Objection {
    Objection { kind, name: name.to_owned(), position }
}

/// The target of a change that is being walked.
struct Change {
    schema: String,
    relation: String,
    visible: String,
    protected: bool,
    /// How many queries the change itself stands in.
    queries: u32,
    /// What RETURNING calls the rows before and after.
    row_names: Vec<String>,
}

impl Change {
    /// The target's rows under any of their names; `old` and `new` are those of newer servers.
    fn is_row_name(&self, name: &str) -> bool {
        name == self.visible
            || matches!(name, "excluded" | "old" | "new")
            || self.row_names.iter().any(|given| given == name)
    }
}

struct Checker<'g> {
    generated: &'g [Fragment],
    admission: &'g dyn Admission,
    changes: Vec<Change>,
    /// Queries that the walk is in.
    queries: u32,
    raw: RawColumns,
    /// The statement itself is a SELECT … INTO.
    fills: bool,
}

impl Checker<'_> {
    fn admitted(&self, relation: &RangeVar) -> Result<RelationAdmission, Objection> {
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
    fn copied(&self, relation: &RangeVar, verb: Verb) -> Result<(), Objection> {
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
    fn is_wrapped(&self, relation: &RangeVar, role: &Role<'_>) -> bool {
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

    fn is_generated_expression(&self, place: u32) -> bool {
        self.generated.iter().any(|fragment| match fragment {
            Fragment::Expression { start, end } => (*start..*end).contains(&place),
            Fragment::Wrapper { start, end, .. } => (*start..*end).contains(&place),
            Fragment::DmlTarget { .. } => false,
        })
    }

    /// A comparison may look at a raw column, and at a column of the target of a change that is open to it.
    fn sanction(&mut self, lookup: &Lookup<'_>) {
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
    fn carries(&self, relation: &RangeVar, select: &SelectStmt) -> Result<(), Objection> {
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
    fn reaches_target(&self, column: &ColumnRef) -> bool {
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

fn parts(names: &NodeList) -> Vec<&str> {
    names.iter().filter_map(|name| name.as_str()).collect()
}

/// Schema and name; none for anything longer.
fn qualified<'a>(names: &[&'a str]) -> Option<(Option<&'a str>, &'a str)> {
    match names {
        [name] => Some((None, name)),
        [schema, name] => Some((Some(schema), name)),
        _ => None,
    }
}

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
        let name = relation.relname().unwrap_or_default();
        Err(objection(ObjectionKind::PermanentRelation, name, offset(relation.location)))
    }

    fn changed(&mut self, relation: &'a RangeVar) -> Result<(), Objection> {
        if relation.schemaname() == Some(TEMPORARY) && relation.catalogname().is_none() {
            return Ok(());
        }
        let name = relation.relname().unwrap_or_default();
        Err(objection(ObjectionKind::PermanentRelation, name, offset(relation.location)))
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
        let wrapped = offset(target.location).is_some_and(|place| {
            self.generated.iter().any(|fragment| match fragment {
                Fragment::Wrapper { start, end, .. } => (*start..*end).contains(&place),
                Fragment::DmlTarget { .. } | Fragment::Expression { .. } => false,
            })
        });
        if wrapped { Ok(()) } else { Err(raw::unsanctioned(name, target.location)) }
    }

    fn unknown(&mut self, what: &'static str) -> Result<(), Objection> {
        Err(objection(ObjectionKind::Construct, what, None))
    }
}
