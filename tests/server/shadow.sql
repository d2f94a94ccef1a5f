-- Turns the shop into the database that `support` is to see: every masked column holds its masked values, written here
-- by hand, and the denied column is not granted.
ALTER TABLE customers DROP CONSTRAINT customers_email_key;
UPDATE customers SET
    email = CASE WHEN strpos(email, '@') > 1 THEN left(email, 1) || '****' || substr(email, strpos(email, '@'))
                 ELSE '****' END,
    phone = CASE WHEN length(phone) > 6 THEN left(phone, 4) || '*****' || right(phone, 2)
                 WHEN phone IS NOT NULL THEN '*****' END,
    birth_date = make_date(extract(year FROM birth_date)::integer, 1, 1),
    notes = CASE WHEN notes IS NOT NULL THEN '' END;
UPDATE payments SET
    card_number = '************' || right(card_number, 4),
    provider_ref = NULL;
UPDATE employees SET salary = floor(salary / 10000) * 10000;
REVOKE ALL ON customers, orders FROM support;
GRANT SELECT (id, name, email, phone, birth_date, country, notes, created_at), UPDATE (name) ON customers TO support;
GRANT SELECT, UPDATE (status) ON orders TO support;
DROP VIEW active_customers;
CREATE VIEW active_customers AS
    SELECT c.id, c.name, c.email, c.country, count(o.order_id) AS orders, max(o.created_at) AS last_order_at
    FROM customers c
    JOIN orders o ON o.customer_id = c.id
    GROUP BY c.id, c.name, c.email, c.country;
GRANT SELECT ON active_customers TO support;
