-- Rows for the shop: 8 000 customers, 24 000 orders, 56 000 items, 12 000 payments and 200 employees, the same on
-- every machine. `psql -v scale=0.01` makes a hundredth of them.

\if :{?scale}
\else
\set scale 1
\endif

SET ROLE shop_app;
SET timezone = 'UTC';

-- A number in [0, n) that depends on the key and the salt alone.
CREATE FUNCTION pg_temp.pick(key bigint, salt text, n bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT ('x' || substr(md5(salt || ':' || key), 1, 15))::bit(60)::bigint % n
$$;

CREATE FUNCTION pg_temp.digits(key bigint, salt text, length integer) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT lpad(pg_temp.pick(key, salt, (10 ^ length)::bigint)::text, length, '0')
$$;

-- Fifteen digits and the sixteenth that makes the Luhn sum right.
CREATE FUNCTION pg_temp.card(key bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT body || (10 - total % 10) % 10
    FROM (SELECT '4' || pg_temp.digits(key, 'card', 14) AS body) AS number,
         LATERAL (
             SELECT sum(CASE WHEN at % 2 = 1 THEN doubled / 10 + doubled % 10 ELSE digit END) AS total
             FROM generate_series(1, 15) AS at,
                  LATERAL (SELECT substr(body, at, 1)::integer AS digit) AS taken,
                  LATERAL (SELECT digit * 2 AS doubled) AS twice
         ) AS luhn
$$;

CREATE TEMPORARY TABLE words (first_names text[], last_names text[], countries text[], domains text[], products text[]);
INSERT INTO words VALUES (
    ARRAY['Ada', 'Bruno', 'Chiara', 'Dmitri', 'Elif', 'Farid', 'Grace', 'Hiroshi', 'Ingrid', 'João', 'Katarzyna', 'Liam',
          'Mei', 'Noor', 'Olga', 'Pablo', 'Quentin', 'Rania', 'Søren', 'Tomás', 'Ursula', 'Viktor', 'Wanjiku', 'Zoë'],
    ARRAY['Andersen', 'Bianchi', 'Costa', 'Dubois', 'Eriksson', 'Fischer', 'García', 'Haddad', 'Ivanova', 'Jansen',
          'Kowalski', 'Lopez', 'Müller', 'Nakamura', 'Okafor', 'Petrov', 'Quinn', 'Rossi', 'Smith', 'Tanaka', 'Umar',
          'Vega', 'Wang', 'Yilmaz'],
    ARRAY['DE', 'FR', 'ES', 'IT', 'PL', 'SE', 'GB', 'US', 'JP', 'BR'],
    ARRAY['example.com', 'example.net', 'example.org', 'mail.example.com', 'post.example.net'],
    ARRAY['espresso cup', 'french press', 'hand grinder', 'gooseneck kettle', 'paper filters', 'moka pot', 'milk jug',
          'digital scale', 'cold brew jar', 'travel mug', 'cleaning brush', 'beans, 250 g', 'beans, 1 kg', 'tamper']
);

INSERT INTO customers
SELECT id,
       first || ' ' || last,
       lower(translate(first || '.' || last, 'ãáëéíöüøñ ', 'aaeeiouon')) || id || '@' || domains[1 + pg_temp.pick(id, 'domain', 5)],
       CASE WHEN pg_temp.pick(id, 'phone?', 20) > 0
            THEN '+' || (30 + pg_temp.pick(id, 'code', 60)) || ' ' || pg_temp.digits(id, 'area', 3) || ' '
                 || pg_temp.digits(id, 'phone', 7)
       END,
       CASE WHEN pg_temp.pick(id, 'ssn?', 10) > 0
            THEN lpad((1 + pg_temp.pick(id, 'ssn1', 665))::text, 3, '0') || '-'
                 || lpad((1 + pg_temp.pick(id, 'ssn2', 99))::text, 2, '0') || '-'
                 || lpad((1 + pg_temp.pick(id, 'ssn3', 9999))::text, 4, '0')
       END,
       CASE WHEN pg_temp.pick(id, 'birth?', 15) > 0
            THEN date '1942-01-01' + pg_temp.pick(id, 'birth', 23000)::integer
       END,
       countries[1 + pg_temp.pick(id, 'country', 10)],
       CASE pg_temp.pick(id, 'notes', 12)
           WHEN 0 THEN 'prefers calls in the morning'
           WHEN 1 THEN 'wholesale, invoice to ' || lower(last) || '@' || domains[1]
           WHEN 2 THEN ''
       END,
       timestamptz '2021-01-01' + pg_temp.pick(id, 'created', 1825 * 86400) * interval '1 second'
FROM words,
     generate_series(1, greatest(20, (8000 * :scale)::integer)) AS id,
     LATERAL (SELECT first_names[1 + pg_temp.pick(id, 'first', 24)] AS first) AS given,
     LATERAL (SELECT last_names[1 + pg_temp.pick(id, 'last', 24)] AS last) AS family;

INSERT INTO orders
SELECT order_id,
       1 + pg_temp.pick(order_id, 'customer', greatest(20, (8000 * :scale)::bigint)),
       (ARRAY['new', 'paid', 'shipped', 'delivered', 'delivered', 'delivered', 'delivered', 'returned'])[
           1 + pg_temp.pick(order_id, 'status', 8)],
       0,
       placed,
       CASE WHEN pg_temp.pick(order_id, 'eta?', 10) > 0 THEN placed + days * interval '1 day' END,
       CASE WHEN pg_temp.pick(order_id, 'eta?', 10) > 2 THEN placed + days * interval '1 day' END
FROM generate_series(1, greatest(60, (24000 * :scale)::integer)) AS order_id,
     LATERAL (SELECT timestamptz '2024-01-01' + pg_temp.pick(order_id, 'placed', 700 * 86400) * interval '1 second'
              AS placed) AS moment,
     LATERAL (SELECT 1 + pg_temp.pick(order_id, 'days', 9) AS days) AS wait;

INSERT INTO order_items
SELECT order_id,
       item_id,
       products[1 + pg_temp.pick(order_id * 10 + item_id, 'product', 14)],
       1 + pg_temp.pick(order_id * 10 + item_id, 'quantity', 4),
       (199 + pg_temp.pick(order_id * 10 + item_id, 'price', 9800)) / 100.0
FROM words,
     orders,
     LATERAL generate_series(1, 1 + pg_temp.pick(order_id, 'items', 3) + pg_temp.pick(order_id, 'more', 3) / 2)
         AS item_id;

UPDATE orders
SET total_amount = items.total
FROM (SELECT order_id, sum(quantity * price) AS total FROM order_items GROUP BY order_id) AS items
WHERE items.order_id = orders.order_id;

INSERT INTO payments
SELECT order_id,
       order_id,
       pg_temp.card(customer_id),
       CASE WHEN pg_temp.pick(order_id, 'provider?', 8) > 0 THEN 'ch_' || substr(md5('provider:' || order_id), 1, 16) END,
       (ARRAY['authorized', 'captured', 'captured', 'captured', 'refunded', 'failed'])[
           1 + pg_temp.pick(order_id, 'payment', 6)],
       created_at + interval '3 minutes'
FROM orders
WHERE order_id % 2 = 0;

INSERT INTO employees
SELECT id,
       first_names[1 + pg_temp.pick(id, 'employee', 24)] || ' ' || last_names[1 + pg_temp.pick(id, 'family', 24)],
       32000 + pg_temp.pick(id, 'salary', 900) * 100 + 50,
       CASE WHEN id > 1 THEN 1 + (id - 2) / 5 END,
       date '2012-01-01' + pg_temp.pick(id, 'hired', 4700)::integer
FROM words, generate_series(1, greatest(20, (200 * :scale)::integer)) AS id;

RESET ROLE;
DROP TABLE words;
ANALYZE;
