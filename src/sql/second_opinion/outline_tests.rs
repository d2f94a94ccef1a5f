//! What an outline names, of which kind it is, and where: for any text as the server would read it.

use proptest::prelude::*;

use super::*;
use crate::sql::lexer::{self, TokenKind};

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

proptest! {
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
