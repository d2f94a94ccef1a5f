-- pgcovenant inside the database: keyed pseudonyms for the mask `hash`.
--
--   psql -v ON_ERROR_STOP=1 -f pgcovenant.sql          as a superuser, or as an owner who may create schemas
--
-- May be run again at any time; keys stay as they are. Only the mask `hash` needs it.
--
-- Why this is sound:
--   * The secret is in one table that nobody but its owner can read. It is never part of a statement, so it is in no
--     log, no plan, no pg_stat_activity and no pg_stat_statements; a policy file names the key and does not hold it.
--   * The construction is HMAC (RFC 2104) over the server's own sha256(): without the secret a pseudonym can neither be
--     computed for a guessed value nor be turned back, and no extension is needed.
--   * The functions run with the rights of their owner and a fixed search_path with pg_temp last, so that a caller can
--     put nothing of its own in front of what they call.
--   * Nobody prepared it: if the schema or anything in it is there already and belongs to somebody else, this file stops.
--     Default privileges that would give others the table or its functions are taken back.
--   * Somebody who may call pseudonym() can try out guesses, so EXECUTE is not for everybody: grant it to the roles
--     that connect through pgcovenant. There, governed sessions reach it only inside a mask; a call of their own is
--     refused, because no contract lists the function. Do not list it in `pgcovenantFunctions`, and do not let those
--     roles connect past the proxy.

BEGIN;

-- An owner can replace what is his and read what is written to it. So all of it must be ours.
DO $$
DECLARE
    stranger text;
BEGIN
    SELECT what INTO stranger FROM (
        SELECT 'schema pgcovenant', nspowner FROM pg_catalog.pg_namespace WHERE nspname = 'pgcovenant'
        UNION ALL
        SELECT 'relation pgcovenant.' || relname, relowner FROM pg_catalog.pg_class
         WHERE relnamespace = pg_catalog.to_regnamespace('pgcovenant')
        UNION ALL
        SELECT 'function pgcovenant.' || proname, proowner FROM pg_catalog.pg_proc
         WHERE pronamespace = pg_catalog.to_regnamespace('pgcovenant')
    ) AS found (what, owner)
    WHERE owner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% belongs to somebody else', stranger
            USING HINT = 'Run this file as its owner, or find out who made it and drop it.', ERRCODE = '42501';
    END IF;
    -- Grants on what is there already were given on purpose.
    PERFORM pg_catalog.set_config('pgcovenant.installed',
        (pg_catalog.to_regprocedure('pgcovenant.pseudonym(text, text)') IS NOT NULL)::text, true);
END
$$;

CREATE SCHEMA IF NOT EXISTS pgcovenant;
REVOKE ALL ON SCHEMA pgcovenant FROM PUBLIC;
COMMENT ON SCHEMA pgcovenant IS 'Keyed pseudonyms for the masks of pgcovenant';

-- The two padded forms of the secret that HMAC hashes; the secret itself is not kept.
CREATE TABLE IF NOT EXISTS pgcovenant.pseudonym_key (
    name       text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9_.-]{1,63}$'),
    inner_pad  bytea NOT NULL CHECK (length(inner_pad) = 64),
    outer_pad  bytea NOT NULL CHECK (length(outer_pad) = 64),
    created_at timestamptz NOT NULL DEFAULT now()
);
REVOKE ALL ON TABLE pgcovenant.pseudonym_key FROM PUBLIC;
COMMENT ON TABLE pgcovenant.pseudonym_key IS 'Secrets of pseudonyms: readable only by the owner';

-- Sets a key: at least 16 bytes that nobody can guess. A key that is there is not replaced by accident, since all of
-- its pseudonyms would change; delete its row first to do so on purpose.
--
--   SELECT pgcovenant.create_key('customers');                       random, made by the server
--   SELECT pgcovenant.create_key('customers', '\x0123…'::bytea);     brought along, to join with another database;
--                                                                    such a statement may be logged: SET log_statement first
CREATE OR REPLACE FUNCTION pgcovenant.create_key(key_name text, secret bytea DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    padded  bytea;
    i_pad   bytea := decode(repeat('36', 64), 'hex');
    o_pad   bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    IF secret IS NULL THEN
        -- Each UUID has 122 random bits from the server's strong source: four of them are more than enough.
        secret := sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), 'UTF8'));
    ELSIF length(secret) < 16 THEN
        RAISE EXCEPTION 'the secret is too short' USING HINT = 'Use 16 random bytes or more.', ERRCODE = '22023';
    END IF;
    IF length(secret) > 64 THEN
        secret := sha256(secret);
    END IF;
    padded := secret || decode(repeat('00', 64 - length(secret)), 'hex');
    FOR at IN 0 .. 63 LOOP
        i_pad := set_byte(i_pad, at, get_byte(i_pad, at) # get_byte(padded, at));
        o_pad := set_byte(o_pad, at, get_byte(o_pad, at) # get_byte(padded, at));
    END LOOP;
    INSERT INTO pgcovenant.pseudonym_key (name, inner_pad, outer_pad) VALUES (key_name, i_pad, o_pad);
END
$$;
REVOKE ALL ON FUNCTION pgcovenant.create_key(text, bytea) FROM PUBLIC;
COMMENT ON FUNCTION pgcovenant.create_key(text, bytea) IS 'Adds a key for pseudonyms';

-- 64 hexadecimal digits that stand for a value under a key. NULL stays NULL. A key that is missing is an error, not a
-- NULL: a mask that silently loses its joins would be found out too late.
CREATE OR REPLACE FUNCTION pgcovenant.pseudonym(value text, key_name text) RETURNS text
    LANGUAGE plpgsql
    STABLE
    STRICT
    PARALLEL SAFE
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key pgcovenant.pseudonym_key;
BEGIN
    SELECT * INTO key FROM pgcovenant.pseudonym_key WHERE name = key_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no pseudonym key of the name "%"', key_name
            USING HINT = 'Ask the owner of the database to run pgcovenant.create_key.', ERRCODE = '42704';
    END IF;
    RETURN encode(sha256(key.outer_pad || sha256(key.inner_pad || convert_to(value, 'UTF8'))), 'hex');
END
$$;
REVOKE ALL ON FUNCTION pgcovenant.pseudonym(text, text) FROM PUBLIC;
COMMENT ON FUNCTION pgcovenant.pseudonym(text, text) IS 'The pseudonym of a value under a key';

-- ALTER DEFAULT PRIVILEGES may have given others a share. The keys are for nobody, at any time.
DO $$
DECLARE
    shared record;
BEGIN
    FOR shared IN
        SELECT DISTINCT 'TABLE pgcovenant.pseudonym_key' AS object, grantee
          FROM pg_catalog.pg_class, pg_catalog.aclexplode(relacl)
         WHERE oid = 'pgcovenant.pseudonym_key'::pg_catalog.regclass AND grantee NOT IN (0, relowner)
        UNION
        SELECT pg_catalog.format('FUNCTION %s', oid::pg_catalog.regprocedure), grantee
          FROM pg_catalog.pg_proc, pg_catalog.aclexplode(proacl)
         WHERE pronamespace = 'pgcovenant'::pg_catalog.regnamespace AND grantee NOT IN (0, proowner)
           AND (proname = 'create_key' OR pg_catalog.current_setting('pgcovenant.installed') = 'false')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM %s', shared.object, shared.grantee::pg_catalog.regrole);
    END LOOP;
END
$$;

COMMIT;

-- For every role whose columns are masked with `hash`:
--
--   GRANT USAGE ON SCHEMA pgcovenant TO support;
--   GRANT EXECUTE ON FUNCTION pgcovenant.pseudonym(text, text) TO support;
