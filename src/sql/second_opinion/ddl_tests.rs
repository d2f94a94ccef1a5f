//! What statements change of the structure, one line for each.

use super::{Action, Ddl, Named, Nature, Thing, outline};

fn words(named: &Named) -> String {
    named.schema.iter().map(|schema| format!("{schema}.")).chain([named.name.clone()]).collect()
}

/// `ALTER TABLE blocking: drop column a of t`.
fn told(sql: &str) -> String {
    let found = outline(sql).unwrap();
    let Some(Ddl { command, nature, changes }) = found.statements[0].ddl.clone() else { return "nothing".to_owned() };
    let nature = match nature {
        Nature::Blocking => "blocking",
        Nature::Structure => "structure",
        Nature::Beside => "beside",
    };
    let changes = changes.iter().map(|change| {
        let thing = match &change.of {
            Thing::Relation(named) => words(named),
            Thing::Index(named) => format!("index {}", words(named)),
            Thing::Type(named) => format!("type {}", words(named)),
            Thing::Schema(name) => format!("schema {name}"),
            Thing::OwnedBy(role) => format!("owned by {}", role.as_deref().unwrap_or("me")),
        };
        let all = |cascade: &bool| if *cascade { " cascade" } else { "" };
        match &change.action {
            Action::Create => format!("create {thing}"),
            Action::Drop { cascade } => format!("drop{} {thing}", all(cascade)),
            Action::Rename => format!("rename {thing}"),
            Action::SetSchema => format!("move {thing}"),
            Action::DropColumn { column, cascade } => format!("drop{} column {column} of {thing}", all(cascade)),
            Action::RenameColumn { column } => format!("rename column {column} of {thing}"),
            Action::AlterColumnType { column } => format!("retype column {column} of {thing}"),
            Action::Other => format!("change {thing}"),
        }
    });
    let changes: Vec<_> = changes.collect();
    format!("{command} {nature}: {}", changes.join(", ")).trim_end_matches([' ', ':']).to_owned()
}

const STATEMENTS: &[(&str, &str)] = &[
    ("SELECT 1", "nothing"),
    ("TRUNCATE t", "nothing"),
    ("REFRESH MATERIALIZED VIEW v", "nothing"),
    ("DO $$ BEGIN DROP TABLE t; END $$", "nothing"),
    ("CREATE TEMP TABLE t (a int)", "nothing"),
    ("CREATE TABLE pg_temp.t (a int)", "nothing"),
    ("CREATE TEMP TABLE t AS SELECT 1", "nothing"),
    ("SELECT 1 INTO TEMP t", "nothing"),
    ("CREATE TEMP VIEW v AS SELECT 1", "nothing"),
    ("CREATE TEMP SEQUENCE s", "nothing"),
    ("EXPLAIN CREATE TABLE t AS SELECT 1", "nothing"),
    ("EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", "CREATE TABLE AS blocking: create t"),
    ("CREATE TABLE s.t (a int)", "CREATE TABLE blocking: create s.t"),
    ("CREATE TABLE t PARTITION OF p DEFAULT", "CREATE TABLE blocking: create t"),
    ("CREATE TABLE t AS SELECT 1", "CREATE TABLE AS blocking: create t"),
    ("SELECT 1 INTO t", "SELECT INTO blocking: create t"),
    ("CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED VIEW blocking: create v"),
    ("CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE VIEW blocking: create v"),
    ("CREATE INDEX ON t (a)", "CREATE INDEX blocking: change t"),
    ("CREATE INDEX CONCURRENTLY i ON s.t (a)", "CREATE INDEX structure: change s.t"),
    ("CREATE TRIGGER x AFTER INSERT ON t EXECUTE FUNCTION f()", "CREATE TRIGGER blocking: change t"),
    ("CREATE RULE r AS ON INSERT TO t DO NOTHING", "CREATE RULE blocking: change t"),
    ("CREATE POLICY p ON t USING (true)", "CREATE POLICY blocking: change t"),
    ("ALTER POLICY p ON t USING (true)", "ALTER POLICY blocking: change t"),
    ("CREATE STATISTICS x ON a, b FROM s.t", "CREATE STATISTICS structure: change s.t"),
    ("CREATE SEQUENCE s", "CREATE SEQUENCE structure: create s"),
    ("ALTER TABLE t ADD COLUMN a int", "ALTER TABLE blocking: change t"),
    ("ALTER TABLE s.t DROP COLUMN a", "ALTER TABLE blocking: drop column a of s.t"),
    ("ALTER TABLE ONLY t DROP IF EXISTS \"A b\" CASCADE", "ALTER TABLE blocking: drop cascade column A b of t"),
    (
        "ALTER TABLE t DROP a, ADD b int, ALTER c TYPE text",
        "ALTER TABLE blocking: drop column a of t, change t, retype column c of t",
    ),
    ("ALTER TABLE t ALTER COLUMN a SET DATA TYPE text USING a::text", "ALTER TABLE blocking: retype column a of t"),
    ("ALTER TABLE t ALTER COLUMN a SET DEFAULT 1", "ALTER TABLE blocking: change t"),
    ("ALTER TABLE t DROP CONSTRAINT c CASCADE", "ALTER TABLE blocking: change t"),
    ("ALTER TABLE t OWNER TO x", "ALTER TABLE blocking: change t"),
    ("ALTER TABLE t SET SCHEMA x", "ALTER TABLE blocking: move t"),
    ("ALTER TABLE t RENAME TO u", "ALTER TABLE blocking: rename t"),
    ("ALTER TABLE t RENAME a TO b", "ALTER TABLE blocking: rename column a of t"),
    ("ALTER TABLE t RENAME CONSTRAINT a TO b", "ALTER TABLE blocking: change t"),
    ("ALTER TABLE t DISABLE TRIGGER ALL", "ALTER TABLE blocking: change t"),
    ("ALTER TABLE t ATTACH PARTITION p DEFAULT", "ALTER TABLE blocking: change t, change p"),
    ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "ALTER TABLE structure: change t, change p"),
    ("ALTER FOREIGN TABLE t DROP COLUMN a", "ALTER FOREIGN TABLE blocking: drop column a of t"),
    ("ALTER VIEW v RENAME COLUMN a TO b", "ALTER VIEW blocking: rename column a of v"),
    ("ALTER VIEW v RENAME TO w", "ALTER VIEW blocking: rename v"),
    ("ALTER VIEW v SET SCHEMA s", "ALTER VIEW blocking: move v"),
    ("ALTER MATERIALIZED VIEW v RENAME a TO b", "ALTER MATERIALIZED VIEW blocking: rename column a of v"),
    ("ALTER INDEX i RENAME TO j", "ALTER INDEX blocking: change index i"),
    ("ALTER INDEX i SET (fillfactor = 70)", "ALTER INDEX blocking: change index i"),
    ("ALTER SEQUENCE s RESTART", "ALTER SEQUENCE structure: change s"),
    ("ALTER SCHEMA a RENAME TO b", "ALTER SCHEMA blocking: rename schema a"),
    ("ALTER SCHEMA a OWNER TO b", "ALTER SCHEMA structure"),
    ("ALTER TYPE y RENAME ATTRIBUTE a TO b", "ALTER TYPE structure"),
    ("ALTER TYPE y DROP ATTRIBUTE a", "ALTER TYPE structure: change type y"),
    ("ALTER TYPE y ADD VALUE 'x'", "ALTER TYPE structure"),
    ("ALTER FUNCTION f() SET SCHEMA s", "ALTER FUNCTION structure"),
    ("ALTER TRIGGER a ON t RENAME TO b", "ALTER TRIGGER blocking: change t"),
    ("ALTER ROLE a RENAME TO b", "ALTER ROLE beside"),
    ("DROP TABLE a, s.b, d.s.c", "DROP TABLE blocking: drop a, drop s.b, drop s.c"),
    ("DROP TABLE IF EXISTS t CASCADE", "DROP TABLE blocking: drop cascade t"),
    ("DROP VIEW v", "DROP VIEW blocking: drop v"),
    ("DROP MATERIALIZED VIEW v", "DROP MATERIALIZED VIEW blocking: drop v"),
    ("DROP INDEX s.i", "DROP INDEX blocking: drop index s.i"),
    ("DROP INDEX CONCURRENTLY i", "DROP INDEX structure: drop index i"),
    ("DROP TRIGGER x ON s.t", "DROP TRIGGER blocking: change s.t"),
    ("DROP RULE r ON t", "DROP RULE blocking: change t"),
    ("DROP SCHEMA a, b CASCADE", "DROP SCHEMA blocking: drop cascade schema a, drop cascade schema b"),
    ("DROP TYPE s.y CASCADE", "DROP TYPE structure: drop cascade type s.y"),
    ("DROP DOMAIN y", "DROP DOMAIN structure: drop type y"),
    ("DROP FUNCTION f(int)", "DROP FUNCTION structure"),
    ("DROP OWNED BY a, CURRENT_USER", "DROP OWNED blocking: drop owned by a, drop owned by me"),
    ("DROP EXTENSION e", "DROP EXTENSION structure"),
    ("CREATE SCHEMA s", "CREATE SCHEMA structure"),
    ("CREATE PROCEDURE p() LANGUAGE sql AS ''", "CREATE PROCEDURE structure"),
    ("GRANT SELECT ON t, s.u TO a", "GRANT beside: change t, change s.u"),
    ("GRANT SELECT ON ALL TABLES IN SCHEMA s TO a", "GRANT beside"),
    ("GRANT USAGE ON SCHEMA s TO a", "GRANT beside"),
    ("REVOKE SELECT ON t FROM a", "REVOKE beside: change t"),
    ("COMMENT ON TABLE t IS 'x'", "COMMENT beside"),
    ("CREATE ROLE a", "CREATE ROLE beside"),
    ("DROP DATABASE d", "DROP DATABASE beside"),
];

#[test]
fn a_statement_tells_what_it_changes() {
    let wrong: Vec<_> = STATEMENTS.iter().filter(|(sql, expected)| told(sql) != *expected).collect();
    let told: Vec<_> =
        wrong.iter().map(|(sql, expected)| format!("{sql}\n  is   {}\n  not  {expected}", told(sql))).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}
