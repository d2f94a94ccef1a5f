//! What a statement changes of the structure of the database, by PostgreSQL's grammar.

mod change;

pub use change::{Action, Change, Ddl, Named, Nature, Thing};

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{AlterTableCmd, AlterTableStmt, DropStmt, RangeVar, RenameStmt};
use pg_raw_parse::raw::{AlterTableType, DropBehavior, GrantTargetType, ObjectType};

use super::commands::{alter, drop as drop_tag, other};
use super::kinds::makes_temporary;

/// What a statement changes; none if it changes no structure, or only that of a temporary table which it makes.
pub(super) fn ddl(node: Node<'_>) -> Option<Ddl> {
    let of = |command, changes| Some(Ddl { command, nature: Nature::Blocking, changes });
    let created =
        |relation: Option<&RangeVar>, unless_exists: bool| changed(relation, Action::Create { unless_exists });
    match node {
        Node::CreateStmt(create) => {
            visible(create.relation(), of("CREATE TABLE", created(create.relation(), create.if_not_exists)))
        }
        Node::CreateTableAsStmt(create) => {
            let relation = create.into().and_then(|into| into.rel());
            let is_view = create.objtype == ObjectType::OBJECT_MATVIEW;
            let command = if is_view { "CREATE MATERIALIZED VIEW" } else { "CREATE TABLE AS" };
            visible(relation, of(command, created(relation, create.if_not_exists)))
        }
        Node::SelectStmt(select) => {
            let relation = select.into_clause()?.rel();
            visible(relation, of("SELECT INTO", created(relation, false)))
        }
        // What it explains is done where it says ANALYZE.
        Node::ExplainStmt(explain) => ddl(explain.query()).filter(|_| analyses(explain)),
        Node::ViewStmt(view) => visible(view.view(), of("CREATE VIEW", created(view.view(), false))),
        Node::CreateSeqStmt(create) => {
            visible(create.sequence(), structure("CREATE SEQUENCE", created(create.sequence(), create.if_not_exists)))
        }
        Node::IndexStmt(index) => {
            let nature = nature(index.concurrent);
            Some(Ddl { command: "CREATE INDEX", nature, changes: changed(index.relation(), Action::Other) })
        }
        Node::CreateTrigStmt(trigger) => of("CREATE TRIGGER", changed(trigger.relation(), Action::Other)),
        Node::RuleStmt(rule) => of("CREATE RULE", changed(rule.relation(), Action::Other)),
        Node::CreatePolicyStmt(policy) => of("CREATE POLICY", changed(policy.table(), Action::Other)),
        Node::AlterPolicyStmt(policy) => of("ALTER POLICY", changed(policy.table(), Action::Other)),
        Node::AlterSeqStmt(alter) => structure("ALTER SEQUENCE", changed(alter.sequence(), Action::Other)),
        Node::CreateStatsStmt(create) => {
            let of = create.relations().iter().flat_map(|relation| changed(Some(relation), Action::Other));
            structure("CREATE STATISTICS", of.collect())
        }
        Node::AlterTableStmt(alter) => Some(alter_table(alter)),
        Node::DropStmt(drop) => Some(dropped(drop)),
        Node::RenameStmt(rename) => Some(renamed(rename)),
        Node::AlterObjectSchemaStmt(moved) => {
            let nature = if moved.relation().is_some() { Nature::Blocking } else { Nature::Structure };
            Some(Ddl {
                command: alter(moved.object_type),
                nature,
                changes: changed(moved.relation(), Action::SetSchema),
            })
        }
        // Of other objects, and of ALL TABLES IN SCHEMA, it holds other names than those of relations.
        Node::GrantStmt(grant)
            if grant.objtype == ObjectType::OBJECT_TABLE && grant.targtype == GrantTargetType::ACL_TARGET_OBJECT =>
        {
            let changes = grant.objects().iter().flat_map(|table| changed(Some(table), Action::Other)).collect();
            Some(Ddl { command: if grant.is_grant { "GRANT" } else { "REVOKE" }, nature: Nature::Beside, changes })
        }
        Node::AlterOwnerStmt(owner) => structure(alter(owner.object_type), Vec::new()),
        Node::DropOwnedStmt(owned) => {
            let cascade = owned.behavior == DropBehavior::DROP_CASCADE;
            let role = |node: Node<'_>| match node {
                Node::RoleSpec(role) => role.rolename().map(str::to_owned),
                _ => None,
            };
            let change = |node| Change { of: Thing::OwnedBy(role(node)), action: Action::Drop { cascade } };
            of("DROP OWNED", owned.roles().iter().map(change).collect())
        }
        node => other(node).map(|(command, nature)| Ddl { command, nature, changes: Vec::new() }),
    }
}

fn structure(command: &'static str, changes: Vec<Change>) -> Option<Ddl> {
    Some(Ddl { command, nature: Nature::Structure, changes })
}

/// What is made for one session alone is nobody else's business.
fn visible(made: Option<&RangeVar>, ddl: Option<Ddl>) -> Option<Ddl> {
    ddl.filter(|_| !made.is_some_and(makes_temporary))
}

fn nature(concurrently: bool) -> Nature {
    if concurrently { Nature::Structure } else { Nature::Blocking }
}

fn analyses(explain: &pg_raw_parse::nodes::ExplainStmt) -> bool {
    explain.options().iter().any(|option| option.defname() == Some("analyze"))
}

fn named(relation: &RangeVar) -> Named {
    Named { schema: relation.schemaname().map(str::to_owned), name: relation.relname().unwrap_or_default().to_owned() }
}

/// A relation and what is done to it.
fn changed(relation: Option<&RangeVar>, action: Action) -> Vec<Change> {
    relation.map(|relation| Change { of: Thing::Relation(named(relation)), action }).into_iter().collect()
}

fn alter_table(alter_table: &AlterTableStmt) -> Ddl {
    let command = alter(alter_table.objtype);
    let relation = alter_table.relation().map(named);
    let thing = |named: Named| match alter_table.objtype {
        ObjectType::OBJECT_INDEX => Thing::Index(named),
        ObjectType::OBJECT_TYPE => Thing::Type(named),
        _ => Thing::Relation(named),
    };
    let mut changes = Vec::new();
    let mut concurrently = false;
    for cmd in alter_table.cmds() {
        let (action, partition) = match cmd {
            Node::AlterTableCmd(cmd) if alter_table.objtype != ObjectType::OBJECT_TYPE => sub_command(cmd),
            _ => (Action::Other, None),
        };
        changes.extend(relation.clone().map(|relation| Change { of: thing(relation), action }));
        if let Some(partition) = partition {
            concurrently = partition.concurrent;
            changes.extend(changed(partition.name(), Action::Other));
        }
    }
    let nature = if alter_table.objtype == ObjectType::OBJECT_TYPE { Nature::Structure } else { nature(concurrently) };
    Ddl { command, nature, changes }
}

/// What one part of ALTER TABLE does, with the partition that it is about. A part that is not known changes the relation.
fn sub_command(cmd: &AlterTableCmd) -> (Action, Option<&pg_raw_parse::nodes::PartitionCmd>) {
    let column = || cmd.name().unwrap_or_default().to_owned();
    let action = match cmd.subtype {
        AlterTableType::AT_DropColumn => {
            Action::DropColumn { column: column(), cascade: cmd.behavior == DropBehavior::DROP_CASCADE }
        }
        AlterTableType::AT_AlterColumnType => Action::AlterColumnType { column: column() },
        _ => Action::Other,
    };
    match cmd.def() {
        Node::PartitionCmd(partition) => (action, Some(partition)),
        _ => (action, None),
    }
}

fn dropped(drop: &DropStmt) -> Ddl {
    let cascade = drop.behavior == DropBehavior::DROP_CASCADE;
    let action = Action::Drop { cascade };
    let each = |thing: fn(Node<'_>) -> Option<Thing>, action: &Action| {
        let things = drop.objects().iter().filter_map(thing);
        things.map(|of| Change { of, action: action.clone() }).collect::<Vec<_>>()
    };
    let (nature, changes) = match drop.remove_type {
        ObjectType::OBJECT_TABLE
        | ObjectType::OBJECT_VIEW
        | ObjectType::OBJECT_MATVIEW
        | ObjectType::OBJECT_FOREIGN_TABLE
        | ObjectType::OBJECT_SEQUENCE => (Nature::Blocking, each(|node| path(node).map(Thing::Relation), &action)),
        ObjectType::OBJECT_INDEX => {
            (nature(drop.concurrent), each(|node| path(node).map(Thing::Index), &Action::Drop { cascade }))
        }
        // Their names end in that of the thing itself, behind that of the table.
        ObjectType::OBJECT_TRIGGER | ObjectType::OBJECT_RULE | ObjectType::OBJECT_POLICY => {
            (Nature::Blocking, each(|node| owner(node).map(Thing::Relation), &Action::Other))
        }
        ObjectType::OBJECT_SCHEMA => {
            (Nature::Blocking, each(|node| node.as_str().map(|name| Thing::Schema(name.to_owned())), &action))
        }
        ObjectType::OBJECT_TYPE | ObjectType::OBJECT_DOMAIN => {
            (Nature::Structure, each(|node| type_path(node).map(Thing::Type), &action))
        }
        _ => (Nature::Structure, Vec::new()),
    };
    Ddl { command: drop_tag(drop.remove_type), nature, changes }
}

fn renamed(rename: &RenameStmt) -> Ddl {
    let column = || rename.subname().unwrap_or_default().to_owned();
    let (of, changes) = match rename.rename_type {
        ObjectType::OBJECT_TABLE
        | ObjectType::OBJECT_VIEW
        | ObjectType::OBJECT_MATVIEW
        | ObjectType::OBJECT_FOREIGN_TABLE
        | ObjectType::OBJECT_SEQUENCE => (rename.rename_type, changed(rename.relation(), Action::Rename)),
        ObjectType::OBJECT_COLUMN => {
            (rename.relation_type, changed(rename.relation(), Action::RenameColumn { column: column() }))
        }
        ObjectType::OBJECT_INDEX => {
            let index = rename.relation().map(|index| Change { of: Thing::Index(named(index)), action: Action::Other });
            (rename.rename_type, index.into_iter().collect())
        }
        ObjectType::OBJECT_TABCONSTRAINT => (ObjectType::OBJECT_TABLE, changed(rename.relation(), Action::Other)),
        ObjectType::OBJECT_SCHEMA => {
            let schema = Change { of: Thing::Schema(column()), action: Action::Rename };
            (rename.rename_type, vec![schema])
        }
        ObjectType::OBJECT_ATTRIBUTE => (ObjectType::OBJECT_TYPE, Vec::new()),
        ObjectType::OBJECT_DOMCONSTRAINT => (ObjectType::OBJECT_DOMAIN, Vec::new()),
        other => (other, changed(rename.relation(), Action::Other)),
    };
    let nature = if changes.is_empty() { Nature::Structure } else { Nature::Blocking };
    let beside = matches!(rename.rename_type, ObjectType::OBJECT_ROLE | ObjectType::OBJECT_DATABASE);
    Ddl { command: alter(of), nature: if beside { Nature::Beside } else { nature }, changes }
}

fn parts(node: Node<'_>) -> Vec<String> {
    let list: Option<&NodeList> = node.as_node_list();
    list.into_iter().flatten().filter_map(|part| part.as_str().map(str::to_owned)).collect()
}

/// A name with the parts in front of it; what stands before the schema is the database.
fn name_of(mut parts: Vec<String>) -> Option<Named> {
    let name = parts.pop()?;
    Some(Named { schema: parts.pop(), name })
}

fn path(node: Node<'_>) -> Option<Named> {
    name_of(parts(node))
}

/// The table in front of the name of a trigger, a rule or a policy.
fn owner(node: Node<'_>) -> Option<Named> {
    let mut parts = parts(node);
    parts.pop();
    name_of(parts)
}

fn type_path(node: Node<'_>) -> Option<Named> {
    match node {
        Node::TypeName(name) => {
            name_of(name.names().iter().filter_map(|part| part.sval().map(str::to_owned)).collect())
        }
        _ => None,
    }
}
