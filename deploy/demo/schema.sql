-- The shop: roles, tables, indexes and one view. Run by a superuser in an empty database.
-- Passwords are the roles' own names: this is a demonstration.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['shop_app', 'support', 'analyst', 'pgcovenant'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L', wanted, wanted);
        END IF;
    END LOOP;
END
$$;
-- Lets pgcovenant see where sessions come from, to tell of those that come around it.
GRANT pg_read_all_stats TO pgcovenant;

ALTER SCHEMA public OWNER TO shop_app;

SET ROLE shop_app;

CREATE TABLE customers (
    id         bigint PRIMARY KEY,
    name       text NOT NULL,
    email      varchar(120) NOT NULL UNIQUE,
    phone      text,
    ssn        char(11),
    birth_date date,
    country    char(2) NOT NULL,
    notes      text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE orders (
    order_id           bigint PRIMARY KEY,
    customer_id        bigint NOT NULL REFERENCES customers (id),
    status             text NOT NULL DEFAULT 'new'
                       CHECK (status IN ('new', 'paid', 'shipped', 'delivered', 'returned')),
    total_amount       numeric(12, 2) NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    estimated_delivery timestamptz,
    shipping_eta       timestamptz
);
CREATE INDEX orders_customer_id_idx ON orders (customer_id);
CREATE INDEX orders_status_idx ON orders (status) WHERE status IN ('new', 'paid');
CREATE INDEX orders_created_at_idx ON orders (created_at);

CREATE TABLE order_items (
    order_id bigint NOT NULL REFERENCES orders (order_id) ON DELETE CASCADE,
    item_id  integer NOT NULL,
    product  text NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    price    numeric(10, 2) NOT NULL,
    PRIMARY KEY (order_id, item_id)
);
CREATE INDEX order_items_product_idx ON order_items (product);

CREATE TABLE payments (
    payment_id   bigint PRIMARY KEY,
    order_id     bigint NOT NULL REFERENCES orders (order_id),
    card_number  varchar(19) NOT NULL,
    provider_ref text,
    status       text NOT NULL CHECK (status IN ('authorized', 'captured', 'refunded', 'failed')),
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX payments_order_id_idx ON payments (order_id);

CREATE TABLE employees (
    id         integer PRIMARY KEY,
    name       text NOT NULL,
    salary     numeric(10, 2) NOT NULL,
    manager_id integer REFERENCES employees (id),
    hired_on   date NOT NULL
);

CREATE VIEW active_customers AS
    SELECT c.id, c.name, c.email, c.country, count(o.order_id) AS orders, max(o.created_at) AS last_order_at
    FROM customers c
    JOIN orders o ON o.customer_id = c.id
    GROUP BY c.id;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO support, analyst;
GRANT UPDATE (name, country, notes), INSERT, DELETE ON customers TO support;
GRANT UPDATE (status, shipping_eta) ON orders TO support;
-- Lets pgcovenant compare the two while one takes the place of the other.
GRANT SELECT (order_id, estimated_delivery, shipping_eta) ON orders TO pgcovenant;

RESET ROLE;
