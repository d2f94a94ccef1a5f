//! What clients say of their sessions without anybody asking them to.

use crate::support::shop;

/// What clients send about their sessions, as they send it.
const CLIENTS: &[&str] = &[
    // psql, pg_dump and pg_restore.
    "SET DATESTYLE = ISO",
    "SET INTERVALSTYLE = POSTGRES",
    "SET extra_float_digits TO 3",
    "SET synchronize_seqscans TO off",
    "SET statement_timeout = 0",
    "SET lock_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET row_security = off",
    "SET row_security = on",
    "SET client_encoding = 'UTF8'",
    "SET standard_conforming_strings = on",
    "SELECT pg_catalog.set_config('search_path', '', false)",
    "SELECT pg_catalog.set_config('search_path', 'public', false)",
    "SET check_function_bodies = false",
    "SET xmloption = content",
    "SET client_min_messages = warning",
    "SET default_tablespace = ''",
    "SET default_table_access_method = heap",
    "SET quote_all_identifiers = true",
    "SET quote_all_identifiers = false",
    // JDBC.
    "SET application_name = 'PostgreSQL JDBC Driver'",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SHOW TRANSACTION ISOLATION LEVEL",
    "SHOW transaction_isolation",
    "SET SESSION search_path TO 'public'",
    "select current_schema()",
    "SET TIME ZONE 'UTC'",
    "SET TimeZone TO 'Europe/Berlin'",
    // Rails, Django, SQLAlchemy, Npgsql, psycopg.
    "SET client_min_messages TO 'warning'",
    "SET SESSION timezone TO 'UTC'",
    "SET intervalstyle = iso_8601",
    "SHOW max_identifier_length",
    "SHOW search_path",
    "SELECT set_config('TimeZone', 'UTC', false)",
    "SET SESSION statement_timeout TO '30s'",
    "SHOW standard_conforming_strings",
    "SHOW server_version",
    "DISCARD ALL",
    "CLOSE ALL",
    "SET SESSION AUTHORIZATION DEFAULT",
    "RESET ALL",
    "UNLISTEN *",
    "SELECT pg_advisory_unlock_all()",
    "DISCARD SEQUENCES",
    "DISCARD TEMP",
    "SET CONSTRAINTS ALL DEFERRED",
    "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE",
    "COMMIT",
    // PostgREST.
    "select set_config('search_path', 'public', true), set_config('role', 'support', true), set_config('request.jwt.claims', '{\"role\":\"support\"}', true), set_config('request.method', 'GET', true), set_config('request.path', '/orders', true), set_config('request.headers', '{}', true), set_config('request.cookies', '{}', true)",
    // Metabase, DBeaver, Tableau, Hasura.
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET ROLE NONE",
    "SET LOCAL \"hasura.user\" = '{\"x-hasura-role\":\"user\"}'",
    "SET search_path = public,public,\"$user\"",
    "SET cursor_tuple_fraction = 0.1",
    "SET enable_nestloop TO off",
    "SET max_parallel_workers_per_gather TO 0",
    "SET jit = off",
    "SET plan_cache_mode = force_custom_plan",
    "SET work_mem TO DEFAULT",
    "SET LOCAL synchronous_commit TO off",
    "SET datestyle TO iso, mdy",
];

#[tokio::test]
async fn clients_may_say_of_their_sessions_what_they_are_used_to() {
    let Some(shop) = shop("clients") else { return };
    let (proxy, _policies) = shop.proxy();
    let (governed, direct) = (shop.via(&proxy, "support").await, shop.direct("support").await);
    for text in CLIENTS {
        let answer = |result: Result<Vec<String>, tokio_postgres::Error>| result.map_err(|error| error.to_string());
        let (ours, theirs) = (answer(governed.simple(text).await), answer(direct.simple(text).await));
        assert_eq!(ours, theirs, "{text}");
        let prepared = (governed.client.prepare(text).await.is_ok(), direct.client.prepare(text).await.is_ok());
        assert_eq!(prepared.0, prepared.1, "{text}");
    }
}
