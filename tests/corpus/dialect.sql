MERGE INTO orders AS o USING (SELECT id, email FROM customers) AS c ON c.id = o.customer_id WHEN MATCHED AND c.email LIKE 'a%' THEN UPDATE SET status = c.email WHEN NOT MATCHED THEN INSERT (customer_id, status) VALUES (c.id, 'new')
MERGE INTO customers t USING orders s ON t.id = s.customer_id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED BY SOURCE THEN DELETE
WITH s AS (SELECT * FROM payments) MERGE INTO orders o USING s ON s.order_id = o.order_id WHEN MATCHED THEN DELETE
SELECT j.* FROM customers, JSON_TABLE(to_jsonb(name), '$[*]' COLUMNS (n FOR ORDINALITY, a text PATH '$.a', NESTED PATH '$.b[*]' COLUMNS (b int PATH '$'))) AS j
SELECT JSON_VALUE(to_jsonb(email), '$' RETURNING text), JSON_QUERY('{"a": 1}'::jsonb, '$.a' WITH WRAPPER), JSON_EXISTS(to_jsonb(phone), '$ ? (@ == $x)' PASSING email AS x) FROM customers
SELECT JSON_OBJECT('a': email, 'b': phone ABSENT ON NULL), JSON_ARRAY(name, email), JSON_OBJECTAGG(id: email), JSON_ARRAYAGG(email ORDER BY id) FROM customers
SELECT email IS JSON OBJECT, name IS NOT NFKC NORMALIZED, phone IS DOCUMENT FROM customers
SELECT x.a, x.b FROM customers, XMLTABLE('/r' PASSING BY REF xmlelement(NAME r, email) COLUMNS a text PATH '.', b FOR ORDINALITY) AS x
SELECT xmlelement(NAME p, xmlattributes(id AS i, email), name), xmlforest(phone, email AS "e"), xmlpi(NAME php, 'x'), xmlserialize(CONTENT xmlparse(DOCUMENT name) AS text) FROM customers
WITH RECURSIVE r(id, boss, name) AS (SELECT id, manager_id, name FROM employees UNION ALL SELECT e.id, e.manager_id, r.name FROM employees e JOIN r ON e.manager_id = r.id) SEARCH BREADTH FIRST BY name, id SET seq CYCLE id SET loop TO 'Y' DEFAULT 'N' USING path SELECT *, loop FROM r ORDER BY seq
SELECT * FROM customers TABLESAMPLE BERNOULLI (10) REPEATABLE (3), payments TABLESAMPLE SYSTEM (5)
SELECT j.id, c.email FROM customers c JOIN orders o USING (created_at) AS j
SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY['a', 'b']) AS (x text)) WITH ORDINALITY AS f(a, b, c)
SELECT * FROM json_to_recordset('[{"a": 1}]') AS x(a int, b text), jsonb_populate_record(NULL::payments, '{}') p
SELECT ((customers).email), (SELECT (p).card_number FROM payments p LIMIT 1) FROM customers
SELECT (ARRAY[email, phone])[1], ('{{1,2},{3,4}}'::int[])[1:2][2:], (ROW(email, 1)).* FROM customers
SELECT email, count(*) OVER w, sum(id) FILTER (WHERE phone IS NULL) OVER (w ROWS 3 PRECEDING) FROM customers WINDOW w AS (PARTITION BY country ORDER BY birth_date GROUPS BETWEEN CURRENT ROW AND 2 FOLLOWING EXCLUDE GROUP)
SELECT country, GROUPING(country, email), count(*) FROM customers GROUP BY DISTINCT ROLLUP (country, (email, phone)), CUBE (birth_date) HAVING bool_or(email LIKE 'a%')
SELECT percentile_cont(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY id), rank('a') WITHIN GROUP (ORDER BY email) FROM customers
SELECT id FROM customers WHERE (id, email) > ALL (SELECT id, phone FROM customers) OR email LIKE ANY (ARRAY['a%']) OR NOT email ILIKE ALL ('{b%}')
SELECT id FROM customers WHERE email BETWEEN SYMMETRIC 'a' AND phone AND (birth_date, created_at) OVERLAPS (now(), interval '1 day')
SELECT extract(epoch FROM created_at), date_part('doy', birth_date), birth_date + 3, created_at AT LOCAL, interval '1' year, interval(0) '3 s', timestamp with time zone '2020-01-01', bit varying(3) '101' FROM customers
SELECT CAST(email AS character varying (3)), email::national character(2), id::decimal(5, 1), id::double precision, '1'::pg_catalog.int4, created_at::time(0) with time zone, email::"char" FROM customers
SELECT treat(email AS text), collation for (email), normalize(name, NFC), trim(LEADING 'x' FROM email), substring(email SIMILAR 'a#"%#"b' ESCAPE '#'), position('a' IN email), overlay(email PLACING 'x' FROM 1 FOR 2) FROM customers
SELECT email FROM customers ORDER BY phone COLLATE "C" USING ~>~ NULLS LAST, 1 DESC OFFSET 2 ROWS FETCH NEXT (1 + 1) ROWS ONLY
SELECT id FROM customers FETCH FIRST ROW WITH TIES
SELECT FROM customers
SELECT DISTINCT ON (email, phone) id FROM customers ORDER BY email, phone, id
TABLE customers
(TABLE payments ORDER BY card_number LIMIT 1) UNION ALL (VALUES (1, 2, 'a', 'b', 'c', now())) EXCEPT SELECT * FROM payments
((SELECT email FROM customers)) INTERSECT ALL (SELECT name FROM employees UNION SELECT 'x') ORDER BY 1
SELECT * FROM (customers c CROSS JOIN orders o) AS j(a, b) LEFT JOIN (payments p RIGHT JOIN employees e ON true) ON true
SELECT c.email FROM customers c NATURAL LEFT JOIN orders o FULL JOIN payments p USING (order_id) WHERE o.* IS NOT NULL
SELECT * FROM ONLY (customers), orders * WHERE customers.tableoid = 'customers'::regclass
SELECT email INTO TEMPORARY t FROM customers
CREATE TEMP TABLE t ON COMMIT DROP AS TABLE customers WITH NO DATA
INSERT INTO orders AS o (customer_id, status) OVERRIDING SYSTEM VALUE TABLE orders
INSERT INTO orders DEFAULT VALUES RETURNING *
INSERT INTO customers AS c (id, name) VALUES (1, 'x') ON CONFLICT ON CONSTRAINT customers_pkey DO UPDATE SET (name, email) = ROW (excluded.name, c.email || excluded.email) WHERE c.ssn > '1' RETURNING c.*, (SELECT max(email) FROM customers)
INSERT INTO orders (customer_id) WITH w AS (SELECT id FROM customers WHERE email > 'a') SELECT id FROM w
UPDATE ONLY customers * SET name = DEFAULT, (phone, email) = (SELECT card_number, provider_ref FROM payments LIMIT 1) WHERE CURRENT OF c
UPDATE orders SET status[1] = 'x', meta.a.b = 1 WHERE true
DELETE FROM ONLY orders AS o USING customers c JOIN payments p ON true WHERE o.customer_id = c.id RETURNING WITH (OLD AS before, NEW AS after) before.*, after.status
DELETE FROM orders WHERE CURRENT OF "Cursor"
COPY (WITH x AS (SELECT email FROM customers) SELECT * FROM x) TO STDOUT (FORMAT csv, HEADER true, DELIMITER ';')
COPY customers FROM STDIN WHERE email LIKE 'a%'
COPY BINARY payments (card_number) TO STDOUT
DECLARE "c x" NO SCROLL INSENSITIVE CURSOR WITH HOLD FOR SELECT email FROM customers FOR READ ONLY
MOVE BACKWARD ALL IN "c x"
EXPLAIN (FORMAT json, ANALYZE) EXECUTE p('a', (SELECT email FROM customers))
PREPARE p (text, public.customers) AS SELECT $1, ($2).email
EXECUTE p('x', ROW(1, 2)::customers)
CALL public.do_it((SELECT max(email) FROM customers))
DO LANGUAGE plpgsql $do$ BEGIN PERFORM email FROM customers; END $do$
SET LOCAL search_path TO "$user", public, pg_temp
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
SET XML OPTION DOCUMENT
LOCK TABLE ONLY customers IN ROW EXCLUSIVE MODE NOWAIT
LISTEN customers
NOTIFY customers, 'payload'
CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT email FROM customers; SELECT 1; END
CREATE VIEW v AS SELECT email FROM customers
CREATE RULE r AS ON INSERT TO orders DO ALSO (SELECT email FROM customers; SELECT 1)
GRANT SELECT (email) ON customers TO PUBLIC
ALTER TABLE customers RENAME COLUMN email TO mail
TRUNCATE customers
