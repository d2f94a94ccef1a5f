SELECT id, name, email FROM customers
SELECT email FROM customers WHERE id = 17
SELECT c.id, c.email AS mail, c.phone FROM customers AS c WHERE c.email LIKE 'a%' ORDER BY c.id
SELECT "customers"."email" FROM public.customers
SELECT public.customers.phone FROM public.customers WHERE public.customers.country = 'NL'
SELECT lower(email), upper(name), length(phone) FROM customers
SELECT count(*), count(DISTINCT email) FROM customers WHERE country IN ('NL', 'DE', 'FR')
SELECT country, count(*) AS n FROM customers GROUP BY country HAVING count(*) > 3 ORDER BY n DESC
SELECT extract(year FROM birth_date), min(email) FROM customers GROUP BY 1
SELECT birth_date, notes FROM customers WHERE birth_date > '1980-01-01' LIMIT 10 OFFSET 5
SELECT o.order_id, c.email FROM orders o JOIN customers c ON c.id = o.customer_id
SELECT o.order_id, c.name FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND c.email IS NOT NULL
SELECT order_id, card_number FROM orders JOIN payments USING (order_id)
SELECT p.card_number, o.total_amount FROM payments p NATURAL JOIN orders o
SELECT * FROM orders WHERE status = 'new'
SELECT * FROM payments
SELECT payments.* FROM payments WHERE order_id = 4
SELECT p FROM payments p
SELECT row_to_json(p) FROM payments p
SELECT (p).card_number FROM payments p
TABLE payments
TABLE orders
SELECT ctid, email FROM customers
SELECT id, email FROM ONLY customers
SELECT DISTINCT email FROM customers ORDER BY email
SELECT DISTINCT ON (country) country, email FROM customers ORDER BY country, created_at DESC
SELECT id FROM customers WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = customers.id)
SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE total_amount > 100.5)
SELECT id FROM customers WHERE (name, email) = ('Ada', 'a@b.c')
SELECT id FROM customers WHERE email = ANY (ARRAY['a@b.c', 'd@e.f'])
SELECT id FROM customers WHERE email ~* '^a' AND phone !~ '9$'
SELECT id FROM customers WHERE created_at BETWEEN now() - interval '1 day' AND now()
SELECT id FROM customers WHERE email IS DISTINCT FROM 'x' OR phone IS NULL
SELECT CASE WHEN email LIKE 'a%' THEN 1 WHEN phone IS NULL THEN 2 ELSE 3 END FROM customers
SELECT CASE country WHEN 'NL' THEN name ELSE email END AS who FROM customers
SELECT coalesce(phone, email, '-'), nullif(email, ''), greatest(name, email) FROM customers
SELECT email::text, CAST(phone AS varchar(5)), birth_date::timestamp FROM customers
SELECT substring(email FROM 1 FOR 3), position('@' IN email), trim(BOTH ' ' FROM name), overlay(name PLACING 'x' FROM 2) FROM customers
SELECT name || ' <' || email || '>' FROM customers
SELECT (SELECT max(email) FROM customers) AS m, (SELECT count(*) FROM orders) AS n
SELECT x.e FROM (SELECT email AS e FROM customers) AS x WHERE x.e > 'b'
SELECT x.a, x.b FROM (SELECT id, email FROM customers) AS x(a, b)
SELECT b FROM customers AS t(a, b, c)
SELECT l.e FROM orders o, LATERAL (SELECT c.email AS e FROM customers c WHERE c.id = o.customer_id) l
SELECT w FROM customers c, unnest(string_to_array(c.email, '@')) w
SELECT g.n, c.id FROM generate_series(1, 3) WITH ORDINALITY AS g(n, o) CROSS JOIN customers c
WITH w AS (SELECT id, email FROM customers) SELECT email FROM w
WITH customers AS (SELECT order_id AS id FROM orders) SELECT id FROM customers
WITH a AS (SELECT * FROM payments), b AS (SELECT * FROM a) SELECT * FROM b
WITH RECURSIVE r(n, e) AS (SELECT 1::bigint, email FROM customers WHERE id = 1 UNION ALL SELECT n + 1, e FROM r WHERE n < 6) SELECT * FROM r
WITH RECURSIVE chain AS (SELECT id, name, manager_id FROM employees WHERE manager_id IS NULL UNION ALL SELECT e.id, e.name, e.manager_id FROM employees e JOIN chain ON e.manager_id = chain.id) SELECT * FROM chain
WITH w AS MATERIALIZED (SELECT phone FROM customers) SELECT count(*) FROM w
WITH gone AS (UPDATE customers SET name = 'x' WHERE id = 3 RETURNING id, email) SELECT * FROM gone
WITH t AS (SELECT 1 AS a) SELECT * FROM (WITH t AS (SELECT email FROM customers) SELECT * FROM t) u, t
SELECT name FROM customers UNION SELECT email FROM customers ORDER BY 1
SELECT email FROM customers EXCEPT ALL SELECT name FROM employees
(SELECT id FROM customers ORDER BY email LIMIT 3) INTERSECT SELECT customer_id FROM orders
SELECT rank() OVER (PARTITION BY country ORDER BY email) FROM customers
SELECT first_value(email) OVER w, lag(phone, 1) OVER w FROM customers WINDOW w AS (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
SELECT string_agg(email, ',' ORDER BY id) FILTER (WHERE phone IS NULL) FROM customers
SELECT mode() WITHIN GROUP (ORDER BY email), percentile_disc(0.5) WITHIN GROUP (ORDER BY birth_date) FROM customers
SELECT country, email, grouping(country, email) FROM customers GROUP BY ROLLUP (country, email)
SELECT country FROM customers GROUP BY GROUPING SETS ((country), (email), ())
SELECT p.payment_id, p.card_number, count(*) FROM payments p GROUP BY p.payment_id
SELECT customers.*, 1 FROM employees customers
SELECT e.name, m.name FROM employees e JOIN employees m ON m.id = e.manager_id
SELECT hired_on, count(*) FROM employees GROUP BY hired_on
SELECT id, email FROM customers WHERE id = $1 AND email = $2
SELECT id FROM customers ORDER BY email USING < NULLS LAST FETCH FIRST 3 ROWS WITH TIES
SELECT id FROM customers FOR UPDATE SKIP LOCKED
SELECT o.order_id, c.id FROM orders o, customers c WHERE o.customer_id = c.id FOR UPDATE OF o, c NOWAIT
SELECT id FROM customers LIMIT ALL
VALUES (1, 'a'), (2, 'b')
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v(n, s) JOIN customers ON id = n
SELECT ROW(id, email), ARRAY[name, email] FROM customers
SELECT (ARRAY[id, 2])[1:2], array_length(ARRAY[email], 1) FROM customers
SELECT json_build_object('id', id, 'mail', email), to_jsonb(name) -> 'x' FROM customers
SELECT make_interval(days => 3), format('%s-%s', id, email) FROM customers
SELECT concat_ws(' ', VARIADIC ARRAY[name, email]) FROM customers
SELECT current_user, current_date, localtimestamp, session_user
SELECT name COLLATE "C" FROM customers ORDER BY email COLLATE "de_DE"
SELECT created_at AT TIME ZONE 'UTC', date_trunc('month', created_at) FROM orders
SELECT 'it''s', E'a\nb', $$dollar$$, $q$ssn FROM customers$q$, U&'\0061', B'101', X'1F', N'n', 1.5e3
SELECT id /* a comment */, name -- another
SELECT "id", "name" FROM "public"."customers" "c" WHERE "c"."email" <> ''
SELECT U&"\0065mail" FROM U&"customers"
SELECT - - 1, + 2, 3 % 2, 2 ^ 3, |/ 4, 5 ! = 6
SELECT 1 < 2, 'a' ~~ 'b', @ -5, 3 & 1, 3 | 4, 3 # 4, ~1
SELECT estimated_delivery, shipping_eta FROM orders ORDER BY estimated_delivery DESC
SELECT status, sum(total_amount)::numeric(14, 2) FROM orders GROUP BY CUBE (status)
SELECT oi.product, sum(oi.quantity * oi.price) FROM order_items oi JOIN orders USING (order_id) GROUP BY oi.product
SELECT provider_ref FROM payments WHERE card_number LIKE '%1111'
SELECT id FROM customers c WHERE c.country = (SELECT x.country FROM customers x WHERE x.id = 1)
SELECT id FROM customers WHERE email > ALL (SELECT status FROM orders)
SELECT NOT (email LIKE 'a%') AND true OR false FROM customers
SELECT id FROM customers WHERE email SIMILAR TO 'a%' ESCAPE '\'
SELECT id, ssn FROM customers
SELECT * FROM customers
SELECT c.* FROM customers c
SELECT id FROM customers WHERE ssn LIKE '078%'
SELECT id FROM customers ORDER BY ssn
SELECT max(ssn) FROM customers GROUP BY country
SELECT customers FROM customers
SELECT row_to_json(customers) FROM customers
SELECT 1 FROM customers a JOIN customers b USING (ssn)
SELECT count(*) FROM customers a NATURAL JOIN customers b
SELECT avg(salary), max(salary) FROM employees
SELECT e.name FROM employees e WHERE e.salary > 100000
SELECT (SELECT ssn FROM customers LIMIT 1)
SELECT x.s FROM (SELECT ssn AS s FROM customers) x
SELECT U&"\0073sn" FROM customers
SELECT query_to_xml('select ssn from customers', true, true, '')
SELECT pg_read_file('/etc/passwd'), set_config('role', 'postgres', false)
SELECT public.secret(id) FROM customers
SELECT * FROM pg_catalog.pg_class
UPDATE customers SET name = 'New' WHERE id = 3
UPDATE customers SET name = email WHERE email = 'a@b.c'
UPDATE customers AS c SET name = 'n' WHERE c.id = 3 RETURNING c.id, c.email, lower(c.phone)
UPDATE customers SET name = 'n' WHERE id = 3 RETURNING email, phone, birth_date
UPDATE customers SET (name) = ROW ('x') WHERE phone IS NULL
UPDATE customers SET name = (SELECT max(status) FROM orders WHERE status = email)
UPDATE customers SET name = o.status FROM orders o WHERE o.customer_id = customers.id RETURNING customers.email, o.status
UPDATE orders SET status = 'paid' WHERE order_id = 1 RETURNING *
UPDATE orders SET status = c.email FROM customers c WHERE c.id = customer_id
UPDATE orders o SET status = p.card_number FROM payments p WHERE p.order_id = o.order_id RETURNING o.order_id, p.card_number
WITH w AS (SELECT id FROM customers WHERE email LIKE 'a%') UPDATE orders SET status = 'x' FROM w WHERE w.id = customer_id
UPDATE customers SET ssn = 'x'
UPDATE customers SET name = ssn RETURNING *
UPDATE employees SET salary = 1
INSERT INTO orders (status) VALUES ('x')
INSERT INTO customers (name) SELECT email FROM customers ON CONFLICT (email) DO UPDATE SET name = excluded.email
DELETE FROM orders WHERE status = 'x' RETURNING *
DELETE FROM customers USING orders o WHERE o.customer_id = id
MERGE INTO orders o USING customers c ON c.id = o.customer_id WHEN MATCHED THEN UPDATE SET status = c.email
COPY customers (id, email) TO STDOUT WITH (FORMAT csv)
COPY (SELECT id, phone FROM customers) TO STDOUT
COPY payments TO STDOUT
COPY orders (status) FROM STDIN
EXPLAIN (COSTS off) SELECT * FROM orders
EXPLAIN ANALYZE SELECT id FROM customers
PREPARE p (bigint) AS SELECT id, email FROM customers WHERE id = $1
PREPARE q AS UPDATE customers SET name = $1 WHERE id = $2 RETURNING phone
EXECUTE p(3)
DEALLOCATE p
DECLARE c SCROLL CURSOR FOR SELECT id, email FROM customers ORDER BY id
FETCH FORWARD 5 FROM c
CLOSE c
BEGIN ISOLATION LEVEL REPEATABLE READ
COMMIT
SAVEPOINT s
ROLLBACK TO SAVEPOINT s
SET search_path = public
SET LOCAL statement_timeout = '5s'
SET standard_conforming_strings = on
SET client_encoding TO 'UTF8'
SET ROLE postgres
SET TIME ZONE 'UTC'
RESET ALL
SHOW server_version
DISCARD ALL
CREATE TABLE leak AS SELECT email FROM customers
SELECT email INTO leak FROM customers
DO $$ BEGIN RAISE NOTICE 'x'; END $$
SELECT 1; SELECT email FROM customers WHERE id = 3; SELECT count(*) FROM orders
BEGIN; UPDATE customers SET name = 'a' WHERE id = 1; COMMIT
