-- A little of everything that a shop does, for pgbench.
\set customer random(1, 8000)
\set number random(1, 24000)
SELECT id, name, email FROM customers WHERE id = :customer;
SELECT order_id, status, total_amount, shipping_eta FROM orders WHERE customer_id = :customer ORDER BY created_at DESC LIMIT 10;
SELECT o.status, i.product, i.quantity, i.price FROM orders o JOIN order_items i USING (order_id) WHERE o.order_id = :number;
UPDATE orders SET shipping_eta = shipping_eta + interval '1 minute' WHERE order_id = :number;
SELECT p.status, count(*) FROM payments p WHERE p.order_id BETWEEN :number AND :number + 50 GROUP BY p.status;
