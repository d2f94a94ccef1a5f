"""asyncpg does the same through the proxy as directly: it speaks the extended protocol on its own, in binary.

Usage: asyncpg_check.py DIRECT_URL PROXIED_URL
"""

import asyncio
import datetime
import decimal
import io

import asyncpg
from compare import main, scenario


def connected(work):
    """Gives a scenario a session of its own."""

    def with_session(url):
        async def session():
            connection = await asyncpg.connect(url, timeout=20)
            try:
                return await asyncio.wait_for(work(connection), 60)
            finally:
                await connection.close()

        return asyncio.run(session())

    with_session.__name__ = work.__name__
    return with_session


async def error_of(awaitable):
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        return error.sqlstate, error.message, error.severity
    return None


@scenario
@connected
async def queries(connection):
    rows = await connection.fetch("SELECT * FROM customers ORDER BY id")
    by_id = await connection.fetch("SELECT * FROM orders WHERE order_id = ANY($1::bigint[]) ORDER BY 1", [1, 2, 3])
    value = await connection.fetchval("SELECT count(*) FROM orders WHERE status = $1", "new")
    many = await connection.execute("SELECT 1; SELECT 2")
    return [tuple(row.items()) for row in rows], [tuple(row.values()) for row in by_id], value, many


@scenario
@connected
async def types(connection):
    values = (
        7, decimal.Decimal("12.50"), "ü'\\", b"\0\xff", True, datetime.date(2020, 2, 29),
        datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), datetime.timedelta(days=1, seconds=2),
        [[1, 2], [3, 4]], asyncpg.Range(1, 5), None,
    )
    sql = ("SELECT $1::int, $2::numeric, $3::text, $4::bytea, $5::bool, $6::date, $7::timestamptz, $8::interval,"
           " $9::int[], $10::int4range, $11::jsonb, ROW(1, 'x'), '{\"a\": 1}'::jsonb, '10.0.0.1'::inet")
    return tuple(await connection.fetchrow(sql, *values))


@scenario
@connected
async def unknown_types_are_looked_up(connection):
    async with connection.transaction():
        await connection.execute("CREATE TEMP TABLE made (a int); CREATE TYPE pg_temp.mood AS ENUM ('sad', 'ok')")
        await connection.execute("CREATE TYPE pg_temp.pair AS (l int, r pg_temp.mood)")
        return tuple(await connection.fetchrow("SELECT 'ok'::pg_temp.mood, ROW(1, 'sad')::pg_temp.pair, NULL::made"))


@scenario
@connected
async def prepared_statements(connection):
    statement = await connection.prepare("SELECT name, $1::int AS n FROM customers WHERE id = $2")
    attributes = [(a.name, a.type.name) for a in statement.get_attributes()], statement.get_parameters()
    rows = [tuple(await statement.fetchrow(number, number)) for number in range(1, 20)]
    wrong = await error_of(connection.prepare("SELECT nothing FROM nowhere"))
    plan = await (await connection.prepare("SELECT 1")).explain()
    return attributes[0], [t.name for t in attributes[1]], rows, wrong, plan


@scenario
@connected
async def cursors(connection):
    seen = []
    async with connection.transaction():
        async for row in connection.cursor("SELECT order_id FROM orders ORDER BY 1", prefetch=7):
            seen.append(row[0])
        cursor = await connection.cursor("SELECT order_id FROM orders ORDER BY 1")
        seen.append([row[0] for row in await cursor.fetch(3)])
        await cursor.forward(5)
        seen.append((await cursor.fetchrow())[0])
    return seen


@scenario
@connected
async def many_at_once(connection):
    await connection.execute("CREATE TEMP TABLE many (a int PRIMARY KEY, b text)")
    await connection.executemany("INSERT INTO many VALUES ($1, $2)", [(n, f"row {n}") for n in range(500)])
    twice = await error_of(connection.executemany("INSERT INTO many VALUES ($1, 'x')", [(500,), (501,), (1,), (502,)]))
    count = await connection.fetchval("SELECT count(*) FROM many")
    returned = await connection.fetchmany("INSERT INTO many VALUES ($1, 'y') RETURNING a, b", [(600,), (601,)])
    return twice, count, [tuple(row) for row in returned]


@scenario
@connected
async def copy(connection):
    await connection.execute("CREATE TEMP TABLE copied (a int, b text)")
    done = await connection.copy_records_to_table("copied", records=[(n, f"v{n}") for n in range(1000)])
    text = await connection.copy_to_table("copied", source=io.BytesIO(b"5\tfive\n6\t\\N\n"))
    wrong = await error_of(connection.copy_to_table("copied", source=io.BytesIO(b"x\ty\n")))
    out = io.BytesIO()
    query = await connection.copy_from_query("SELECT * FROM copied WHERE a < $1 ORDER BY 1, 2", 10, output=out)
    return done, text, wrong, query, out.getvalue()


@scenario
@connected
async def transactions(connection):
    seen = [await error_of(connection.execute("SELECT 1/0"))]
    async with connection.transaction(isolation="serializable", readonly=True):
        seen.append(await connection.fetchval("SHOW transaction_isolation"))
        seen.append(await error_of(savepoint_that_fails(connection)))
        seen.append(await connection.fetchval("SELECT 3"))
    seen.append(connection.is_in_transaction())
    return seen


async def savepoint_that_fails(connection):
    async with connection.transaction():
        await connection.execute("CREATE TABLE refused (a int)")


@scenario
@connected
async def notifications_and_notices(connection):
    heard, notices = asyncio.Queue(), []
    connection.add_log_listener(lambda _, message: notices.append((message.sqlstate, message.message)))
    await connection.add_listener("asyncpg_check", lambda c, pid, channel, payload: heard.put_nowait((channel, payload)))
    await connection.execute("NOTIFY asyncpg_check, 'hello'; DO $$ BEGIN RAISE NOTICE 'seen'; END $$")
    return await asyncio.wait_for(heard.get(), 10), notices


@scenario
@connected
async def timeouts_cancel(connection):
    try:
        await connection.fetchval("SELECT pg_sleep(30)", timeout=0.3)
    except asyncio.TimeoutError:
        pass
    return await connection.fetchval("SELECT 'still here'"), connection.is_closed()


@scenario
def settings_and_pool(url):
    async def work():
        settings = {"application_name": "check", "search_path": "pg_catalog", "statement_timeout": "9s"}
        async with asyncpg.create_pool(url, min_size=2, max_size=3, server_settings=settings) as pool:
            show = "SELECT current_setting('search_path'), current_setting('statement_timeout')"
            shown = await asyncio.gather(*(pool.fetchrow(show) for _ in range(6)))
            async with pool.acquire() as connection:
                await connection.execute("SET search_path = public")
            return [tuple(row) for row in shown], await pool.fetchval("SHOW search_path")

    return asyncio.run(work())


@scenario
def refusals(url):
    async def work():
        try:
            await asyncpg.connect(url, database="no_such_database")
        except asyncpg.PostgresError as error:
            return error.sqlstate, error.message

    return asyncio.run(work())


main(f"asyncpg {asyncpg.__version__}")
