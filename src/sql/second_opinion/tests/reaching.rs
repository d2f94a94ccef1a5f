//! Calls, operators, types and statements: each is admitted by itself, and what reaches further than the walk sees is not.

use super::*;

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
