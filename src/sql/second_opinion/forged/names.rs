//! Names that mean something else than what was checked.

use super::*;

#[test]
fn names_mean_what_was_checked() {
    use ObjectionKind as K;
    for (template, kind) in [
        ("SELECT 1 FROM t", K::UnqualifiedRelation),
        ("SELECT 1 FROM open", K::UnqualifiedRelation),
        ("UPDATE t SET id = 1", K::UnqualifiedRelation),
        ("INSERT INTO open DEFAULT VALUES", K::UnqualifiedRelation),
        ("COPY open FROM STDIN", K::UnqualifiedRelation),
        ("SELECT 1 FROM other.t", K::UnknownRelation),
        ("SELECT 1 FROM pg_temp.t", K::UnknownRelation),
        ("SELECT 1 FROM public.\"T\"", K::UnknownRelation),
        ("SELECT lower('A')", K::Function),
        ("SELECT public.lower('A')", K::Function),
        ("SELECT pg_catalog.query_to_xml('')", K::Function),
        ("SELECT a.pg_catalog.lower('A')", K::Function),
        ("SELECT * FROM generate_series(1, 2)", K::Function),
        ("SELECT * FROM ROWS FROM (pg_catalog.now(), public.f()) x", K::Function),
        ("SELECT pg_catalog.max(f()) FILTER (WHERE true)", K::Function),
        ("SELECT pg_catalog.max(1) FILTER (WHERE f())", K::Function),
        ("SELECT pg_catalog.max(1) OVER (ORDER BY f())", K::Function),
        ("SELECT 1 FROM public.open WINDOW w AS (PARTITION BY f())", K::Function),
        ("SELECT 1 LIMIT f()", K::Function),
        ("SELECT 1 ORDER BY f()", K::Function),
        ("VALUES (f())", K::Function),
        ("EXECUTE p(f())", K::Function),
        ("SELECT 1 #@ 2", K::Operator),
        ("SELECT 1 OPERATOR(public.+) 2", K::Operator),
        ("SELECT 1 ORDER BY 1 USING OPERATOR(public.<)", K::Operator),
        ("SELECT 1 #@ ANY (SELECT 2)", K::Operator),
        ("EXECUTE p(1 #@ 2)", K::Operator),
        ("SELECT 1::checked", K::Type),
        ("SELECT 1::public.anything", K::Type),
        ("SELECT CAST(1 AS checked[])", K::Type),
        ("SELECT * FROM pg_catalog.json_to_record('{}') AS x(a checked)", K::Type),
        ("PREPARE p (checked) AS SELECT $1", K::Type),
        ("EXECUTE p(1::checked)", K::Type),
        ("SELECT (ROW(1)).peek", K::Attribute),
        ("SELECT 1 INTO x", K::PermanentRelation),
        ("EXPLAIN SELECT 1 INTO TEMP x", K::Construct),
        ("PREPARE p AS SELECT 1 INTO TEMP x", K::Construct),
        ("SELECT 1 INTO TEMP x UNION SELECT 2", K::Construct),
        ("SELECT * FROM public.open TABLESAMPLE mine (1)", K::Construct),
        ("EXPLAIN EXECUTE p", K::Construct),
        ("EXPLAIN CREATE TABLE x AS SELECT 1", K::Construct),
        ("SELECT 1; DO ''", K::Statement),
        ("LISTEN x", K::Statement),
        ("SELECT 'a", K::Grammar),
        ("SELECT 1; FROM", K::Grammar),
    ] {
        let found = verify(template, &[], &Rules).map_err(|objection| objection.kind);
        assert_eq!(found, Err(kind), "{template}");
    }
}

#[test]
fn a_common_table_expression_is_one_only_in_its_scope() {
    use ObjectionKind::{ProtectedRelation, UnqualifiedRelation};
    for (template, kind) in [
        // Without RECURSIVE, a query does not see its own name, nor those behind it.
        ("WITH t AS (SELECT * FROM t) SELECT * FROM t", UnqualifiedRelation),
        ("WITH a AS (SELECT * FROM t), t AS (SELECT 1) SELECT 1", UnqualifiedRelation),
        // The name ends with the query that it belongs to.
        ("SELECT 1 FROM (WITH t AS (SELECT 1) SELECT 1) x, t", UnqualifiedRelation),
        ("(WITH t AS (SELECT 1) SELECT * FROM t) UNION ALL SELECT * FROM t", UnqualifiedRelation),
        ("WITH a AS (WITH t AS (SELECT 1) SELECT * FROM t) SELECT * FROM t", UnqualifiedRelation),
        ("SELECT (WITH t AS (SELECT 1) SELECT 1), (SELECT 1 FROM t)", UnqualifiedRelation),
        ("WITH t AS (SELECT 1) SELECT 1; SELECT * FROM t", UnqualifiedRelation),
        // A schema, or a change, means the relation whatever names there are.
        ("WITH t AS (SELECT 1) SELECT * FROM public.t", ProtectedRelation),
        ("WITH t AS (SELECT 1) UPDATE t SET id = 1", UnqualifiedRelation),
        ("WITH t AS (SELECT 1) DELETE FROM public.t", ProtectedRelation),
        ("WITH t AS (SELECT 1) INSERT INTO t SELECT 1", UnqualifiedRelation),
        // What is in a data-modifying one is judged as anywhere.
        ("WITH w AS (INSERT INTO public.open SELECT id FROM public.t RETURNING n) SELECT * FROM w", ProtectedRelation),
        ("WITH RECURSIVE w AS (SELECT id FROM public.t UNION SELECT id FROM w) SELECT * FROM w", ProtectedRelation),
    ] {
        assert_eq!(judged(template), Err(kind), "{template}");
    }
    for template in [
        "WITH t AS (SELECT 1), u AS (SELECT * FROM t) SELECT * FROM u, t",
        "WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a",
        "WITH t AS (SELECT 1) SELECT * FROM (SELECT * FROM (SELECT * FROM t) x) y",
        "WITH t AS (SELECT 1) SELECT * FROM (WITH t AS (SELECT * FROM t) SELECT * FROM t) x",
        "WITH t AS (SELECT 1) INSERT INTO public.open SELECT * FROM t",
        "WITH t AS (SELECT 1 AS n) UPDATE public.open SET n = t.n FROM t",
    ] {
        assert_eq!(judged(template), Ok(()), "{template}");
    }
}
