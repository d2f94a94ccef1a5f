//! What the last check objects to, and what it lets through: each rule with a text that would show something without it.

mod names;

use proptest::prelude::*;

use super::*;

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
fn an_objection_says_what_and_where() {
    let found = verify("SELECT 1 FROM public.open, public.t", &[], &Rules).unwrap_err();
    assert_eq!((found.name.as_str(), found.position), ("t", Some(27)));
    assert_eq!(found.to_string(), "relation \"t\" is protected");
    let found = verify("SELECT 1 FROM FROM", &[], &Rules).unwrap_err();
    assert_eq!((found.kind, found.to_string().as_str()), (ObjectionKind::Grammar, "syntax error at or near \"FROM\""));
}

proptest! {
    /// Neither panics, whatever the text; and what has no outline is never let through.
    #[test]
    fn any_text_is_answered(sql in "\\PC{0,60}") {
        let outlined = outline(&sql);
        let verified = verify(&sql, &[], &Rules);
        prop_assert!(outlined.is_ok() || verified.is_err());
    }
}
