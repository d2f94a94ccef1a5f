-- pgcovenant inside the database: SCRAM verifiers for the service account, which then needs no superuser right.
--
--   psql -v ON_ERROR_STOP=1 -d postgres -f verifiers.sql         as a superuser
--   GRANT USAGE ON SCHEMA pgcovenant TO pgcovenant;
--   GRANT EXECUTE ON FUNCTION pgcovenant.verifier(text) TO pgcovenant;
--
-- and in pgcovenant.yaml, with `database:` if it is another one than postgres:
--
--   auth: {query: "SELECT pgcovenant.verifier($1)"}
--
-- May be run again at any time. A verifier is not a password, and one cannot log in with it; but passwords can be guessed
-- at leisure with it, so EXECUTE is for the service account only.

BEGIN;

CREATE SCHEMA IF NOT EXISTS pgcovenant;
REVOKE ALL ON SCHEMA pgcovenant FROM PUBLIC;

-- The verifier of a role that may log in now; NULL for any other, and for passwords that are stored in another form. Runs
-- with the rights of its owner and a fixed search_path with pg_temp last, so that a caller can put nothing of its own in
-- front of what it uses.
CREATE OR REPLACE FUNCTION pgcovenant.verifier(role_name text) RETURNS text
    LANGUAGE sql
    STABLE
    STRICT
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT rolpassword
    FROM pg_catalog.pg_authid
    WHERE rolname = role_name
      AND rolcanlogin
      AND (rolvaliduntil IS NULL OR rolvaliduntil > now())
      AND rolpassword LIKE 'SCRAM-SHA-256$%'
$$;
REVOKE ALL ON FUNCTION pgcovenant.verifier(text) FROM PUBLIC;
COMMENT ON FUNCTION pgcovenant.verifier(text) IS 'What pgcovenant checks the password of a role with';

COMMIT;
