//! The kind of a statement, read off its tree.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::RangeVar;
use pg_raw_parse::raw::{ObjectType, TransactionStmtKind, VariableSetKind};

use super::{StatementKind, TableChange, TransactionKind};

/// The kind of a statement.
pub(in crate::sql::second_opinion) fn kind(node: Node<'_>) -> StatementKind {
    use StatementKind as K;
    match node {
        Node::SelectStmt(select) => match select.into_clause() {
            Some(into) => K::SelectInto { temporary: into.rel().is_some_and(makes_temporary) },
            None => K::Select,
        },
        Node::InsertStmt(_) => K::Insert,
        Node::UpdateStmt(_) => K::Update,
        Node::DeleteStmt(_) => K::Delete,
        Node::MergeStmt(_) => K::Merge,
        Node::CopyStmt(copy) => K::Copy {
            file: copy.filename().is_some() && !copy.is_program,
            program: copy.is_program,
            filtered: !matches!(copy.where_clause(), Node::None),
        },
        Node::ExplainStmt(_) => K::Explain,
        Node::PrepareStmt(_) => K::Prepare,
        Node::ExecuteStmt(_) => K::Execute,
        Node::DeallocateStmt(_) => K::Deallocate,
        Node::DeclareCursorStmt(_) => K::DeclareCursor,
        Node::FetchStmt(_) => K::Fetch,
        Node::ClosePortalStmt(_) => K::ClosePortal,
        Node::TransactionStmt(transaction) => K::Transaction(transaction_kind(transaction.kind)),
        Node::VariableSetStmt(set) => setting(set.kind, set.name()),
        Node::VariableShowStmt(show) => K::Show { name: lower(show.name()) },
        Node::DiscardStmt(_) => K::Discard,
        Node::ListenStmt(_) => K::Listen,
        Node::UnlistenStmt(_) => K::Unlisten,
        Node::NotifyStmt(_) => K::Notify,
        Node::LockStmt(_) => K::Lock,
        Node::CreateTableAsStmt(create) => K::CreateTableAs {
            temporary: create.objtype == ObjectType::OBJECT_TABLE
                && create.into().and_then(|into| into.rel()).is_some_and(makes_temporary),
        },
        Node::CallStmt(_) => K::Call,
        Node::DoStmt(_) => K::Do,
        Node::VacuumStmt(_) => K::Vacuum,
        Node::ConstraintsSetStmt(_) => K::SetConstraints,
        Node::CheckPointStmt(_) | Node::LoadStmt(_) | Node::AlterSystemStmt(_) => K::Other,
        other => match table_change(other) {
            Some(change) => K::Table(change),
            None if is_structure(other) => K::Ddl,
            None => K::Other,
        },
    }
}

/// Whether a relation that is created is a temporary one.
pub(in crate::sql::second_opinion) fn makes_temporary(relation: &RangeVar) -> bool {
    relation.relpersistence == b't'.cast_signed() || relation.schemaname() == Some("pg_temp")
}

fn table_change(node: Node<'_>) -> Option<TableChange> {
    Some(match node {
        Node::CreateStmt(create) => TableChange::Create { temporary: create.relation().is_some_and(makes_temporary) },
        Node::DropStmt(drop) if drop.remove_type == ObjectType::OBJECT_TABLE => TableChange::Drop,
        Node::DropStmt(drop) if drop.remove_type == ObjectType::OBJECT_INDEX => TableChange::DropIndex,
        Node::AlterTableStmt(alter) if alter.objtype == ObjectType::OBJECT_TABLE => TableChange::Alter,
        Node::RenameStmt(rename) if renames_table(rename.rename_type, rename.relation_type) => TableChange::Rename,
        Node::IndexStmt(_) => TableChange::Index,
        Node::TruncateStmt(_) => TableChange::Truncate,
        _ => return None,
    })
}

/// The table itself, a column or a constraint of it.
fn renames_table(what: ObjectType::Type, of: ObjectType::Type) -> bool {
    match what {
        ObjectType::OBJECT_TABLE | ObjectType::OBJECT_TABCONSTRAINT => true,
        ObjectType::OBJECT_COLUMN => of == ObjectType::OBJECT_TABLE,
        _ => false,
    }
}

fn lower(name: Option<&str>) -> String {
    name.unwrap_or_default().to_ascii_lowercase()
}

fn setting(kind: VariableSetKind::Type, name: Option<&str>) -> StatementKind {
    match kind {
        VariableSetKind::VAR_RESET_ALL => StatementKind::ResetAll,
        VariableSetKind::VAR_RESET | VariableSetKind::VAR_SET_DEFAULT => StatementKind::Reset { name: lower(name) },
        // SET TRANSACTION and SESSION CHARACTERISTICS come as a multiple setting of this name.
        VariableSetKind::VAR_SET_MULTI => StatementKind::Set {
            name: match lower(name).as_str() {
                "transaction" | "session characteristics" => "default_transaction_isolation".to_owned(),
                other => other.to_owned(),
            },
        },
        _ => StatementKind::Set { name: lower(name) },
    }
}

fn transaction_kind(kind: TransactionStmtKind::Type) -> TransactionKind {
    match kind {
        TransactionStmtKind::TRANS_STMT_ROLLBACK_TO => TransactionKind::RollbackTo,
        TransactionStmtKind::TRANS_STMT_PREPARE
        | TransactionStmtKind::TRANS_STMT_COMMIT_PREPARED
        | TransactionStmtKind::TRANS_STMT_ROLLBACK_PREPARED => TransactionKind::TwoPhase,
        _ => TransactionKind::Plain,
    }
}

/// Statements whose effect a catalog has to be read again for.
fn is_structure(node: Node<'_>) -> bool {
    matches!(
        node,
        Node::CreateStmt(_)
            | Node::AlterTableStmt(_)
            | Node::DropStmt(_)
            | Node::RenameStmt(_)
            | Node::ViewStmt(_)
            | Node::IndexStmt(_)
            | Node::CreateFunctionStmt(_)
            | Node::AlterFunctionStmt(_)
            | Node::DefineStmt(_)
            | Node::CreateSchemaStmt(_)
            | Node::CreateSeqStmt(_)
            | Node::AlterSeqStmt(_)
            | Node::RuleStmt(_)
            | Node::CreateTrigStmt(_)
            | Node::CreatePolicyStmt(_)
            | Node::AlterPolicyStmt(_)
            | Node::CreateEnumStmt(_)
            | Node::AlterEnumStmt(_)
            | Node::CompositeTypeStmt(_)
            | Node::CreateRangeStmt(_)
            | Node::CreateDomainStmt(_)
            | Node::AlterDomainStmt(_)
            | Node::CreateCastStmt(_)
            | Node::CreateExtensionStmt(_)
            | Node::AlterExtensionStmt(_)
            | Node::AlterObjectSchemaStmt(_)
            | Node::AlterOwnerStmt(_)
            | Node::AlterOperatorStmt(_)
            | Node::GrantStmt(_)
            | Node::GrantRoleStmt(_)
            | Node::CreateRoleStmt(_)
            | Node::AlterRoleStmt(_)
            | Node::AlterRoleSetStmt(_)
            | Node::DropRoleStmt(_)
            | Node::TruncateStmt(_)
            | Node::CommentStmt(_)
            | Node::RefreshMatViewStmt(_)
            | Node::CreateStatsStmt(_)
            | Node::AlterStatsStmt(_)
            | Node::CreateForeignServerStmt(_)
            | Node::CreateUserMappingStmt(_)
            | Node::ImportForeignSchemaStmt(_)
            | Node::CreatedbStmt(_)
            | Node::DropdbStmt(_)
            | Node::AlterDatabaseStmt(_)
            | Node::AlterDatabaseSetStmt(_)
            | Node::DropOwnedStmt(_)
            | Node::ReassignOwnedStmt(_)
    )
}
