-- The role that asks the server for plans of statements that run: without rights of its own, and able to become the
-- roles whose statements those are. docs/plans.md says why it should not be the service account.
DO $$
BEGIN
    CREATE ROLE pgcovenant_plans LOGIN NOINHERIT PASSWORD 'pgcovenant_plans';
EXCEPTION WHEN duplicate_object THEN
    NULL;
END
$$;
GRANT shop_app, support, analyst TO pgcovenant_plans;
