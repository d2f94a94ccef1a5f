//! What the last check holds of raw columns: that nothing but a comparison for equality with constants reaches one.

use super::*;

/// `public.t` is protected: `mail` may be looked up, `secret` may not. `public.open` is clear. Nothing else exists.
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
            ("public", "t", "id") => ColumnAdmission::Clear,
            ("public", "t", "secret") => ColumnAdmission::Protected,
            ("public", "t", "mail") => ColumnAdmission::Lookup,
            _ => ColumnAdmission::Unknown,
        }
    }

    fn function(&self, _schema: Option<&str>, _name: &str) -> bool {
        true
    }

    fn operator(&self, _schema: Option<&str>, _name: &str) -> bool {
        true
    }

    fn type_name(&self, _schema: Option<&str>, _name: &str) -> bool {
        true
    }

    fn constant_type(&self, _schema: Option<&str>, name: &str) -> bool {
        name != "checked"
    }

    fn statement(&self, _kind: &StatementKind) -> bool {
        true
    }
}

/// Writes a projection that carries a raw column in place of `{W}`, the target of a change in place of `{T}`, and a
/// whole row put together anew in place of `{E}`.
fn judged_with(template: &str, carried: &str) -> Result<(), ObjectionKind> {
    let wrapper = format!("(SELECT \"id\", (NULL::text) AS \"mail\", {carried} FROM \"public\".\"t\")");
    let (mut text, mut fragments, mut rest) = (String::new(), Vec::new(), template);
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        let start = text.len() as u32;
        let written = match &rest[at..at + 3] {
            "{W}" => wrapper.as_str(),
            "{T}" => "\"public\".\"t\"",
            "{E}" => "(CASE WHEN t IS DISTINCT FROM NULL THEN ROW(t.id) END)",
            other => panic!("{other}"),
        };
        text.push_str(written);
        let end = text.len() as u32;
        let offset = |part: &str| wrapper.find(part).unwrap() as u32;
        fragments.push(match &rest[at..at + 3] {
            "{W}" => Fragment::Wrapper {
                start,
                end,
                relation_offset: offset("\"public\""),
                first_target_offset: Some(offset("\"id\"")),
                ends: WrapperEnd::Parenthesis,
            },
            "{T}" => Fragment::DmlTarget { start },
            _ => Fragment::Expression { start, end },
        });
        rest = &rest[at + 3..];
    }
    text.push_str(rest);
    verify(&text, &fragments, &Rules).map_err(|objection| objection.kind)
}

fn judged(template: &str) -> Result<(), ObjectionKind> {
    judged_with(template, "\"mail\" AS pgcovenant_raw_0_2")
}

#[test]
fn comparisons_with_constants_are_let_through() {
    for template in [
        "SELECT id FROM {W} t WHERE pgcovenant_raw_0_2 = 'a'",
        "SELECT id FROM {W} t WHERE 'a' = pgcovenant_raw_0_2 AND NOT (pgcovenant_raw_0_2 IN ('a', $1) OR id = 1)",
        "SELECT id FROM {W} t WHERE pgcovenant_raw_0_2 = ANY (ARRAY['a', $1::text]::text[])",
        "SELECT id FROM {W} t WHERE pgcovenant_raw_0_2 OPERATOR(pg_catalog.=) ANY ($1)",
        "SELECT o.n FROM public.open o JOIN {W} t ON t.id = o.n AND pgcovenant_raw_0_2 = 'a'",
        "SELECT t.id, t.mail, {E} FROM {W} t WHERE pgcovenant_raw_0_2 = 'a'",
        "SELECT * FROM (SELECT id FROM {W} t WHERE pgcovenant_raw_0_2 = 'a') s",
        "SELECT s FROM (SELECT id FROM {W} t WHERE pgcovenant_raw_0_2 = 'a') s",
        "SELECT a, b FROM {W} t(a, b) WHERE pgcovenant_raw_0_2 = 'a'",
        "UPDATE public.open SET n = 1 FROM {W} t WHERE pgcovenant_raw_0_2 = 'a'",
        "UPDATE {T} SET id = 1 WHERE mail = 'a' AND t.mail IN ('a')",
        "DELETE FROM {T} WHERE 'a' = public.t.mail",
    ] {
        assert_eq!(judged(template), Ok(()), "{template}");
    }
}

#[test]
fn nothing_else_reaches_a_raw_column() {
    for template in [
        "SELECT pgcovenant_raw_0_2 FROM {W} t",
        "SELECT t.pgcovenant_raw_0_2 = 'a' FROM {W} t",
        "SELECT (t).pgcovenant_raw_0_2 FROM {W} t",
        "SELECT * FROM {W} t",
        "SELECT t.* FROM {W} t",
        "SELECT t FROM {W} t",
        "SELECT pg_catalog.to_jsonb(t) FROM {W} t",
        "SELECT pg_catalog.to_jsonb(t.*) FROM {W} t",
        "SELECT t.to_jsonb FROM {W} t",
        "SELECT (t).to_jsonb FROM {W} t",
        "SELECT ROW(t.*) FROM {W} t",
        "SELECT (SELECT t) FROM {W} t",
        "SELECT x FROM {W} t, LATERAL (SELECT t.*) x",
        "SELECT x FROM {W} t, LATERAL (SELECT t) x",
        "SELECT x FROM {W} t, pg_catalog.to_jsonb(t) x",
        "SELECT 1 FROM {W} t WHERE t IS NULL",
        "SELECT 1 FROM {W} t ORDER BY t",
        "SELECT 1 FROM {W} t GROUP BY pgcovenant_raw_0_2",
        "SELECT 1 FROM {W} t GROUP BY id HAVING pgcovenant_raw_0_2 = 'a'",
        "SELECT 1 FROM {W} t ORDER BY pgcovenant_raw_0_2 = 'a'",
        "SELECT pg_catalog.count(*) FILTER (WHERE pgcovenant_raw_0_2 = 'a') FROM {W} t",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 > 'a'",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 <> 'a'",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 LIKE 'a'",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 BETWEEN 'a' AND 'b'",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 IS DISTINCT FROM 'a'",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 IS NULL",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 NOT IN ('a')",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 = ALL ($1)",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 OPERATOR(public.=) 'a'",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 = id",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 = pgcovenant_raw_0_2",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 IN ('a', mail)",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 IN (SELECT 'a')",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 = ANY (SELECT 'a')",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 = ANY (ARRAY[mail])",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 = (SELECT 'a')",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 = pg_catalog.lower('A')",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 = 'a'::checked",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2 = 'a' COLLATE \"C\"",
        "SELECT 1 FROM {W} t WHERE pgcovenant_raw_0_2::text = 'a'",
        "SELECT 1 FROM {W} t WHERE pg_catalog.lower(pgcovenant_raw_0_2) = 'a'",
        "SELECT 1 FROM {W} t WHERE (pgcovenant_raw_0_2, id) = ('a', 1)",
        "SELECT 1 FROM {W} t WHERE (pgcovenant_raw_0_2 = 'a') IS TRUE",
        "SELECT 1 FROM {W} t WHERE (pgcovenant_raw_0_2 = 'a') = true",
        "SELECT 1 FROM {W} t WHERE CASE WHEN pgcovenant_raw_0_2 = 'a' THEN true END",
        "SELECT 1 FROM {W} t JOIN public.open USING (pgcovenant_raw_0_2) WHERE t.pgcovenant_raw_0_2 = 'a'",
        "UPDATE {T} SET id = 1 WHERE mail > 'a'",
        "UPDATE {T} SET id = 1 WHERE secret = 'a'",
        "UPDATE {T} SET id = 1 WHERE id = 1 RETURNING mail = 'a'",
        "DELETE FROM public.open USING {W} t RETURNING *",
        "INSERT INTO {T} (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 1 WHERE t.mail = 'a'",
        "INSERT INTO {T} (id) VALUES (1) ON CONFLICT (mail) DO NOTHING",
    ] {
        let found = judged(template);
        let fits = matches!(found, Err(ObjectionKind::ProtectedColumn | ObjectionKind::Attribute));
        assert!(fits, "{template}: {found:?}");
    }
}

#[test]
fn a_raw_column_has_no_other_name_and_stands_for_no_other_column() {
    for template in [
        "SELECT c FROM {W} t(a, b, c)",
        "SELECT x.c FROM ({W} t JOIN public.open o ON true) AS x(a, b, c)",
        "SELECT x.c FROM (public.open o JOIN {W} t ON true) AS x",
    ] {
        assert_eq!(judged(template), Err(ObjectionKind::Construct), "{template}");
    }
    let plain = "SELECT id FROM {W} t WHERE pgcovenant_raw_0_2 = 'a'";
    for carried in [
        "\"secret\" AS pgcovenant_raw_0_2",
        "\"id\" AS pgcovenant_raw_0_2",
        "pg_catalog.lower(\"mail\") AS pgcovenant_raw_0_2",
    ] {
        assert_eq!(judged_with(plain, carried), Err(ObjectionKind::ProtectedColumn), "{carried}");
    }
    let before = "\"mail\" AS pgcovenant_raw_0_2, \"id\" AS other";
    assert_eq!(judged_with(plain, before), Err(ObjectionKind::Construct));
    // A name of that form that the client wrote.
    for template in ["SELECT 1 AS pgcovenant_raw_0_2", "SELECT 1 FROM (SELECT 'a' AS pgcovenant_raw_0_2) x"] {
        assert_eq!(judged(template), Err(ObjectionKind::ProtectedColumn), "{template}");
    }
}
