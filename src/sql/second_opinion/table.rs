//! The walk over PostgreSQL's tree: statements that make and change tables.
//!
//! A governed session may send them for its temporary tables. What such a table is made of is listed here piece by piece;
//! what would tie it to a relation that others know (LIKE, INHERITS, PARTITION OF, foreign keys, triggers) is not.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{
    AlterTableCmd, ColumnDef, Constraint, CreateStmt, CreateTableAsStmt, DropStmt, IndexElem, IndexStmt,
};
use pg_raw_parse::raw::{AlterTableType, ConstrType, ObjectType};

use super::tree::{Tree, Visitor};

/// Operator classes of PostgreSQL and of the extensions of its distribution, beside the default ones.
const OPERATOR_CLASSES: &[&str] = &[
    "bpchar_pattern_ops",
    "gin_trgm_ops",
    "gist_trgm_ops",
    "jsonb_path_ops",
    "text_pattern_ops",
    "varchar_pattern_ops",
];

impl<'a, V: Visitor<'a>> Tree<'a, '_, V> {
    /// A change of a table, or of the statistics of some.
    pub(super) fn table_change(&mut self, node: Node<'a>) -> Result<(), V::Stop> {
        match node {
            Node::CreateStmt(create) => self.create_table(create),
            Node::DropStmt(drop) => self.drop_tables(drop),
            Node::AlterTableStmt(alter) => {
                self.changed(alter.relation())?;
                for command in alter.cmds() {
                    match command {
                        Node::AlterTableCmd(command) => self.alter_table(command)?,
                        _ => return self.visitor.unknown("ALTER TABLE"),
                    }
                }
                Ok(())
            }
            Node::RenameStmt(rename) => self.changed(rename.relation()),
            Node::IndexStmt(index) => self.create_index(index),
            Node::TruncateStmt(truncate) => self.all_changed(truncate.relations()),
            Node::VacuumStmt(vacuum) => {
                if vacuum.rels().is_empty() {
                    return self.visitor.unknown("VACUUM or ANALYZE of a whole database");
                }
                for relation in vacuum.rels() {
                    self.changed(relation.relation())?;
                }
                Ok(())
            }
            _ => self.visitor.unknown("change of structure"),
        }
    }

    /// CREATE TABLE AS.
    pub(super) fn create_table_as(&mut self, create: &'a CreateTableAsStmt) -> Result<(), V::Stop> {
        if create.objtype != ObjectType::OBJECT_TABLE {
            self.visitor.unknown("materialised view")?;
        }
        match create.into().and_then(|into| into.rel()) {
            Some(relation) => self.visitor.created(relation)?,
            None => self.visitor.unknown("CREATE TABLE AS without a name")?,
        }
        match create.query() {
            query @ Node::SelectStmt(_) => self.query(query),
            _ => self.visitor.unknown("CREATE TABLE AS of another statement"),
        }
    }

    fn changed(&mut self, relation: Option<&'a pg_raw_parse::nodes::RangeVar>) -> Result<(), V::Stop> {
        match relation {
            Some(relation) => self.visitor.changed(relation),
            None => self.visitor.unknown("change of nothing"),
        }
    }

    fn all_changed(&mut self, relations: &'a NodeList) -> Result<(), V::Stop> {
        for relation in relations {
            match relation {
                Node::RangeVar(relation) => self.visitor.changed(relation)?,
                _ => return self.visitor.unknown("change of something else than a table"),
            }
        }
        Ok(())
    }

    fn drop_tables(&mut self, drop: &'a DropStmt) -> Result<(), V::Stop> {
        for object in drop.objects() {
            match object.as_node_list() {
                Some(parts) => self.visitor.dropped(parts)?,
                None => return self.visitor.unknown("DROP of something else"),
            }
        }
        Ok(())
    }

    fn create_table(&mut self, create: &'a CreateStmt) -> Result<(), V::Stop> {
        let Some(relation) = create.relation() else { return self.visitor.unknown("CREATE TABLE without a name") };
        self.visitor.created(relation)?;
        let tied = !create.inh_relations().is_empty()
            || create.partbound().is_some()
            || create.partspec().is_some()
            || create.of_typename().is_some();
        if tied {
            self.visitor.unknown("table that is tied to another")?;
        }
        for element in create.table_elts() {
            match element {
                Node::ColumnDef(column) => self.column_definition(column)?,
                Node::Constraint(constraint) => self.constraint(constraint)?,
                _ => self.visitor.unknown("part of a table")?,
            }
        }
        Ok(())
    }

    /// A column with its type, its default and its constraints.
    fn column_definition(&mut self, column: &'a ColumnDef) -> Result<(), V::Stop> {
        self.optional_type(column.type_name())?;
        self.expression(column.raw_default())?;
        for constraint in column.constraints() {
            match constraint {
                Node::Constraint(constraint) => self.constraint(constraint)?,
                _ => self.visitor.unknown("constraint")?,
            }
        }
        Ok(())
    }

    fn constraint(&mut self, constraint: &'a Constraint) -> Result<(), V::Stop> {
        match constraint.contype {
            ConstrType::CONSTR_NULL
            | ConstrType::CONSTR_NOTNULL
            | ConstrType::CONSTR_DEFAULT
            | ConstrType::CONSTR_IDENTITY
            | ConstrType::CONSTR_GENERATED
            | ConstrType::CONSTR_CHECK
            | ConstrType::CONSTR_PRIMARY
            | ConstrType::CONSTR_UNIQUE
            | ConstrType::CONSTR_ATTR_DEFERRABLE
            | ConstrType::CONSTR_ATTR_NOT_DEFERRABLE
            | ConstrType::CONSTR_ATTR_DEFERRED
            | ConstrType::CONSTR_ATTR_IMMEDIATE => self.expression(constraint.raw_expr()),
            _ => self.visitor.unknown("constraint that is tied to another table or to operators"),
        }
    }

    fn alter_table(&mut self, command: &'a AlterTableCmd) -> Result<(), V::Stop> {
        match (command.subtype, command.def()) {
            (AlterTableType::AT_AddColumn | AlterTableType::AT_AlterColumnType, Node::ColumnDef(column)) => {
                self.column_definition(column)
            }
            (AlterTableType::AT_AddConstraint | AlterTableType::AT_AddIdentity, Node::Constraint(constraint)) => {
                self.constraint(constraint)
            }
            (AlterTableType::AT_ColumnDefault | AlterTableType::AT_SetExpression, expression) => {
                self.expression(expression)
            }
            (
                AlterTableType::AT_DropNotNull
                | AlterTableType::AT_SetNotNull
                | AlterTableType::AT_DropExpression
                | AlterTableType::AT_SetStatistics
                | AlterTableType::AT_SetStorage
                | AlterTableType::AT_DropColumn
                | AlterTableType::AT_ValidateConstraint
                | AlterTableType::AT_DropConstraint
                | AlterTableType::AT_SetRelOptions
                | AlterTableType::AT_ResetRelOptions
                | AlterTableType::AT_DropIdentity,
                _,
            ) => Ok(()),
            _ => self.visitor.unknown("form of ALTER TABLE"),
        }
    }

    fn create_index(&mut self, index: &'a IndexStmt) -> Result<(), V::Stop> {
        self.changed(index.relation())?;
        for element in index.index_params() {
            self.index_element(element)?;
        }
        for element in index.index_including_params() {
            match element {
                Node::IndexElem(element) => self.index_element(element)?,
                _ => self.visitor.unknown("part of an index")?,
            }
        }
        self.expression(index.where_clause())
    }

    fn index_element(&mut self, element: &'a IndexElem) -> Result<(), V::Stop> {
        self.expression(element.expr())?;
        let known =
            element.opclass().iter().all(|part| part.as_str().is_some_and(|name| OPERATOR_CLASSES.contains(&name)));
        if known && element.opclassopts().is_empty() { Ok(()) } else { self.visitor.unknown("operator class") }
    }
}
