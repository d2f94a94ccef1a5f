//! What the last check objects to, and what it lets through: each rule with a text that would show something without it.

use proptest::prelude::*;

use super::*;
use crate::sql::lexer;

/// `public.t` is protected: `id` is clear, `secret` is not. `public.open` is clear. Nothing else exists.
struct Rules;

impl Admission for Rules {
    fn relation(&self, schema: &str, name: &str) -> RelationAdmission {
        match (schema, name) {
            ("public", "t") => RelationAdmission::Protected,
            ("public", "open") => RelationAdmission::Clear,
            _ => RelationAdmission::Unknown,
        }
    }

    fn column(&self, schema: &str, relation: &str, column: &str) -> ColumnAdmission {
        match (schema, relation, column) {
            ("public", "t", "id") | ("public", "open", "id" | "n") => ColumnAdmission::Clear,
            ("public", "t", "secret") => ColumnAdmission::Protected,
            _ => ColumnAdmission::Unknown,
        }
    }

    fn function(&self, schema: Option<&str>, name: &str) -> bool {
        schema == Some("pg_catalog") && name != "query_to_xml"
    }

    fn operator(&self, schema: Option<&str>, name: &str) -> bool {
        schema.is_none_or(|schema| schema == "pg_catalog") && name != "#@"
    }

    fn type_name(&self, schema: Option<&str>, name: &str) -> bool {
        schema.is_none_or(|schema| schema == "pg_catalog") && name != "checked"
    }

    fn attribute(&self, name: &str) -> bool {
        name != "peek"
    }

    fn statement(&self, kind: &StatementKind) -> bool {
        !matches!(kind, StatementKind::Do | StatementKind::Listen)
    }
}

const WRAPPER: &str = r#"(SELECT "id", (NULL::text) AS "secret" FROM "public"."t")"#;
const TARGET: &str = r#""public"."t""#;
const EXPRESSION: &str = r#"(pg_catalog.lower("t"."secret"))"#;

fn wrapper_at(start: usize) -> Fragment {
    let offset = |part: &str| WRAPPER.find(part).unwrap() as u32;
    Fragment::Wrapper {
        start: start as u32,
        end: (start + WRAPPER.len()) as u32,
        relation_offset: offset(TARGET),
        first_target_offset: Some(offset("\"id\"")),
        ends: WrapperEnd::Parenthesis,
    }
}

/// Writes generated text in place of `{W}`, `{T}` and `{E}`, and says where it stands.
fn generated(template: &str) -> (String, Vec<Fragment>) {
    let (mut text, mut fragments, mut rest) = (String::new(), Vec::new(), template);
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        let start = text.len();
        match &rest[at..at + 3] {
            "{W}" => {
                fragments.push(wrapper_at(start));
                text.push_str(WRAPPER);
            }
            "{T}" => {
                fragments.push(Fragment::DmlTarget { start: start as u32 });
                text.push_str(TARGET);
            }
            "{E}" => {
                let end = (start + EXPRESSION.len()) as u32;
                fragments.push(Fragment::Expression { start: start as u32, end });
                text.push_str(EXPRESSION);
            }
            other => panic!("{other}"),
        }
        rest = &rest[at + 3..];
    }
    (text + rest, fragments)
}

fn judged(template: &str) -> Result<(), ObjectionKind> {
    let (text, fragments) = generated(template);
    verify(&text, &fragments, &Rules).map_err(|objection| objection.kind)
}

#[test]
fn good_forms_are_let_through() {
    for template in [
        "SELECT secret FROM {W} AS t",
        "SELECT t.*, t FROM {W} t WHERE secret > 'a' GROUP BY GROUPING SETS ((id), ()) HAVING pg_catalog.max(secret) > ''",
        "SELECT 1 FROM {W} a JOIN {W} b USING (id) NATURAL JOIN public.open",
        "SELECT x FROM public.open o, LATERAL (SELECT secret AS x FROM {W} t WHERE t.id = o.id) l",
        "SELECT (SELECT pg_catalog.min(secret) FROM {W} t), EXISTS (SELECT 1 FROM {W} t)",
        "WITH w AS (SELECT * FROM {W} t) SELECT * FROM w",
        "WITH RECURSIVE w AS (SELECT id FROM {W} t UNION ALL SELECT id + 1 FROM w) SELECT * FROM w",
        "WITH t AS (SELECT 1 AS secret) SELECT secret FROM t",
        "WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b",
        "SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x",
        "(SELECT id FROM {W} t) UNION (SELECT id FROM public.open) ORDER BY 1",
        "VALUES ((SELECT secret FROM {W} t))",
        "UPDATE {T} SET id = 1 WHERE {E} = 'a' RETURNING id, {E} AS secret",
        "UPDATE {T} SET secret = 'a'",
        "UPDATE {T} AS x SET id = o.n FROM public.open o WHERE o.id = x.id",
        "UPDATE public.open SET n = secret FROM {W} t",
        "WITH gone AS (DELETE FROM {T} RETURNING id) SELECT * FROM gone",
        "INSERT INTO {T} (id, secret) VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET secret = 'x' WHERE t.id > excluded.id",
        "INSERT INTO public.open (n) SELECT secret FROM {W} t",
        "COPY (SELECT * FROM {W} t) TO STDOUT",
        "COPY public.t (id) FROM STDIN",
        "PREPARE p (text) AS SELECT $1 FROM {W} t",
        "EXECUTE p(-1, 'a'::text, NULL)",
        "DECLARE c CURSOR FOR SELECT * FROM {W} t FOR UPDATE OF t",
        "EXPLAIN SELECT * FROM public.open",
        "SELECT pg_catalog.now() AT TIME ZONE 'UTC', CASE 1 WHEN 2 THEN 3 END, (ARRAY[1])[1], (ROW(1)).f1",
        "SELECT 1 OPERATOR(pg_catalog.+) 2 BETWEEN 3 AND 4",
        "SET x = 1; SELECT 1; COMMIT",
        "",
    ] {
        let (text, fragments) = generated(template);
        assert_eq!(verify(&text, &fragments, &Rules), Ok(()), "{text}");
    }
}

#[test]
fn a_protected_relation_stands_only_in_its_wrapper() {
    for template in [
        "SELECT id FROM public.t",
        "SELECT id FROM ONLY public.t",
        "TABLE public.t",
        "SELECT 1 FROM {W} a, public.t b",
        "SELECT (SELECT secret FROM public.t)",
        "SELECT 1 FROM public.open WHERE EXISTS (SELECT 1 FROM public.t)",
        "SELECT 1 FROM public.open JOIN public.t USING (id)",
        "SELECT 1 FROM public.t TABLESAMPLE system (1)",
        "SELECT 1 UNION SELECT id FROM public.t",
        "WITH w AS (SELECT * FROM public.t) SELECT 1",
        "INSERT INTO public.open SELECT id FROM public.t",
        "INSERT INTO public.open (n) VALUES ((SELECT secret FROM public.t))",
        "UPDATE public.open SET n = secret FROM public.t",
        "DELETE FROM public.open USING public.t",
        "UPDATE public.open SET n = (SELECT secret FROM public.t)",
        "COPY public.t TO STDOUT",
        "COPY (TABLE public.t) TO STDOUT",
        "EXPLAIN SELECT * FROM public.t",
        "PREPARE p AS SELECT * FROM public.t",
        "DECLARE c CURSOR FOR SELECT * FROM public.t",
        // A change of it that was not decided on.
        "UPDATE public.t SET id = 1",
        "DELETE FROM public.t",
        "INSERT INTO public.t DEFAULT VALUES",
        "MERGE INTO public.t USING public.open o ON true WHEN MATCHED THEN DELETE",
        // Generated text that the server does not read as such.
        "SELECT '{W}' FROM public.t",
        "SELECT $${W}$$ FROM public.t",
        "SELECT $a${W}$a$, id FROM public.t",
        "SELECT E'\\'{W}' FROM public.t",
        "SELECT id FROM public.t -- {W}",
        "SELECT id FROM public.t /* {W} */",
        "SELECT id FROM public.t /* /* */ {W} */",
        "SELECT '{T}' AS x; UPDATE public.t SET id = 1",
    ] {
        assert_eq!(judged(template), Err(ObjectionKind::ProtectedRelation), "{template}");
    }
}

#[test]
fn an_altered_wrapper_is_none() {
    let with = |before: &str, altered: &str, after: &str| {
        let text = format!("{before}{altered}{after}");
        verify(&text, &[wrapper_at(before.len())], &Rules).map_err(|objection| objection.kind)
    };
    assert_eq!(with("SELECT 1 FROM ", WRAPPER, " t"), Ok(()));
    let inside = WRAPPER.strip_suffix(')').unwrap();
    for added in [
        " WHERE \"secret\" = 'a'",
        " GROUP BY \"secret\"",
        " ORDER BY \"secret\"",
        " LIMIT 1",
        " OFFSET 1",
        " HAVING true",
        " FOR UPDATE",
        " AS x",
        " x(a, b)",
        ", \"public\".\"open\"",
        " JOIN \"public\".\"open\" ON true",
        " TABLESAMPLE system (1)",
    ] {
        let found = with("SELECT 1 FROM ", &format!("{inside}{added})"), " t");
        assert_eq!(found, Err(ObjectionKind::ProtectedRelation), "{added}");
    }
    for (from, to) in [
        ("SELECT \"id\"", "SELECT DISTINCT \"id\""),
        ("(NULL::text) AS \"secret\"", "\"secret\""),
        ("\"id\"", "\"id\", \"secret\""),
        ("\"id\"", "*"),
        ("FROM ", "FROM ONLY "),
        ("(SELECT", "(WITH w AS (SELECT 1) SELECT"),
        ("\"id\", ", ""),
    ] {
        let altered = WRAPPER.replacen(from, to, 1);
        let found = with("SELECT 1 FROM ", &altered, " t");
        assert_eq!(found, Err(ObjectionKind::ProtectedRelation), "{altered}");
    }
    // The right text where no FROM item stands, behind LATERAL, or as one arm.
    for (before, after) in [
        ("SELECT ", ""),
        ("SELECT 1 WHERE 1 IN ", ""),
        ("SELECT 1 FROM public.open, LATERAL ", " t"),
        ("SELECT 1 FROM (SELECT 1, NULL UNION ALL ", ") t"),
        ("WITH w AS ", " SELECT * FROM w"),
        ("INSERT INTO public.open ", ""),
    ] {
        assert_eq!(with(before, WRAPPER, after), Err(ObjectionKind::ProtectedRelation), "{before}{after}");
    }
    // The fragment is there, one byte off.
    for start in [13, 15] {
        let text = format!("SELECT 1 FROM {WRAPPER} t");
        assert!(verify(&text, &[wrapper_at(start)], &Rules).is_err());
    }
}

#[test]
fn what_is_protected_of_the_target_of_a_change_stands_only_in_generated_expressions() {
    for template in [
        "UPDATE {T} SET id = 1 RETURNING secret",
        "UPDATE {T} SET id = 1 RETURNING t.secret",
        "UPDATE {T} SET id = 1 RETURNING public.t.secret",
        "UPDATE {T} x SET id = 1 RETURNING x.secret",
        "UPDATE {T} SET id = 1 RETURNING *",
        "UPDATE {T} SET id = 1 RETURNING t.*",
        "UPDATE {T} SET id = 1 RETURNING t",
        "UPDATE {T} SET id = 1 RETURNING pg_catalog.row_to_json(t)",
        "UPDATE {T} SET id = 1 RETURNING (t).secret",
        "UPDATE {T} SET id = 1 RETURNING t.row_to_json",
        "UPDATE {T} SET id = 1 RETURNING {E}, secret",
        "UPDATE {T} SET id = 1 WHERE secret = 'a'",
        "UPDATE {T} SET id = pg_catalog.length(secret)",
        "UPDATE {T} SET (id) = (SELECT n FROM public.open WHERE n = secret)",
        "UPDATE {T} SET id = 1 FROM public.open o WHERE o.n = secret",
        "UPDATE {T} SET id = 1 FROM (SELECT secret AS s) x",
        "DELETE FROM {T} WHERE secret IS NULL",
        "DELETE FROM {T} USING public.open o RETURNING o.n, secret",
        "DELETE FROM {T} RETURNING *",
        "INSERT INTO {T} (id) VALUES (1) RETURNING secret",
        "INSERT INTO {T} (id) VALUES (1) ON CONFLICT (secret) DO NOTHING",
        "INSERT INTO {T} (id) VALUES (1) ON CONFLICT (pg_catalog.lower(secret)) DO NOTHING",
        "INSERT INTO {T} (id) VALUES (1) ON CONFLICT (id) WHERE secret > '' DO NOTHING",
        "INSERT INTO {T} (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = pg_catalog.length(t.secret)",
        "INSERT INTO {T} (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = pg_catalog.length(excluded.secret)",
        "INSERT INTO {T} (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 1 WHERE t.secret = 'a'",
        "INSERT INTO {T} (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 1 RETURNING excluded",
        "INSERT INTO {T} AS n (id) VALUES (1) RETURNING n.secret",
        "WITH w AS (UPDATE {T} SET id = 1 RETURNING secret) SELECT * FROM w",
        "COPY (UPDATE {T} SET id = 1 RETURNING secret) TO STDOUT",
        "PREPARE p AS DELETE FROM {T} WHERE secret = $1",
        // Generated text in a literal makes nothing beside it right.
        "UPDATE {T} SET id = 1 WHERE '{E}' = secret",
    ] {
        assert_eq!(judged(template), Err(ObjectionKind::ProtectedColumn), "{template}");
    }
}

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

#[test]
fn an_objection_says_what_and_where() {
    let found = verify("SELECT 1 FROM public.open, public.t", &[], &Rules).unwrap_err();
    assert_eq!((found.name.as_str(), found.position), ("t", Some(27)));
    assert_eq!(found.to_string(), "relation \"t\" is protected");
    let found = verify("SELECT 1 FROM FROM", &[], &Rules).unwrap_err();
    assert_eq!((found.kind, found.to_string().as_str()), (ObjectionKind::Grammar, "syntax error at or near \"FROM\""));
}

fn named(sql: &str) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for statement in &outline(sql).unwrap().statements {
        write!(out, "{}[{}..{}]", statement.kind.as_str(), statement.start, statement.end).unwrap();
        for relation in &statement.relations {
            let schema = relation.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
            write!(out, " {:?}:{schema}{}@{}", relation.verb, relation.name, relation.start).unwrap();
        }
        for function in &statement.functions {
            write!(out, " {}()@{}", function.parts.join("."), function.start.unwrap()).unwrap();
        }
        for ty in &statement.types {
            write!(out, " ::{}@{}", ty.parts.join("."), ty.start.unwrap()).unwrap();
        }
        for column in &statement.columns {
            write!(out, " @{column}").unwrap();
        }
        out.push(';');
    }
    out
}

#[test]
fn an_outline_names_everything_with_its_place() {
    for (sql, expected) in [
        ("SELECT a, f(b) FROM s.t", "SELECT[0..23] Read:s.t@20 f()@10 @7 @12;"),
        ("SELECT * FROM t x JOIN u USING (a)", "SELECT[0..34] Read:t@14 Read:u@23 @7;"),
        ("WITH w AS (SELECT 1) SELECT * FROM w", "SELECT[0..36] Read:w@35 @28;"),
        ("VALUES (a::s.ty)", "SELECT[0..16] ::s.ty@11 @8;"),
        ("SELECT a INTO b FROM c", "SELECT INTO[0..22] Read:c@21 @7;"),
        ("INSERT INTO t (a) SELECT b FROM u", "INSERT[0..33] Insert:t@12 Read:u@32 @25;"),
        ("UPDATE t SET a = b FROM u WHERE c", "UPDATE[0..33] Update:t@7 Read:u@24 @17 @32;"),
        ("DELETE FROM t USING u RETURNING *", "DELETE[0..33] Delete:t@12 Read:u@20 @32;"),
        ("MERGE INTO t USING u ON a WHEN MATCHED THEN DELETE", "MERGE[0..50] Merge:t@11 Read:u@19 @24;"),
        ("COPY s.t (a) TO STDOUT", "COPY[0..22] Read:s.t@5;"),
        ("COPY t FROM STDIN", "COPY[0..17] Insert:t@5;"),
        ("COPY (SELECT a FROM t) TO STDOUT", "COPY[0..32] Read:t@20 @13;"),
        ("EXPLAIN SELECT a FROM t", "EXPLAIN[0..23] Read:t@22 @15;"),
        ("PREPARE p (ty) AS SELECT $1 FROM t", "PREPARE[0..34] Read:t@33 ::ty@11;"),
        ("EXECUTE p(f(1))", "EXECUTE[0..15] f()@10;"),
        ("DEALLOCATE p", "DEALLOCATE[0..12];"),
        ("DECLARE c CURSOR FOR TABLE t", "DECLARE CURSOR[0..28] Read:t@27;"),
        ("FETCH 1 FROM c", "FETCH[0..14];"),
        ("CLOSE c", "CLOSE[0..7];"),
        ("BEGIN; COMMIT", "transaction control[0..5];transaction control[7..13];"),
        ("SET a.b = 1", "SET[0..11];"),
        ("RESET a", "RESET[0..7];"),
        ("RESET ALL", "RESET[0..9];"),
        ("SHOW a", "SHOW[0..6];"),
        ("DISCARD ALL", "DISCARD[0..11];"),
        ("LISTEN a", "LISTEN[0..8];"),
        ("UNLISTEN *", "UNLISTEN[0..10];"),
        ("NOTIFY a", "NOTIFY[0..8];"),
        ("LOCK t", "LOCK TABLE[0..6] Other:t@5;"),
        ("CALL f()", "CALL[0..8] f()@5;"),
        ("DO ''", "DO[0..5];"),
        ("VACUUM t", "VACUUM or ANALYZE[0..8] Other:t@7;"),
        ("SET CONSTRAINTS ALL DEFERRED", "SET CONSTRAINTS[0..28];"),
        ("CREATE TABLE x AS SELECT a FROM t", "CREATE TABLE AS[0..33] Read:t@32 @25;"),
        ("CREATE VIEW v AS SELECT a FROM t", "a change of structure[0..32] Read:t@31 @24;"),
        ("ALTER TABLE t DROP COLUMN a", "ALTER TABLE[0..27] Other:t@12;"),
        ("CREATE INDEX ON t (a)", "CREATE INDEX[0..21] Other:t@16;"),
        ("DROP TABLE t", "DROP TABLE[0..12];"),
        ("CHECKPOINT", "this kind of statement[0..10];"),
        ("", ""),
        (" ; ;", ""),
        // Places are those of bytes.
        ("SELECT 'é', a FROM t", "SELECT[0..21] Read:t@20 @13;"),
    ] {
        assert_eq!(named(sql), expected, "{sql}");
    }
}

#[test]
fn settings_and_transactions_are_told_apart() {
    let kind = |sql: &str| outline(sql).unwrap().statements.remove(0).kind;
    let set = |name: &str| StatementKind::Set { name: name.to_owned() };
    for (sql, name) in [
        ("SET Role = x", "role"),
        ("SET LOCAL ROLE x", "role"),
        ("SET SESSION AUTHORIZATION x", "session_authorization"),
        ("SET NAMES 'x'", "client_encoding"),
        ("SET TIME ZONE 'x'", "timezone"),
        ("SET TRANSACTION READ ONLY", "default_transaction_isolation"),
        ("SET TRANSACTION SNAPSHOT 'x'", "transaction snapshot"),
        ("SET a FROM CURRENT", "a"),
    ] {
        assert_eq!(kind(sql), set(name), "{sql}");
    }
    assert_eq!(kind("SET ROLE TO DEFAULT"), StatementKind::Reset { name: "role".to_owned() });
    assert_eq!(kind("RESET SESSION AUTHORIZATION"), StatementKind::Reset { name: "session_authorization".to_owned() });
    assert_eq!(kind("PREPARE TRANSACTION 'x'"), StatementKind::Transaction(TransactionKind::TwoPhase));
    assert_eq!(kind("ROLLBACK TO s"), StatementKind::Transaction(TransactionKind::RollbackTo));
    assert_eq!(kind("COPY t TO PROGRAM 'x'"), StatementKind::Copy { file: false, program: true, filtered: false });
    assert_eq!(kind("COPY t FROM '/x' WHERE a"), StatementKind::Copy { file: true, program: false, filtered: true });
}

proptest! {
    /// Neither panics, whatever the text; and what has no outline is never let through.
    #[test]
    fn any_text_is_answered(sql in "\\PC{0,60}") {
        let outlined = outline(&sql);
        let verified = verify(&sql, &[], &Rules);
        prop_assert!(outlined.is_ok() || verified.is_err());
    }

    /// Places of names are places of tokens.
    #[test]
    fn places_are_those_of_tokens(words in proptest::collection::vec("(SELECT|FROM|,|a|\"b\"|s\\.t|f\\(1\\)|::text|WHERE|'é'|/\\* x \\*/|\\*)", 1..12)) {
        let sql = words.join(" ");
        if let Ok(outline) = outline(&sql) {
            let starts: Vec<u32> = lexer::lex(&sql).unwrap().iter().map(|token| token.start).collect();
            for statement in &outline.statements {
                let relations = statement.relations.iter().map(|relation| relation.start);
                for place in relations.chain(statement.columns.iter().copied()) {
                    prop_assert!(starts.contains(&place), "{} in {}", place, sql);
                }
            }
        }
    }
}
