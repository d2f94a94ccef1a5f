//! The walk and the checker, on texts that other parsers read differently and on the shapes that are sent.

mod reaching;

use super::*;
use crate::sql::lexer;

/// `s.t(id, name, ssn)` with a protected `ssn`, and `s.clear`.
struct Rules;

impl Admission for Rules {
    fn relation(&self, schema: &str, name: &str) -> RelationAdmission {
        match (schema, name) {
            ("s", "t") => RelationAdmission::Protected,
            ("s", "clear") => RelationAdmission::Clear,
            _ => RelationAdmission::Unknown,
        }
    }

    fn column(&self, _schema: &str, _relation: &str, column: &str) -> ColumnAdmission {
        match column {
            "ssn" => ColumnAdmission::Protected,
            "id" | "name" => ColumnAdmission::Clear,
            _ => ColumnAdmission::Unknown,
        }
    }

    fn function(&self, schema: Option<&str>, name: &str) -> bool {
        schema == Some("pg_catalog") && crate::sql::functions::admitted(name)
    }

    fn operator(&self, schema: Option<&str>, _name: &str) -> bool {
        schema.is_none_or(|schema| schema == "pg_catalog")
    }

    fn type_name(&self, schema: Option<&str>, name: &str) -> bool {
        schema.is_none_or(|schema| schema == "pg_catalog") && name != "evil"
    }

    fn statement(&self, kind: &StatementKind) -> bool {
        !matches!(kind, StatementKind::Listen)
    }
}

fn judged(sql: &str, generated: &[Fragment]) -> Option<ObjectionKind> {
    verify(sql, generated, &Rules).err().map(|objection| objection.kind)
}

fn plain(sql: &str) -> Option<ObjectionKind> {
    judged(sql, &[])
}

const WRAPPER: &str = "(SELECT id, name, 'x'::pg_catalog.text AS ssn FROM s.t)";

/// Where the wrapper stands in a text.
fn wrapper(sql: &str) -> Fragment {
    let start = sql.find(WRAPPER).unwrap() as u32;
    Fragment::Wrapper {
        start,
        end: start + WRAPPER.len() as u32,
        relation_offset: WRAPPER.find("s.t").unwrap() as u32,
        first_target_offset: Some(WRAPPER.find("id").unwrap() as u32),
        ends: WrapperEnd::Parenthesis,
    }
}

fn at(sql: &str, piece: &str) -> u32 {
    sql.find(piece).unwrap() as u32
}

#[test]
fn relations_are_qualified_and_known_or_common_table_expressions_in_scope() {
    for fine in [
        "SELECT 1",
        "SELECT a FROM s.clear",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "WITH x AS (SELECT 1), y AS (SELECT * FROM x) SELECT * FROM y JOIN x ON true",
        "WITH RECURSIVE x AS (SELECT 1 UNION ALL SELECT 1 FROM y), y AS (SELECT 1) SELECT (SELECT 1 FROM x)",
        "WITH x AS (SELECT 1) (SELECT * FROM x UNION SELECT * FROM x) ORDER BY (SELECT 1 FROM x)",
        "WITH x AS (INSERT INTO s.clear VALUES (1) RETURNING *) SELECT * FROM x",
        "INSERT INTO s.clear WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT 1 FROM LATERAL (VALUES (1)) AS v(a), ROWS FROM (pg_catalog.generate_series(1, 2)) AS f",
    ] {
        assert_eq!(plain(fine), None, "{fine}");
    }
    for wrong in [
        "SELECT * FROM t",
        "WITH x AS (SELECT * FROM x) SELECT 1",
        "WITH x AS (SELECT * FROM y), y AS (SELECT 1) SELECT 1",
        "SELECT (WITH x AS (SELECT 1) SELECT 1 FROM x), (SELECT 1 FROM x)",
        "WITH x AS (WITH y AS (SELECT 1) SELECT 1) SELECT * FROM y",
        "WITH x AS (SELECT 1) INSERT INTO x VALUES (1)",
        "WITH x AS (SELECT 1) UPDATE x SET a = 1",
        "WITH x AS (SELECT 1) DELETE FROM x",
        "WITH x AS (SELECT 1) SELECT 1; SELECT * FROM x",
        "SELECT 1, 'a' UNION ALL TABLE ONLY customers",
        "SELECT 1 WHERE EXISTS (TABLE t)",
        "SELECT 1 FROM (s.clear CROSS JOIN t)",
        "MERGE INTO t USING s.clear ON true WHEN MATCHED THEN DO NOTHING",
    ] {
        assert_eq!(plain(wrong), Some(ObjectionKind::UnqualifiedRelation), "{wrong}");
    }
    for unknown in ["SELECT * FROM s.other", "SELECT * FROM db.s.t", "SELECT 1 FROM pg_catalog.pg_statistic"] {
        assert!(plain(unknown).is_some(), "{unknown}");
    }
}

#[test]
fn a_protected_relation_stands_only_in_a_generated_wrapper() {
    for fine in [
        format!("SELECT * FROM {WRAPPER} AS t"),
        format!("SELECT 1 FROM s.clear JOIN {WRAPPER} AS t USING (id)"),
        format!("WITH x AS (SELECT * FROM {WRAPPER} t FOR UPDATE OF t) SELECT * FROM x"),
        format!("UPDATE s.clear SET a = t.ssn FROM {WRAPPER} AS t"),
        format!("COPY (SELECT ssn FROM {WRAPPER} t) TO STDOUT"),
    ] {
        assert_eq!(judged(&fine, &[wrapper(&fine)]), None, "{fine}");
        // The same text without our word for it.
        assert_eq!(plain(&fine), Some(ObjectionKind::ProtectedRelation), "{fine}");
    }
    let moved = format!("SELECT * FROM {WRAPPER} AS t, s.t AS u");
    assert_eq!(judged(&moved, &[wrapper(&moved)]), Some(ObjectionKind::ProtectedRelation));
    for wrong in ["SELECT ssn FROM s.t", "SELECT * FROM (SELECT * FROM s.t) t", "TABLE s.t", "COPY s.t TO STDOUT"] {
        assert_eq!(plain(wrong), Some(ObjectionKind::ProtectedRelation), "{wrong}");
    }
}

#[test]
fn a_wrapper_that_the_grammar_reads_otherwise_is_none() {
    // What stands around the generated piece adds to it, or takes it apart.
    for around in [
        "SELECT * FROM (SELECT id, name, 'x'::pg_catalog.text AS ssn FROM s.t WHERE ssn = '1') AS t",
        "SELECT * FROM (SELECT id, name, 'x'::pg_catalog.text AS ssn FROM s.t, s.t AS u) AS t",
        "SELECT * FROM (SELECT id, name, 'x'::pg_catalog.text AS ssn FROM s.t ORDER BY ssn LIMIT 1) AS t",
        "SELECT * FROM (SELECT id, name, 'x'::pg_catalog.text AS ssn FROM s.t UNION SELECT 1, '', '') AS t",
        "SELECT (SELECT id, name, 'x'::pg_catalog.text AS ssn FROM s.t)",
    ] {
        let start = at(around, "(SELECT");
        let fragment = Fragment::Wrapper {
            start,
            end: start + WRAPPER.len() as u32,
            relation_offset: WRAPPER.find("s.t").unwrap() as u32,
            first_target_offset: Some(WRAPPER.find("id").unwrap() as u32),
            ends: WrapperEnd::Parenthesis,
        };
        assert_eq!(judged(around, &[fragment]), Some(ObjectionKind::ProtectedRelation), "{around}");
    }
    // An output expression before the first generated one.
    let shifted = "SELECT * FROM (SELECT ssn, id FROM s.t) AS t";
    let fragment = Fragment::Wrapper {
        start: at(shifted, "(SELECT"),
        end: at(shifted, ") AS") + 1,
        relation_offset: at(shifted, "s.t") - at(shifted, "(SELECT"),
        first_target_offset: Some(at(shifted, "id FROM") - at(shifted, "(SELECT")),
        ends: WrapperEnd::Parenthesis,
    };
    assert_eq!(judged(shifted, &[fragment]), Some(ObjectionKind::ProtectedRelation));
}

#[test]
fn a_change_names_protected_columns_of_its_target_only_in_generated_expressions() {
    let target = |sql: &str| Fragment::DmlTarget { start: at(sql, "s.t") };
    for fine in [
        "UPDATE s.t SET name = 'x' WHERE id = 1 RETURNING name",
        "UPDATE s.t AS c SET name = c.name WHERE c.id IN (SELECT * FROM s.clear)",
        "DELETE FROM s.t USING s.clear AS o WHERE o.ssn = 'x' AND t.id = o.id",
        "INSERT INTO s.t (id) SELECT * FROM s.clear ON CONFLICT (id) DO UPDATE SET name = excluded.name",
    ] {
        assert_eq!(judged(fine, &[target(fine)]), None, "{fine}");
        assert_eq!(plain(fine), Some(ObjectionKind::ProtectedRelation), "{fine}");
    }
    for wrong in [
        "UPDATE s.t SET name = ssn",
        "UPDATE s.t AS c SET name = 'x' WHERE c.ssn = '1'",
        "UPDATE s.t SET name = 'x' WHERE s.t.ssn = '1'",
        "UPDATE s.t SET name = 'x' RETURNING *",
        "UPDATE s.t SET name = 'x' RETURNING t.*",
        "UPDATE s.t SET name = 'x' RETURNING s.t.*",
        "UPDATE s.t SET name = 'x' RETURNING t",
        "UPDATE s.t SET name = 'x' RETURNING s.t",
        "UPDATE s.t SET name = 'x' RETURNING (t).ssn",
        "UPDATE s.t SET name = 'x' RETURNING t.row_to_json",
        "UPDATE s.t SET name = 'x' RETURNING old.ssn",
        "UPDATE s.t SET name = 'x' RETURNING new",
        "UPDATE s.t SET name = (SELECT ssn FROM s.clear LIMIT 1)",
        "DELETE FROM s.t WHERE ssn LIKE '1%'",
        "INSERT INTO s.t VALUES (1) ON CONFLICT (ssn) DO NOTHING",
        "INSERT INTO s.t VALUES (1) ON CONFLICT (id) DO UPDATE SET name = excluded.ssn",
        "INSERT INTO s.t VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x' WHERE t.ssn = '1'",
        "INSERT INTO s.t VALUES (1) RETURNING ssn",
        "EXPLAIN ANALYZE DELETE FROM s.t WHERE ssn LIKE '1%'",
        "PREPARE p AS DELETE FROM s.t WHERE ssn LIKE '1%'",
    ] {
        assert_eq!(judged(wrong, &[target(wrong)]), Some(ObjectionKind::ProtectedColumn), "{wrong}");
    }
    let masked = "UPDATE s.t SET name = 'x' RETURNING (ssn IS NULL) AS ssn";
    let expression = Fragment::Expression { start: at(masked, "(ssn"), end: at(masked, " AS ssn") };
    assert_eq!(judged(masked, &[target(masked), expression]), None);
}

#[test]
fn what_other_parsers_do_not_see_is_seen() {
    for text in [
        "SELECT 1 </* 'a */ 1, ssn FROM customers --'",
        "SELECT 1 >-- 'a\n 1, ssn FROM customers --'",
        "SELECT 1 end, ssn FROM customers",
        "SELECT box '1,1,2,2' &>'1,1,2,2', ssn FROM customers --'",
        "SELECT 1,'a' UNION ALL TABLE ONLY customers",
    ] {
        let outline = outline(text).unwrap();
        let [statement] = outline.statements.as_slice() else { panic!("{text}") };
        assert_eq!(statement.relations.len(), 1, "{text}");
        assert_eq!(plain(text), Some(ObjectionKind::UnqualifiedRelation), "{text}");
    }
    for text in [
        r"SELECT '\', ssn FROM customers --'",
        "SELECT 1, $$\n 2, ssn FROM customers --$$",
        "SELECT 1 AS \"a\\\", ssn FROM customers --\"",
    ] {
        let statement = outline(text).unwrap().statements.remove(0);
        let harmless = statement.relations.is_empty();
        let tokens = lexer::lex(text).unwrap();
        // Our lexer and the grammar agree on whether the name is inside of a literal.
        assert_eq!(harmless, !tokens.iter().any(|token| token.is_word(text, "customers")), "{text}");
    }
}

#[test]
fn a_tree_as_deep_as_the_caps_allow_is_walked_on_the_stack_of_a_session() {
    let text = format!("SELECT 1{}", " + 1".repeat(990));
    let tokens = lexer::lex(&text).unwrap();
    assert_eq!(lexer::Caps::default().check(&tokens, &text), Ok(()));
    let walk = move || assert_eq!(verify(&text, &[], &Rules), Ok(()));
    std::thread::Builder::new().stack_size(16 << 20).spawn(walk).unwrap().join().unwrap();
}
