"""A version of libpq speaks with the server through the proxy as it does directly.

Usage: libpq_check.py DIRECT_URL PROXIED_URL; which libpq it is depends on the psycopg in PYTHONPATH.
"""

import re
import select

import psycopg
from compare import main, scenario
from psycopg import pq

LIBPQ = pq.version()
PARAMETERS = [
    "server_version", "server_encoding", "client_encoding", "application_name", "default_transaction_read_only",
    "in_hot_standby", "is_superuser", "session_authorization", "DateStyle", "IntervalStyle", "TimeZone",
    "integer_datetimes", "standard_conforming_strings", "search_path", "scram_iterations",
]


def described(url, **settings):
    """What libpq knows of a fresh session, and what it does with it."""
    with psycopg.connect(url, autocommit=True, connect_timeout=20, **settings) as connection:
        info = connection.info
        known = {name: info.parameter_status(name) for name in PARAMETERS}
        protocol = getattr(connection.pgconn, "full_protocol_version", connection.pgconn.protocol_version)
        answer = connection.execute("SELECT %s::int + 1, current_setting('application_name')", (1,)).fetchone()
        connection.execute("SET search_path = pg_catalog, public")
        known["search_path afterwards"] = info.parameter_status("search_path")
        pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
        cancelled = cancel(connection)
        return known, protocol, info.server_version, answer, pid == info.backend_pid, cancelled


def cancel(connection):
    """The key that the server gave reaches it again. A cancel that comes before the query is lost, so it is repeated."""
    connection.pgconn.send_query(b"SELECT pg_sleep(30)")
    connection.pgconn.flush()
    for _ in range(100):
        connection.cancel()
        if select.select([connection.fileno()], [], [], 0.2)[0]:
            break
    result = connection.pgconn.get_result()
    state = result.error_field(pq.DiagnosticField.SQLSTATE)
    while connection.pgconn.get_result():
        pass
    return state


def refused(url, **settings):
    try:
        return described(url, **settings)
    except psycopg.OperationalError as error:
        return re.sub(r"port \d+", "port", str(error))


@scenario
def as_it_comes(url):
    return described(url)


@scenario
def without_asking_for_encryption(url):
    return described(url, sslmode="disable", gssencmode="disable")


@scenario
def preferring_encryption(url):
    return described(url, sslmode="prefer", application_name="prefers")


@scenario
def demanding_encryption(url):
    return refused(url, sslmode="require")


@scenario
def settings_at_the_start(url):
    return described(url, options="-c search_path=pg_catalog -c DateStyle=German", client_encoding="latin1")


@scenario
def unknown_settings_at_the_start(url):
    return refused(url, options="-c no_such_setting=1")


@scenario
def newer_protocols(url):
    if LIBPQ < 180000:
        return "this libpq knows one protocol"
    asked = [described(url, max_protocol_version=version) for version in ("3.0", "3.2", "latest")]
    return asked, refused(url, min_protocol_version="3.2")


@scenario
def wrong_names(url):
    return refused(url, dbname="no_such_database"), refused(url, user="no_such_role")


main(f"libpq {LIBPQ // 10000}, psycopg {psycopg.__version__}")
