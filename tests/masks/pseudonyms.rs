//! Pseudonyms: what they are, and that nobody who may make them gets at the key.

use tokio_postgres::NoTls;

use crate::{connect, mask, support, table, text};

#[tokio::test]
async fn pseudonyms_are_hmac_and_join_across_types() {
    let Some((_cluster, client)) = connect().await else { return };
    // The file has a transaction of its own, which would end ours.
    let install = include_str!("../../deploy/sql/pgcovenant.sql").replace("BEGIN;\n", "").replace("COMMIT;\n", "");
    client.batch_execute("SET LOCAL search_path = pg_catalog").await.unwrap();
    client.batch_execute(&install).await.unwrap_or_else(|error| panic!("{error:?}"));
    client.batch_execute("DELETE FROM pgcovenant.pseudonym_key WHERE name IN ('pgc test', 'pgc-test')").await.unwrap();
    client
        .batch_execute("SELECT pgcovenant.create_key('pgc-test', convert_to('0123456789abcdef0123', 'UTF8'))")
        .await
        .unwrap();
    client.batch_execute("SET LOCAL search_path = pgc_masks, pg_catalog").await.unwrap();
    // HMAC-SHA256("0123456789abcdef0123", "hello").
    let digest = "8426880d075213e5f55305c3995d5e3b59d8bd8f1fef4472c59b71857cca9cd4";
    let uuid = "8426880d-0752-13e5-f553-05c3995d5e3b";
    for (ty, value, shown) in [
        ("pg_catalog.text", "'hello'", Some(digest)),
        ("varchar(16)", "'hello'", digest.get(..16)),
        ("char(70)", "'hello'", None),
        ("pg_catalog.text", "NULL", None),
        ("uuid", "NULL", None),
    ] {
        let column = table(&client, ty).await;
        let expression = mask("{hash: {key: pgc-test}}").compile(&column).unwrap().render("t.v");
        client.batch_execute(&format!("INSERT INTO pgc_masks.t VALUES ({value})")).await.unwrap();
        let sql = format!("SELECT pg_catalog.rtrim(({expression})::pg_catalog.text) FROM pgc_masks.t");
        let found = text(&client, &sql).await;
        if ty == "char(70)" {
            assert_eq!(found.as_deref(), Some(digest));
        } else {
            assert_eq!(found.as_deref(), shown, "{ty}");
        }
    }
    for (ty, value) in [("uuid", "pg_catalog.gen_random_uuid()"), ("bigint", "42"), ("bytea", "'\\x68'")] {
        let column = table(&client, ty).await;
        let expression = mask("{hash: {key: pgc-test}}").compile(&column).unwrap().render("t.v");
        client.batch_execute(&format!("INSERT INTO pgc_masks.t VALUES ({value})")).await.unwrap();
        let sql =
            format!("SELECT ({expression} IS NOT NULL AND {expression} <> t.v)::pg_catalog.text FROM pgc_masks.t t");
        assert_eq!(text(&client, &sql).await.as_deref(), Some("true"), "{ty}");
    }
    let from_text = format!("SELECT pg_catalog.left('{digest}', 32)::uuid::pg_catalog.text");
    assert_eq!(text(&client, &from_text).await.as_deref(), Some(uuid));
}

/// A role that may make pseudonyms, past any proxy, and what it does to get at the key.
const ATTACKS: &[&str] = &[
    "SELECT * FROM pgcovenant.pseudonym_key",
    "SELECT count(*) FROM pgcovenant.pseudonym_key",
    "TABLE pgcovenant.pseudonym_key",
    "COPY pgcovenant.pseudonym_key TO STDOUT",
    "INSERT INTO pgcovenant.pseudonym_key SELECT 'mine', '', ''",
    "UPDATE pgcovenant.pseudonym_key SET inner_pad = inner_pad",
    "DELETE FROM pgcovenant.pseudonym_key",
    "SELECT pgcovenant.create_key('mine', repeat('a', 20)::bytea)",
    "CREATE OR REPLACE FUNCTION pgcovenant.pseudonym(value text, key_name text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    "CREATE FUNCTION pgcovenant.other() RETURNS text LANGUAGE sql AS 'SELECT 1::text'",
    "ALTER FUNCTION pgcovenant.pseudonym(text, text) SET search_path = public",
    "ALTER FUNCTION pgcovenant.pseudonym(text, text) SECURITY INVOKER",
    "GRANT SELECT ON pgcovenant.pseudonym_key TO attacker",
    "CREATE TRIGGER t AFTER INSERT ON pgcovenant.pseudonym_key FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE r AS ON SELECT TO pgcovenant.pseudonym_key DO INSTEAD SELECT 1",
    "SET ROLE postgres",
];

/// What shows more than it should if the key is ever part of a plan, a text or a message.
const SETTINGS: &str = "SET client_min_messages = debug5; SET debug_print_parse = on; SET debug_print_rewritten = on; \
     SET debug_print_plan = on; SET debug_pretty_print = off; SET plan_cache_mode = force_custom_plan; \
     SET search_path = mine, public; SET plpgsql.print_strict_params = on; SET plpgsql.extra_warnings = 'all'";

#[tokio::test]
async fn a_plain_role_that_may_make_pseudonyms_gets_no_key() {
    let Some(cluster) = support::cluster(support::ClusterOptions::default()) else { return };
    let install = support::project("deploy/sql/pgcovenant.sql").display().to_string();
    cluster.psql("postgres", &["-f", &install]);
    // May be run again.
    cluster.psql("postgres", &["-f", &install]);
    cluster.sql(
        "postgres",
        "SELECT pgcovenant.create_key('k'); CREATE ROLE attacker LOGIN; CREATE SCHEMA mine AUTHORIZATION attacker; \
         GRANT USAGE ON SCHEMA pgcovenant TO attacker; GRANT EXECUTE ON FUNCTION pgcovenant.pseudonym(text, text) TO attacker; ANALYZE",
    );
    let pads = cluster.sql(
        "postgres",
        "SELECT encode(inner_pad, 'hex') || ' ' || encode(outer_pad, 'hex') FROM pgcovenant.pseudonym_key",
    );
    let before = cluster.sql("postgres", "SELECT pgcovenant.pseudonym('x', 'k')");
    let session = support::sql::connect(cluster.port(), "attacker", "postgres").await;
    for attack in ATTACKS {
        let refused = session.error(attack).await;
        assert!(refused.code == "42501", "{attack}: {refused:?}");
    }
    // Objects of its own in front of those that the function uses.
    session
        .simple(
            "CREATE FUNCTION mine.sha256(bytea) RETURNS bytea LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE '%', $1; RETURN $1; END$$; \
             CREATE FUNCTION mine.cat(bytea, bytea) RETURNS bytea LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE '% %', $1, $2; RETURN $1; END$$; \
             CREATE OPERATOR mine.|| (FUNCTION = mine.cat, LEFTARG = bytea, RIGHTARG = bytea); \
             CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE '%', $1; RETURN $1; END$$; \
             CREATE TEMPORARY TABLE pseudonym_key AS SELECT 'k'::text AS name",
        )
        .await
        .unwrap();
    session.simple(SETTINGS).await.unwrap();
    assert_eq!(session.value("SELECT pgcovenant.pseudonym('x', 'k')").await, before);
    let told = session
        .rows("EXPLAIN (ANALYZE, VERBOSE, COSTS OFF) SELECT pgcovenant.pseudonym(relname, 'k') FROM pg_class LIMIT 3")
        .await;
    let source = session
        .rows("SELECT pg_get_functiondef(oid), prosrc, proargdefaults FROM pg_proc WHERE proname = 'pseudonym'")
        .await;
    let statistics =
        session.rows("SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE schemaname = 'pgcovenant'").await;
    assert!(statistics.is_empty());
    let missing = session.error("SELECT pgcovenant.pseudonym('x', 'nobody''s')").await;
    assert_eq!(missing.code, "42704");
    let notices: Vec<String> =
        session.notices().iter().map(|notice| format!("{} {:?}", notice.message, notice.hint)).collect();
    let everything = format!("{told:?} {source:?} {missing:?} {notices:?} {}", cluster.log());
    assert!(everything.contains("debug_print_plan") || everything.contains("PLANNEDSTMT"), "the settings show nothing");
    for pad in pads.split(' ') {
        assert!(!everything.contains(pad), "a pad in hexadecimal");
        // As plans write values: bytes as numbers.
        let numbers: Vec<String> = (0..16)
            .map(|at| {
                (i16::from(u8::from_str_radix(pad.get(at * 2..at * 2 + 2).unwrap(), 16).unwrap() as i8)).to_string()
            })
            .collect();
        assert!(!everything.contains(&numbers.join(" ")), "a pad as bytes");
    }
}

#[tokio::test]
async fn nobody_else_may_make_pseudonyms() {
    let Some(cluster) = support::cluster(support::ClusterOptions::default()) else { return };
    cluster.psql("postgres", &["-f", &support::project("deploy/sql/pgcovenant.sql").display().to_string()]);
    cluster.sql("postgres", "SELECT pgcovenant.create_key('k'); CREATE ROLE nobody LOGIN");
    let session = support::sql::connect(cluster.port(), "nobody", "postgres").await;
    assert_eq!(session.error("SELECT pgcovenant.pseudonym('x', 'k')").await.code, "42501");
    let settings = support::sql::settings(cluster.port(), "postgres", "postgres");
    let (client, connection) = settings.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    for short in ["''", "'\\x00'", "repeat('a', 15)::bytea"] {
        let error = client.batch_execute(&format!("SELECT pgcovenant.create_key('short', {short})")).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "22023");
    }
    // A key is not replaced by accident, and its name is one that a policy can write.
    for name in ["'k'", "'a b'", "''", "repeat('a', 64)"] {
        assert!(client.batch_execute(&format!("SELECT pgcovenant.create_key({name})")).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn nothing_prepared_by_others_is_taken_for_ours() {
    let Some(cluster) = support::cluster(support::ClusterOptions::default()) else { return };
    let install = support::project("deploy/sql/pgcovenant.sql").display().to_string();
    cluster.sql(
        "postgres",
        "CREATE ROLE squatter LOGIN; GRANT CREATE ON DATABASE postgres TO squatter; CREATE ROLE reader",
    );
    for (at, prepared) in [
        "CREATE SCHEMA pgcovenant",
        "CREATE SCHEMA pgcovenant; CREATE TABLE pgcovenant.pseudonym_key (name text, inner_pad bytea, outer_pad bytea)",
        "CREATE SCHEMA pgcovenant; CREATE FUNCTION pgcovenant.pseudonym(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    ]
    .iter()
    .enumerate()
    {
        let session = support::sql::connect(cluster.port(), "squatter", "postgres").await;
        session.simple(prepared).await.unwrap();
        if at > 0 {
            // Even a schema that was handed over may hold something of somebody else.
            cluster.sql("postgres", "ALTER SCHEMA pgcovenant OWNER TO postgres");
        }
        let administrator = support::sql::connect(cluster.port(), "postgres", "postgres").await;
        let refused = administrator.error(&std::fs::read_to_string(&install).unwrap()).await;
        assert_eq!(refused.code, "42501", "{prepared}: {refused:?}");
        assert!(refused.message.ends_with("belongs to somebody else"), "{refused:?}");
        cluster.sql("postgres", "DROP SCHEMA pgcovenant CASCADE");
    }
    cluster.sql(
        "postgres",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO reader; ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO reader",
    );
    cluster.psql("postgres", &["-f", &install]);
    let may = "SELECT has_table_privilege('reader', 'pgcovenant.pseudonym_key', 'SELECT, INSERT, UPDATE') \
               OR has_function_privilege('reader', 'pgcovenant.pseudonym(text, text)', 'EXECUTE') \
               OR has_function_privilege('reader', 'pgcovenant.create_key(text, bytea)', 'EXECUTE')";
    assert_eq!(cluster.sql("postgres", may), "f");
    // A grant that was given on purpose stays when the file is run again; one on the keys does not.
    cluster.sql(
        "postgres",
        "GRANT EXECUTE ON FUNCTION pgcovenant.pseudonym(text, text) TO reader; GRANT SELECT ON pgcovenant.pseudonym_key TO reader",
    );
    cluster.psql("postgres", &["-f", &install]);
    assert_eq!(
        cluster.sql("postgres", "SELECT has_table_privilege('reader', 'pgcovenant.pseudonym_key', 'SELECT')"),
        "f"
    );
    let kept = "SELECT has_function_privilege('reader', 'pgcovenant.pseudonym(text, text)', 'EXECUTE')";
    assert_eq!(cluster.sql("postgres", kept), "t");
}
