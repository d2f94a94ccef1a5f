-- What a support team asks, one statement a line. Each must answer as if the masked values were what is stored.
-- `#` begins the name of a group in the report; `~` a statement that may still be refused, but never answered otherwise.
# columns
SELECT email FROM customers ORDER BY id
SELECT id, name, email, phone, birth_date, country, notes, created_at FROM customers ORDER BY id
SELECT c.email AS mail, upper(c.email), length(c.phone) FROM customers c ORDER BY c.id
SELECT "email" FROM "public"."customers" ORDER BY "id"
SELECT public.customers.email FROM public.customers ORDER BY public.customers.id
SELECT customers.email || ' <' || customers.name || '>' AS "To" FROM customers ORDER BY id LIMIT 7
SELECT birth_date, extract(year FROM birth_date), age(date '2025-01-01', birth_date) FROM customers ORDER BY id
SELECT card_number, right(card_number, 4) FROM payments ORDER BY payment_id
SELECT card_number::text, CAST(card_number AS varchar(6)) FROM payments ORDER BY payment_id
SELECT salary, salary * 12 FROM employees ORDER BY id
SELECT coalesce(provider_ref, 'none'), provider_ref IS NULL FROM payments ORDER BY payment_id
SELECT CASE WHEN phone IS NULL THEN 'no phone' ELSE phone END FROM customers ORDER BY id
SELECT nullif(notes, ''), notes IS DISTINCT FROM '' FROM customers ORDER BY id
SELECT ARRAY[email, phone] FROM customers ORDER BY id LIMIT 5
SELECT ROW(id, email) FROM customers ORDER BY id LIMIT 5
# stars
SELECT * FROM payments ORDER BY payment_id
SELECT p.* FROM payments p ORDER BY p.payment_id
SELECT p.*, o.status FROM payments p JOIN orders o USING (order_id) ORDER BY p.payment_id
SELECT * FROM employees e ORDER BY e.id
SELECT * FROM payments NATURAL JOIN order_items ORDER BY payment_id, item_id
SELECT * FROM active_customers ORDER BY id
SELECT count(*) FROM customers
TABLE employees ORDER BY id
SELECT * FROM customers ORDER BY id
SELECT c FROM customers c ORDER BY id
SELECT p FROM payments p ORDER BY p.payment_id LIMIT 3
SELECT to_jsonb(p) FROM payments p ORDER BY payment_id LIMIT 3
SELECT row_to_json(e) FROM employees e ORDER BY e.id LIMIT 3
# filters
SELECT id FROM customers WHERE email LIKE 'b%' ORDER BY id
SELECT id FROM customers WHERE email = 'b****@example.com' ORDER BY id
SELECT id FROM customers WHERE birth_date = date '1968-01-01' ORDER BY id
SELECT id FROM customers WHERE phone LIKE '%*%' AND country IN ('DE', 'SE') ORDER BY id
SELECT payment_id FROM payments WHERE card_number ~ '^4' ORDER BY payment_id
SELECT payment_id FROM payments WHERE provider_ref IS NOT NULL ORDER BY payment_id
SELECT id FROM employees WHERE salary BETWEEN 50000 AND 60000 ORDER BY id
SELECT id FROM customers WHERE id = ANY ('{1,2,3}') ORDER BY id DESC
SELECT name FROM customers WHERE id = 17
# joins and subqueries
SELECT c.email, o.order_id FROM customers c JOIN orders o ON o.customer_id = c.id ORDER BY o.order_id
SELECT c.email, p.card_number FROM customers AS c, orders AS o, payments AS p WHERE c.id = o.customer_id AND p.order_id = o.order_id ORDER BY p.payment_id
SELECT o.order_id, c.email FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND c.country = 'DE' ORDER BY o.order_id
SELECT a.id, b.id FROM customers a JOIN customers b ON a.email = b.email AND a.id < b.id ORDER BY 1, 2
SELECT e.name, m.name, m.salary FROM employees e LEFT JOIN employees m ON m.id = e.manager_id ORDER BY e.id
SELECT email FROM (SELECT id, email FROM customers) AS s ORDER BY id
SELECT s.* FROM (SELECT id, email AS e FROM customers WHERE country = 'DE') s ORDER BY s.id
SELECT id, (SELECT max(card_number) FROM payments p JOIN orders o USING (order_id) WHERE o.customer_id = c.id) FROM customers c ORDER BY id
SELECT id FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status = 'new') ORDER BY id
SELECT id FROM customers WHERE email IN (SELECT email FROM active_customers WHERE orders > 4) ORDER BY id
SELECT c.id, x.card_number FROM customers c CROSS JOIN LATERAL (SELECT p.card_number FROM payments p JOIN orders o USING (order_id) WHERE o.customer_id = c.id ORDER BY p.payment_id LIMIT 1) x ORDER BY c.id
WITH recent AS (SELECT id, email FROM customers WHERE created_at > '2024-01-01') SELECT * FROM recent ORDER BY id
WITH a AS (SELECT email FROM customers), b AS (SELECT email FROM a) SELECT count(*), max(email) FROM b
WITH RECURSIVE chain AS (SELECT id, manager_id, salary FROM employees WHERE id = 18 UNION ALL SELECT e.id, e.manager_id, e.salary FROM employees e JOIN chain c ON e.id = c.manager_id) SELECT * FROM chain ORDER BY id
SELECT email FROM customers UNION SELECT card_number FROM payments ORDER BY 1
SELECT email FROM customers EXCEPT SELECT email FROM active_customers ORDER BY 1
SELECT v.n, c.email FROM (VALUES (1), (2)) AS v (n) JOIN customers c ON c.id = v.n ORDER BY v.n
# groups and order
SELECT email, count(*) FROM customers GROUP BY email ORDER BY 1
SELECT country, min(email), max(birth_date), count(DISTINCT phone) FROM customers GROUP BY country ORDER BY country
SELECT left(email, 1) AS initial, count(*) FROM customers GROUP BY initial HAVING count(*) > 2 ORDER BY initial
SELECT DISTINCT email FROM customers ORDER BY email
SELECT DISTINCT ON (country) country, email FROM customers ORDER BY country, email, id
SELECT id, email, rank() OVER (PARTITION BY country ORDER BY email) FROM customers ORDER BY id
SELECT string_agg(email, ',' ORDER BY id) FROM customers
SELECT count(*) FILTER (WHERE email LIKE 'a%') FROM customers
SELECT c.id, c.name, c.email, count(o.order_id) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id ORDER BY c.id
SELECT sum(salary), avg(salary) FROM employees
SELECT salary, count(*) FROM employees GROUP BY ROLLUP (salary) ORDER BY 1 NULLS LAST
SELECT email, id FROM customers ORDER BY email DESC, id OFFSET 3 FETCH FIRST 4 ROWS ONLY
# changes, which the test rolls back
UPDATE customers SET name = 'Someone' WHERE id = 3 RETURNING id, name, email
UPDATE customers SET name = name || '!' WHERE email = 'b****@example.com'
UPDATE orders SET status = 'paid' FROM customers c WHERE c.id = orders.customer_id AND c.email LIKE 'b%'
UPDATE orders SET status = 'paid' WHERE order_id = 4 RETURNING *
UPDATE orders o SET status = c.country FROM customers c WHERE c.id = o.customer_id AND o.order_id = -1
DELETE FROM customers WHERE id = 3
INSERT INTO customers (id, name, email, country) VALUES (900001, 'x', 'x@example.com', 'DE')
UPDATE customers SET email = 'x@example.com' WHERE id = 3
# refused as the server refuses
SELECT ssn FROM customers
SELECT id FROM customers WHERE ssn IS NULL
SELECT count(ssn) FROM customers
SELECT 1 FROM customers ORDER BY ssn
SELECT nothing FROM customers
SELECT id FROM nowhere
SELECT 1 / 0
SELECT id FROM customers WHERE
# others
SELECT 1
SELECT now() IS NOT NULL, current_user, session_user
SHOW server_version_num
EXPLAIN (COSTS OFF) SELECT 1
COPY (SELECT id, email FROM customers ORDER BY id) TO STDOUT
COPY payments (payment_id, card_number) TO STDOUT
COPY customers (id, ssn) TO STDOUT
