//! The walk and the checker, on texts that other parsers read differently and on the shapes that are sent.

use super::*;
use crate::sql::lexer::{self, TokenKind};

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
fn calls_operators_and_types_are_admitted_one_by_one() {
    for fine in [
        "SELECT pg_catalog.lower('X') || 'a', EXTRACT(year FROM CURRENT_DATE), 1 IN (2), 3 BETWEEN 1 AND 2",
        "SELECT pg_catalog.count(*) FILTER (WHERE true) OVER (PARTITION BY 1 ORDER BY 1) FROM s.clear",
        "SELECT CASE 1 WHEN 2 THEN COALESCE(3, 4) END, (ARRAY[1])[1], ROW(1), GREATEST(1, 2), NULLIF(1, 2)",
        "SELECT 1::numeric(10, 2), 'a' COLLATE \"C\", INTERVAL '1 day', TIMESTAMP '2020-01-01' AT TIME ZONE 'UTC'",
        "SELECT XMLELEMENT(NAME a, XMLATTRIBUTES(1 AS b)), '{}'::json IS JSON",
        "SELECT 1 FROM s.clear TABLESAMPLE SYSTEM (10) REPEATABLE (1) WINDOW w AS (ORDER BY 1)",
        "SELECT 1 GROUP BY GROUPING SETS ((1), ()) HAVING true LIMIT 1 OFFSET 2",
    ] {
        assert_eq!(plain(fine), None, "{fine}");
    }
    for (wrong, kind) in [
        ("SELECT lower('x')", ObjectionKind::Function),
        ("SELECT pg_catalog.query_to_xml('x', true, true, '')", ObjectionKind::Function),
        ("SELECT 1 FROM s.clear, LATERAL public.dblink('x') AS d(a int)", ObjectionKind::Function),
        ("SELECT 1 FROM s.clear ORDER BY pg_catalog.pg_read_file('x')", ObjectionKind::Function),
        ("SELECT pg_catalog.max(1) FILTER (WHERE public.f()) FROM s.clear", ObjectionKind::Function),
        ("SELECT 1 LIMIT public.f()", ObjectionKind::Function),
        ("SELECT 1 FROM s.clear WINDOW w AS (PARTITION BY public.f())", ObjectionKind::Function),
        ("VALUES (1, public.f())", ObjectionKind::Function),
        ("SELECT (ARRAY[1])[public.f()]", ObjectionKind::Function),
        ("UPDATE s.clear SET a[public.f()] = 1", ObjectionKind::Function),
        ("SELECT JSON_OBJECT('a': public.f())", ObjectionKind::Function),
        ("SELECT XMLFOREST(public.f() AS a)", ObjectionKind::Function),
        ("EXECUTE p(public.f())", ObjectionKind::Function),
        ("SELECT db.pg_catalog.lower('x')", ObjectionKind::Function),
        ("SELECT 1 OPERATOR(public.+) 2", ObjectionKind::Operator),
        ("SELECT 1 ORDER BY 1 USING OPERATOR(public.<)", ObjectionKind::Operator),
        ("SELECT 1 OPERATOR(public.=) ANY (SELECT 1)", ObjectionKind::Operator),
        ("SELECT 'x'::evil", ObjectionKind::Type),
        ("SELECT 'x'::public.a[]", ObjectionKind::Type),
        ("PREPARE p(evil) AS SELECT 1", ObjectionKind::Type),
        ("SELECT * FROM pg_catalog.json_to_record('{}') AS x(a evil)", ObjectionKind::Type),
        ("SELECT 1 INTO x", ObjectionKind::PermanentRelation),
        ("SELECT 1 FROM s.clear TABLESAMPLE public.f (1)", ObjectionKind::Construct),
    ] {
        assert_eq!(plain(wrong), Some(kind), "{wrong}");
    }
}

#[test]
fn statements_that_reach_further_than_the_walk_are_refused() {
    for wrong in [
        "LISTEN a",
        "DO 'x'",
        "CALL public.f()",
        "CREATE TABLE x AS SELECT 1",
        "CREATE VIEW x AS SELECT 1",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "GRANT SELECT ON s.t TO x",
        "LOCK t",
        "LOCK s.nothing",
        "VACUUM s.t",
        "TRUNCATE s.t",
        "ALTER TABLE s.t DROP COLUMN ssn",
        "CREATE RULE r AS ON SELECT TO s.t DO INSTEAD SELECT 1",
        "EXPLAIN CREATE TABLE x AS SELECT 1",
        "SELECT 1; LOCK t",
        "ALTER ROLE x SET search_path = y",
        "ALTER SYSTEM SET a = b",
        "LOAD 'x'",
        "CREATE TEMP TABLE t (LIKE s.t)",
        "CREATE TEMP TABLE t () INHERITS (s.t)",
        "CREATE TEMP TABLE t PARTITION OF s.t DEFAULT",
        "CREATE TEMP TABLE t (a int) PARTITION BY LIST (a)",
        "CREATE TEMP TABLE t OF s.t",
        "CREATE TEMP TABLE t (a int REFERENCES s.t)",
        "CREATE TEMP TABLE t (a int, EXCLUDE USING gist (a WITH =))",
        "CREATE TEMP TABLE t (a text DEFAULT public.f())",
        "CREATE TEMP TABLE t (a evil)",
        "CREATE TEMP TABLE t AS SELECT * FROM s.t",
        "CREATE TEMP TABLE t AS EXECUTE p",
        "CREATE MATERIALIZED VIEW pg_temp.t AS SELECT 1",
        "DROP TABLE t",
        "DROP TABLE pg_temp.a, s.clear",
        "TRUNCATE pg_temp.a, s.clear",
        "ALTER TABLE pg_temp.a INHERIT s.t",
        "ALTER TABLE pg_temp.a ENABLE TRIGGER x",
        "ALTER TABLE pg_temp.a ALTER b TYPE text USING public.f()",
        "ALTER TABLE t RENAME TO x",
        "CREATE INDEX ON pg_temp.a (public.f())",
        "CREATE INDEX ON pg_temp.a (b my_ops)",
        "ANALYZE",
        "VACUUM",
    ] {
        assert!(plain(wrong).is_some(), "{wrong}");
    }
    for fine in ["BEGIN", "COMMIT", "SET x = y", "SHOW x", "FETCH 1 FROM c", "CLOSE c", "DEALLOCATE ALL", "", ";;"] {
        assert_eq!(plain(fine), None, "{fine}");
    }
    for fine in [
        "LOCK s.t",
        "CREATE TEMP TABLE t (a int PRIMARY KEY, b text DEFAULT 'x' CHECK (b IS NOT NULL), UNIQUE (b)) ON COMMIT DROP",
        "CREATE TABLE IF NOT EXISTS pg_temp.t (a int GENERATED ALWAYS AS IDENTITY)",
        "CREATE TEMP TABLE t AS SELECT 1 WITH NO DATA",
        "SELECT 1 INTO TEMP t",
        "DROP TABLE IF EXISTS pg_temp.a, pg_temp.b CASCADE",
        "TRUNCATE pg_temp.a",
        "ALTER TABLE pg_temp.a ADD b int, DROP c, ALTER d SET DEFAULT 1",
        "ALTER TABLE pg_temp.a RENAME b TO c",
        "CREATE INDEX ON pg_temp.a (b DESC, c text_pattern_ops) WHERE b IS NOT NULL",
        "ANALYZE pg_temp.a",
    ] {
        assert_eq!(plain(fine), None, "{fine}");
    }
    assert_eq!(plain("SELEC 1"), Some(ObjectionKind::Grammar));
    assert_eq!(plain("SELECT '\0'"), Some(ObjectionKind::Grammar));
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

/// Statements of many forms; every name in them must be found where a token starts.
const FORMS: &[&str] = &[
    "SELECT c.id, \"Name\" AS x, count(*), f(a, b => c) FROM public.customers AS c LEFT JOIN orders o USING (id) WHERE c.id = $1",
    "WITH RECURSIVE x (a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM x WHERE a < 10) SELECT x.*, (SELECT max(b) FROM y) FROM x",
    "INSERT INTO s.t (a, b[1], c) VALUES (1, 'x'::varchar(10), DEFAULT) ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE t.c > 0 RETURNING *",
    "UPDATE ONLY t AS u SET (a, b) = (SELECT c, d FROM v), e = CASE WHEN f THEN g ELSE h END FROM w WHERE u.i = w.i",
    "DELETE FROM t USING u WHERE t.a = u.a AND EXISTS (SELECT 1 FROM v WHERE v.b IN (1, 2, 3))",
    "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = s.b WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)",
    "SELECT EXTRACT(epoch FROM a), SUBSTRING(b FROM 1 FOR 2), a AT TIME ZONE 'utc', CAST(c AS numeric(10, 2)), d::int[] FROM t",
    "SELECT a, rank() OVER (PARTITION BY b ORDER BY c DESC NULLS LAST ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t WINDOW w AS (ORDER BY d)",
    "SELECT * FROM LATERAL generate_series(1, 2) AS g(i), ROWS FROM (f(1), g(2)) WITH ORDINALITY, XMLTABLE('/a' PASSING x COLUMNS b int PATH 'c')",
    "SELECT U&\"d\\0061t\", E'\\'', 'a'\n'b', X'1F', B'01', $$q$$, 1.5e10, .5, a -> 'b' ->> 'c', a @> b, - -1 FROM t /* c */ -- d",
    "VALUES (1, a.b.c), (2, (x).y), (3, z[1:2])",
    "SELECT DISTINCT ON (a) a FROM t GROUP BY GROUPING SETS ((a), ROLLUP (b, c)) HAVING sum(d) > 1 FOR UPDATE OF t SKIP LOCKED",
    "TABLE t",
    "COPY (SELECT a FROM t) TO STDOUT WITH (FORMAT csv)",
    "PREPARE p (int, text) AS SELECT a FROM t WHERE b = $1",
    "EXPLAIN (ANALYZE, BUFFERS) SELECT a FROM t",
    "DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT a FROM t",
    "SELECT JSON_OBJECT('a': b), JSON_ARRAYAGG(c ORDER BY d), JSON_VALUE(e, '$.f' RETURNING int) FROM t",
];

#[test]
fn every_name_stands_where_a_token_starts() {
    for text in FORMS {
        let tokens = lexer::lex(text).unwrap();
        let starts = |place: u32| tokens.iter().any(|token| token.start == place);
        for statement in outline(text).unwrap().statements {
            assert_eq!(tokens.first().map(|token| token.start), Some(statement.start), "{text}");
            for relation in &statement.relations {
                assert!(starts(relation.start), "{text}: {relation:?}");
            }
            for place in &statement.columns {
                assert!(starts(*place), "{text}: {place}");
            }
            for named in statement.functions.iter().chain(&statement.types) {
                assert!(named.start.is_none_or(starts), "{text}: {named:?}");
            }
        }
    }
}

#[test]
fn the_grammar_and_the_lexer_cut_statements_at_the_same_semicolons() {
    for text in ["SELECT 1; SELECT ';' ; ; SELECT $$;$$ /* ; */; -- ;\n SELECT 4", ";;SELECT 1", "SELECT 1;;", "  "] {
        let tokens = lexer::lex(text).unwrap();
        let mut ours = Vec::new();
        let mut fresh = true;
        for token in &tokens {
            let semicolon = token.kind == TokenKind::Punctuation && token.text(text) == ";";
            if fresh && !semicolon {
                ours.push(token.start);
            }
            fresh = semicolon;
        }
        let theirs: Vec<u32> = outline(text).unwrap().statements.iter().map(|statement| statement.start).collect();
        assert_eq!(ours, theirs, "{text:?}");
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
