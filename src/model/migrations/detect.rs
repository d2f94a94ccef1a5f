//! Which relations of a catalog are the history tables of migration tools.

use super::Tool;
use crate::model::catalog::{Catalog, Relation, RelationKind};

/// A history table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryTable {
    /// Its schema.
    pub schema: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Whose it is.
    pub tool: Tool,
    /// A second table says whether the tool is at work.
    pub has_lock: bool,
}

/// Name of the table, columns that it must have, columns that it must not have. The first that fits counts.
const FORMS: &[(Tool, &str, &[&str], &[&str])] = &[
    (Tool::Flyway, "flyway_schema_history", &["installed_rank", "version", "type", "checksum", "success"], &[]),
    (Tool::Liquibase, "databasechangelog", &["id", "author", "filename", "orderexecuted", "exectype", "md5sum"], &[]),
    (Tool::Alembic, "alembic_version", &["version_num"], &[]),
    (Tool::GolangMigrate, "schema_migrations", &["version", "dirty"], &[]),
    (Tool::Ecto, "schema_migrations", &["version", "inserted_at"], &[]),
    (Tool::Dbmate, "schema_migrations", &["version"], &["dirty", "inserted_at"]),
    (Tool::Django, "django_migrations", &["id", "app", "name", "applied"], &[]),
    (
        Tool::Prisma,
        "_prisma_migrations",
        &["checksum", "finished_at", "migration_name", "logs", "rolled_back_at", "started_at"],
        &[],
    ),
    (Tool::Sqitch, "changes", &["change_id", "script_hash", "change", "project", "committed_at"], &[]),
    (Tool::Goose, "goose_db_version", &["id", "version_id", "is_applied"], &[]),
    (Tool::Sqlx, "_sqlx_migrations", &["version", "success", "checksum"], &[]),
    (Tool::Diesel, "__diesel_schema_migrations", &["version", "run_on"], &[]),
    (Tool::Atlas, "atlas_schema_revisions", &["version", "applied", "total", "error", "hash"], &[]),
];

/// Where Liquibase says that it is at work.
const LOCK: &str = "databasechangeloglock";

/// Where Sqitch says what has failed.
const EVENTS: &str = "events";

/// What tools keep beside their history tables: nobody's data.
const BESIDE: &[(Tool, &[&str])] = &[
    (Tool::Liquibase, &[LOCK]),
    (Tool::Rails, &["ar_internal_metadata"]),
    (Tool::Sqitch, &["releases", "projects", "tags", "dependencies", EVENTS]),
];

/// More history tables than this are not read.
const AT_MOST: usize = 20;

impl HistoryTable {
    /// The names of all tables that are read for it, in its schema.
    pub fn read(&self) -> Vec<&str> {
        let beside = match self.tool {
            Tool::Sqitch => Some(EVENTS),
            _ => self.has_lock.then_some(LOCK),
        };
        std::iter::once(&*self.name).chain(beside).collect()
    }
}

/// The history tables of a database, in the order of their names.
pub fn detect(catalog: &Catalog) -> Vec<HistoryTable> {
    let mut found: Vec<HistoryTable> = catalog
        .relations()
        .filter(|relation| !relation.is_system() && !relation.is_temporary())
        .filter_map(|relation| {
            let tool = tool(catalog, relation)?;
            let has_lock = tool == Tool::Liquibase && has_table(catalog, &relation.schema, LOCK);
            Some(HistoryTable { schema: relation.schema.clone(), name: relation.name.clone(), tool, has_lock })
        })
        .collect();
    found.sort();
    found.truncate(AT_MOST);
    found
}

/// Whether a relation only serves a migration tool.
pub fn bookkeeping(catalog: &Catalog, relation: &Relation) -> bool {
    let history = |relation: &Relation| tool(catalog, relation);
    if history(relation).is_some() {
        return true;
    }
    let beside = |(owner, names): &(Tool, &[&str])| {
        let has_history = || {
            FORMS
                .iter()
                .filter_map(|(_, name, ..)| catalog.find(&relation.schema, name))
                .any(|other| history(other) == Some(*owner))
        };
        names.contains(&&*relation.name) && has_history()
    };
    BESIDE.iter().any(beside)
}

/// Only a table: whoever reads a view runs what somebody else has written.
fn is_table(relation: &Relation) -> bool {
    matches!(relation.kind, RelationKind::Table | RelationKind::Partitioned)
}

fn has_table(catalog: &Catalog, schema: &str, name: &str) -> bool {
    catalog.find(schema, name).is_some_and(|relation| is_table(relation))
}

fn tool(catalog: &Catalog, relation: &Relation) -> Option<Tool> {
    if !is_table(relation) {
        return None;
    }
    let fits = |(_, name, has, has_not): &&(Tool, &str, &[&str], &[&str])| {
        *name == &*relation.name
            && has.iter().all(|column| relation.column(column).is_some())
            && has_not.iter().all(|column| relation.column(column).is_none())
    };
    let (tool, ..) = FORMS.iter().find(fits)?;
    let beside = |name| has_table(catalog, &relation.schema, name);
    match tool {
        Tool::Dbmate if beside("ar_internal_metadata") => Some(Tool::Rails),
        Tool::Sqitch if !beside(EVENTS) => None,
        _ => Some(*tool),
    }
}
