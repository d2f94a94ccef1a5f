SELECT "customers"."id", "customers"."name", "customers"."email" FROM "customers" WHERE "customers"."id" = $1 LIMIT $2
SELECT "customers".* FROM "customers" INNER JOIN "orders" ON "orders"."customer_id" = "customers"."id" WHERE "orders"."status" IN ($1, $2) ORDER BY "customers"."id" ASC
SELECT COUNT(*) FROM (SELECT 1 AS one FROM "orders" WHERE "orders"."status" = $1 LIMIT $2) subquery_for_count
SELECT 1 AS one FROM "customers" WHERE "customers"."email" = $1 LIMIT $2
SELECT DISTINCT "customers"."country", "customers"."created_at" AS alias_0 FROM "customers" ORDER BY "customers"."created_at" DESC LIMIT $1
SELECT (1) AS "a" FROM "customers" WHERE "customers"."name" LIKE $1 ESCAPE '\' LIMIT 1
SELECT "orders"."order_id" AS t0_r0, "orders"."status" AS t0_r1, "customers"."email" AS t1_r0 FROM "orders" LEFT OUTER JOIN "customers" ON "customers"."id" = "orders"."customer_id"
SELECT "customers"."id", UPPER("customers"."email"::text) AS "mail", COUNT("orders"."order_id") FILTER (WHERE "orders"."status" = $1) AS "n" FROM "customers" LEFT OUTER JOIN "orders" ON ("customers"."id" = "orders"."customer_id") GROUP BY "customers"."id", 2
SELECT "customers"."id" FROM "customers" WHERE NOT (EXISTS(SELECT 1 AS "a" FROM "orders" U0 WHERE (U0."customer_id" = ("customers"."id") AND U0."status" = $1) LIMIT 1))
SELECT CASE WHEN ("customers"."country" = $1) THEN $2 WHEN "customers"."phone" IS NULL THEN $3 ELSE NULL END AS "kind" FROM "customers"
SELECT EXTRACT(YEAR FROM "customers"."birth_date") AS "y", ("customers"."name" || $1) AS "n" FROM "customers" WHERE "customers"."created_at" AT TIME ZONE $2 > $3
SELECT anon_1.customers_id, anon_1.customers_email, orders_1.status FROM (SELECT customers.id AS customers_id, customers.email AS customers_email FROM customers LIMIT $1::INTEGER) AS anon_1 LEFT OUTER JOIN orders AS orders_1 ON anon_1.customers_id = orders_1.customer_id
SELECT customers.id, customers.name FROM customers WHERE customers.id IN (SELECT orders.customer_id FROM orders WHERE orders.total_amount > $1::NUMERIC) ORDER BY customers.id
WITH RECURSIVE cte(id, name, level) AS (SELECT employees.id AS id, employees.name AS name, CAST($1 AS INTEGER) AS level FROM employees WHERE employees.manager_id IS NULL UNION ALL SELECT e.id AS id, e.name AS name, cte.level + $2 AS anon_1 FROM employees AS e JOIN cte ON e.manager_id = cte.id) SELECT cte.id, cte.name, cte.level FROM cte
SELECT lateral_1.total FROM customers JOIN LATERAL (SELECT sum(orders.total_amount) AS total FROM orders WHERE orders.customer_id = customers.id) AS lateral_1 ON true
select c1_0.id,c1_0.country,c1_0.email,o1_0.customer_id,o1_0.order_id from customers c1_0 join orders o1_0 on c1_0.id=o1_0.customer_id where c1_0.name like $1 escape '' order by c1_0.id offset $2 rows fetch first $3 rows only
select count(c1_0.id) from customers c1_0 where (c1_0.email=$1 or c1_0.email is null and $2 is null)
select e1_0.id,e1_0.name from employees e1_0 where (e1_0.id,e1_0.name) in (($1,$2),($3,$4)) for no key update of e1_0
SELECT "t0"."id", "t0"."email", "t1"."__prisma_data__" AS "orders" FROM "public"."customers" AS "t0" LEFT JOIN LATERAL (SELECT COALESCE(JSONB_AGG("__prisma_data__"), '[]') AS "__prisma_data__" FROM (SELECT JSONB_BUILD_OBJECT('order_id', "t2"."order_id", 'status', "t2"."status") AS "__prisma_data__" FROM "public"."orders" AS "t2" WHERE "t0"."id" = "t2"."customer_id") AS "t3") AS "t1" ON TRUE LIMIT $1
SELECT "public"."orders"."order_id" FROM "public"."orders" WHERE ("public"."orders"."status" = $1 AND ("public"."orders"."order_id") IN (SELECT "t1"."order_id" FROM "public"."payments" AS "t1" WHERE (NOT "t1"."card_number" LIKE $2 AND "t1"."order_id" IS NOT NULL))) ORDER BY "public"."orders"."order_id" ASC OFFSET $3
SELECT "Customer"."id" AS "Customer_id", "Customer"."email" AS "Customer_email" FROM "customers" "Customer" WHERE ( (("Customer"."name" ILIKE $1)) ) AND ( "Customer"."phone" IS NULL ) LIMIT 10
SELECT "distinctAlias"."Customer_id" AS "ids_Customer_id" FROM (SELECT "Customer"."id" AS "Customer_id" FROM "customers" "Customer" LEFT JOIN "orders" "o" ON "o"."customer_id"="Customer"."id") "distinctAlias" ORDER BY "Customer_id" ASC LIMIT 1
SELECT "id", "email", ROW_NUMBER() OVER (PARTITION BY "country" ORDER BY "created_at" DESC) AS "rn" FROM "customers" AS "c" WHERE "c"."id" = ANY($1)
SELECT c."id" AS "Id", c."email" AS "Email" FROM customers AS c WHERE (c."phone" IS NOT NULL) AND ((strpos(c."name", $1) > 0) OR ($1 = '')) ORDER BY c."id" NULLS FIRST LIMIT $2 OFFSET $3
SELECT t.c, (t.c).f1 FROM (SELECT ROW(id, email) AS c FROM customers) t
UPDATE "customers" SET "name" = $1 WHERE "customers"."id" = $2 RETURNING "customers"."id", "customers"."email"
UPDATE customers SET name=$1::VARCHAR WHERE customers.id IN (SELECT orders.customer_id FROM orders WHERE orders.status = $2) RETURNING customers.id
UPDATE "orders" SET "status" = CASE WHEN ("orders"."order_id" = $1) THEN $2 WHEN ("orders"."order_id" = $3) THEN $4 ELSE NULL END WHERE "orders"."order_id" IN ($1, $3)
UPDATE orders AS o SET status = v.s FROM (VALUES ($1::bigint, $2::text), ($3, $4)) AS v(id, s) WHERE o.order_id = v.id RETURNING o.*, v.s
INSERT INTO "orders" ("customer_id", "status") VALUES ($1, $2), ($3, DEFAULT) ON CONFLICT ("order_id") DO UPDATE SET "status" = EXCLUDED."status" WHERE "orders"."status" IS DISTINCT FROM excluded."status" RETURNING "order_id"
INSERT INTO orders (customer_id, status) SELECT id, 'new' FROM customers WHERE email = $1 ON CONFLICT DO NOTHING RETURNING (xmax = 0) AS inserted
DELETE FROM "orders" WHERE "orders"."order_id" IN (SELECT "orders"."order_id" FROM "orders" WHERE "orders"."status" = $1 ORDER BY "orders"."order_id" LIMIT $2)
WITH "deleted" AS (DELETE FROM orders o USING customers c WHERE c.id = o.customer_id AND c.email = $1 RETURNING o.order_id, c.email) SELECT count(*), min(email) FROM "deleted"
SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname OPERATOR(pg_catalog.~) '^(customers)$' COLLATE pg_catalog.default AND pg_catalog.pg_table_is_visible(c.oid)
