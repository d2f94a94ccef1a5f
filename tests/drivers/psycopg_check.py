"""psycopg 3 does the same through the proxy as directly.

Usage: psycopg_check.py DIRECT_URL PROXIED_URL
"""

import asyncio
import threading
import time

import psycopg
from compare import main, scenario
from psycopg import sql
from psycopg.rows import dict_row, namedtuple_row


def error_of(work):
    """The SQLSTATE and message that a piece of work ends with."""
    try:
        work()
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_primary, error.diag.severity
    return None


@scenario
def simple(url):
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute("SELECT * FROM customers ORDER BY id").fetchall()
        described = connection.execute("SELECT * FROM orders LIMIT 0").description
        many = connection.execute("SELECT 1; SELECT 2, 3")
        second = many.fetchall(), many.nextset(), many.fetchall()
        return rows, [(c.name, c.type_code, c.internal_size) for c in described], second


@scenario
def parameters(url):
    with psycopg.connect(url) as connection:
        by_id = "SELECT id, email, birth_date, created_at FROM customers WHERE id = ANY(%s) ORDER BY id"
        text = connection.execute(by_id, ([1, 2, 3],)).fetchall()
        binary = connection.cursor(binary=True).execute(by_id, ([1, 2, 3],)).fetchall()
        assert text == binary, (text, binary)
        named = connection.execute("SELECT %(a)s::int + %(b)s::numeric, %(c)s", {"a": 1, "b": 2, "c": "x"}).fetchall()
        odd = connection.execute("SELECT %s::text, %b::bytea, %s::jsonb", ("ü'\"\\", b"\0\xff", '{"a": null}')).fetchall()
        return text, named, odd


@scenario
def prepared(url):
    with psycopg.connect(url, autocommit=True, prepare_threshold=2) as connection:
        seen = []
        for customer in range(1, 12):
            cursor = connection.execute("SELECT name FROM customers WHERE id = %s", (customer,))
            seen.append(cursor.fetchone())
        explicit = connection.execute("SELECT count(*) FROM orders WHERE status = %s", ("new",), prepare=True).fetchone()
        count = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
        connection.execute("DEALLOCATE ALL")
        connection.prepare_threshold = None
        return seen, explicit, count


@scenario
def pipeline(url):
    with psycopg.connect(url, autocommit=True) as connection, connection.pipeline() as pipeline:
        cursors = [connection.execute("SELECT %s::int * 2", (number,)) for number in range(50)]
        orders = connection.execute("SELECT count(*) FROM orders")
        pipeline.sync()
        values = [cursor.fetchone()[0] for cursor in cursors]
        return values, orders.fetchone()


@scenario
def pipeline_with_an_error(url):
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("CREATE TEMP TABLE pipelined (a int PRIMARY KEY)")

    def work():
        with connection.pipeline():
            connection.execute("INSERT INTO pipelined VALUES (1)")
            connection.execute("INSERT INTO pipelined VALUES (1)")
            connection.execute("INSERT INTO pipelined VALUES (2)")

    failed = error_of(work)
    status = connection.info.transaction_status.name
    rows = connection.execute("TABLE pipelined").fetchall()
    connection.close()
    return failed, status, rows


@scenario
def transactions(url):
    seen = []
    with psycopg.connect(url) as connection:
        seen.append(error_of(lambda: connection.execute("SELECT 1/0")))
        seen.append(connection.info.transaction_status.name)
        seen.append(error_of(lambda: connection.execute("SELECT 1")))
        connection.rollback()
        with connection.transaction():
            connection.execute("CREATE TEMP TABLE t (a int UNIQUE)")
            connection.execute("INSERT INTO t VALUES (1)")

            def nested():
                with connection.transaction():
                    connection.execute("INSERT INTO t VALUES (1)")

            seen.append(error_of(nested))
            seen.append(connection.info.transaction_status.name)
        seen.append(connection.execute("TABLE t").fetchall())
        seen.append(error_of(lambda: connection.execute("SELECT * FROM nowhere")))
        connection.rollback()
        seen.append(error_of(lambda: connection.execute("SELEC 1")))
        connection.rollback()
        connection.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY")
        seen.append(error_of(lambda: connection.execute("UPDATE orders SET status = 'paid'")))
        connection.rollback()
    return seen


@scenario
def executemany(url):
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TEMP TABLE many (a int, b text)")
        cursor = connection.cursor()
        cursor.executemany("INSERT INTO many VALUES (%s, %s)", [(number, f"b{number}") for number in range(500)])
        count = cursor.rowcount
        cursor.executemany("INSERT INTO many VALUES (%s, %s) RETURNING a", [(1, "x"), (2, "y")], returning=True)
        returned = [cursor.fetchone()]
        while cursor.nextset():
            returned.append(cursor.fetchone())
        total = connection.execute("SELECT count(*), sum(a) FROM many").fetchone()
        connection.rollback()
        return count, returned, total


@scenario
def copy_out(url):
    with psycopg.connect(url) as connection:
        seen = []
        for form in ("text", "csv", "binary"):
            with connection.cursor().copy(f"COPY (SELECT * FROM order_items ORDER BY 1, 2) TO STDOUT (FORMAT {form})") as copy:
                seen.append(b"".join(bytes(chunk) for chunk in copy))
        with connection.cursor().copy("COPY (SELECT order_id, total_amount FROM orders ORDER BY 1) TO STDOUT") as copy:
            copy.set_types(["int8", "numeric"])
            seen.append(list(copy.rows()))
        return seen


@scenario
def copy_in(url):
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TEMP TABLE target (LIKE order_items)")
        cursor = connection.cursor()
        with cursor.copy("COPY target FROM STDIN") as copy:
            for number in range(20000):
                copy.write_row((number, number % 7, f"product\t{number}", 1, number / 4))
        with cursor.copy("COPY target (order_id, item_id, product, quantity, price) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int8", "int4", "text", "int4", "numeric"])
            copy.write_row((-1, -1, "binary", 1, 2))
        seen = connection.execute("SELECT count(*), sum(order_id), md5(string_agg(t::text, ',' ORDER BY order_id)) FROM target t").fetchone()

        def broken():
            with cursor.copy("COPY target FROM STDIN") as copy:
                copy.write("not\ta number\n")

        failed = error_of(broken)
        connection.rollback()

        def abandoned():
            with connection.cursor().copy("COPY employees FROM STDIN") as copy:
                copy.write_row((1, "x"))
                raise psycopg.DataError("changed my mind")

        abandoned = error_of(abandoned)
        connection.rollback()
        return seen, failed, abandoned, connection.execute("SELECT count(*) FROM employees").fetchone()


@scenario
def server_side_cursors(url):
    with psycopg.connect(url) as connection:
        seen = []
        with connection.cursor("scrolling", scrollable=True) as cursor:
            cursor.execute("SELECT order_id, status FROM orders ORDER BY order_id")
            seen.append(cursor.fetchmany(5))
            cursor.scroll(10)
            seen.append(cursor.fetchone())
            cursor.scroll(0, "absolute")
            seen.append(cursor.fetchone())
        with connection.cursor("parametrised") as cursor:
            cursor.itersize = 7
            seen.append(cursor.execute("SELECT id FROM customers WHERE country = %s ORDER BY id", ("DE",)).fetchall())
        connection.commit()
        held = connection.cursor("held", withhold=True)
        held.execute("SELECT generate_series(1, 5)")
        connection.commit()
        seen.append(held.fetchall())
        held.close()
        return seen


@scenario
def streams(url):
    with psycopg.connect(url) as connection:
        return [row for row in connection.cursor().stream("SELECT payment_id, card_number FROM payments ORDER BY 1")]


@scenario
def row_factories_and_types(url):
    with psycopg.connect(url) as connection:
        rows = connection.cursor(row_factory=dict_row).execute(
            "SELECT id, salary, hired_on, manager_id IS NULL AS boss FROM employees ORDER BY id"
        )
        tuples = connection.cursor(row_factory=namedtuple_row).execute("SELECT 1 AS one, ARRAY['a', NULL] AS two")
        special = connection.execute(
            "SELECT 'infinity'::float8, '1 year 2 days'::interval, '[1,5)'::int4range, '10.0.0.0/8'::inet,"
            " '{\"k\": [1, 2.5]}'::jsonb, '\\xdeadbeef'::bytea, 12345678901234567890.123::numeric, ROW(1, 'x')"
        )
        return rows.fetchall(), tuples.fetchone()._asdict(), repr(special.fetchone())


@scenario
def cancels(url):
    with psycopg.connect(url, autocommit=True) as connection:
        timer = threading.Timer(0.3, connection.cancel_safe if hasattr(connection, "cancel_safe") else connection.cancel)
        timer.start()
        began = time.monotonic()
        failed = error_of(lambda: connection.execute("SELECT pg_sleep(20)"))
        timer.join()
        assert time.monotonic() - began < 10
        return failed, connection.execute("SELECT 1").fetchone()


@scenario
def notifications(url):
    with psycopg.connect(url, autocommit=True) as listener, psycopg.connect(url, autocommit=True) as sender:
        listener.execute("LISTEN shop")
        sender.execute("SELECT pg_notify('shop', 'hello')")
        sender.execute("NOTIFY shop")
        seen = list(listener.notifies(timeout=5, stop_after=2))
        assert all(notify.pid == sender.info.backend_pid for notify in seen)
        return [(notify.channel, notify.payload) for notify in seen]


@scenario
def notices(url):
    with psycopg.connect(url) as connection:
        seen = []
        connection.add_notice_handler(lambda notice: seen.append((notice.severity, notice.sqlstate, notice.message_primary)))
        connection.execute("DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two' USING ERRCODE = '01ABC'; END $$")
        return seen


@scenario
def session_settings(url):
    with psycopg.connect(url, options="-c statement_timeout=4321 -c search_path=public", application_name="my app") as connection:
        shown = [
            connection.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone()[0]
            for name in ("statement_timeout", "application_name", "search_path", "client_encoding")
        ]
        connection.execute("SET application_name = 'renamed'")
        shown.append(connection.info.parameter_status("application_name"))
        connection.execute("SET client_encoding = 'LATIN1'")
        shown.append(connection.execute("SELECT name FROM customers ORDER BY id").fetchall())
        return shown


@scenario
def large_values(url):
    with psycopg.connect(url) as connection:
        big = "x" * 3_000_000
        return connection.execute("SELECT length(%s::text), md5(%s::text)", (big, big)).fetchone()


@scenario
def two_phase(url):
    """The server may be set up without prepared transactions: then it says so."""
    connection = psycopg.connect(url)
    connection.tpc_begin("one")
    connection.execute("SELECT 1")
    seen = error_of(connection.tpc_prepare), error_of(connection.tpc_rollback)
    connection.close()
    return seen


@scenario
def asynchronous(url):
    async def work():
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            async with connection.pipeline():
                cursors = [await connection.execute("SELECT %s::int", (number,)) for number in range(20)]
            values = [(await cursor.fetchone())[0] for cursor in cursors]
            running = asyncio.create_task(connection.execute("SELECT pg_sleep(20)"))
            await asyncio.sleep(0.2)
            running.cancel()
            try:
                await running
            except asyncio.CancelledError:
                values.append("cancelled")
            return values, (await (await connection.execute("SELECT 5")).fetchone())

    return asyncio.run(work())


main(f"psycopg {psycopg.__version__}")
