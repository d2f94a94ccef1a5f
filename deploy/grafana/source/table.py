"""One table: how it is used, how fast it is, which indexes serve it, what was promised."""

from .kit import DATABASE, RELATION, TABLE, dashboard, gained, graph, number, one, quantile, rate, table, total

DATNAME = one("datname", "Database", "label_values(pgcovenant_table_statements_total, datname)")
SCHEMA = one("schemaname", "Schema", f"label_values(pgcovenant_table_statements_total{{{DATABASE}}}, schemaname)")
NAME = one(
    "relname",
    "Table",
    f'label_values(pgcovenant_table_statements_total{{{DATABASE},schemaname=~"$schemaname"}}, relname)',
)
INDEX = RELATION + ", indexrelname"
RECENT = "$__rate_interval"
SCANS = (
    f"sum(rate(pgcovenant_table_index_scans_total{{{TABLE}}}[{RECENT}]))",
    f"sum(rate(pgcovenant_seq_scans_total{{{TABLE}}}[{RECENT}]))",
)


def p(share):
    return quantile(share, "table_statement_duration_seconds", "operation", TABLE)


PAGE = dashboard(
    "pgcovenant-table",
    "pgcovenant: table",
    "Everything about one table.",
    [DATNAME, SCHEMA, NAME],
    [
        (
            "What was promised",
            [
                table(
                    "Contract",
                    "Who answers for the table.",
                    f"max by (contract, contract_version, team, criticality) (pgcovenant_table_info{{{TABLE}}})",
                    height=4,
                    width=12,
                    hide=("Value",),
                ),
                number(
                    "Latency target",
                    "p95 that the contract promises, or 200 ms where it says nothing.",
                    f"max(pgcovenant_table_latency_target_seconds{{{TABLE}}})",
                    "s",
                ),
                number(
                    "p95 now",
                    "Over the last five minutes.",
                    quantile(0.95, "table_statement_duration_seconds", match=TABLE, span="5m"),
                    "s",
                ),
                number(
                    "Differences from the contract",
                    "`pgcovenant drift` tells them in full.",
                    'sum(max by (datname, kind, severity) (pgcovenant_drift_items{datname=~"$datname",relname=~"$relname"})) or vector(0)',
                    bad=1,
                ),
                graph(
                    "Age of the newest row",
                    "Against what the contract promises. Nothing is written any more, or the age cannot be measured: the log says why.",
                    (f"max(pgcovenant_data_freshness_seconds{{{TABLE}}})", "newest row"),
                    (f"min(pgcovenant_data_freshness_target_seconds{{{TABLE}}})", "promised"),
                    unit="s",
                    width=12,
                    height=6,
                ),
                table(
                    "Rows without a partner",
                    "Rows that refer to what is not there; share: how much of the table was read.",
                    f"max by (relationship) (pgcovenant_orphan_rows{{{TABLE}}})",
                    f"min by (relationship) (pgcovenant_orphan_sampled_ratio{{{TABLE}}})",
                    f"max by (relationship) (pgcovenant_orphan_last_check_timestamp_seconds{{{TABLE}}}) * 1000",
                    names=["rows", "share", "counted"],
                    units=["short", "percentunit", "dateTimeFromNow"],
                    height=6,
                ),
                table(
                    "Queries that the contract declares",
                    "1: the last plan was as declared. 0: not; look at the plans below.",
                    f"min by (datname, contract, query) (pgcovenant_declared_query_satisfied{{{DATABASE}}})",
                    names=["as declared"],
                    width=24,
                    height=5,
                ),
            ],
        ),
        (
            "How it is used",
            [
                graph(
                    "Statements",
                    "By operation.",
                    (rate("table_statements_total", "operation", TABLE), "{{operation}}"),
                    unit="reqps",
                    stacked=True,
                ),
                graph(
                    "Rows",
                    "Returned or changed by statements that name this table only.",
                    (rate("table_rows_total", "operation", TABLE), "{{operation}}"),
                    unit="rowsps",
                ),
                graph(
                    "Errors",
                    "SQLSTATE classes: 22 data, 23 constraint, 40 deadlock or serialization, 42 wrong or refused SQL, 57 "
                    "cancelled. Origin proxy: refused here.",
                    (rate("table_errors_total", "sqlstate_class, origin", TABLE), "{{sqlstate_class}} ({{origin}})"),
                    unit="reqps",
                ),
                graph(
                    "Writes of governed sessions",
                    "Refused ones name columns that their policy does not open.",
                    (rate("write_checks_total", "result", TABLE), "{{result}}"),
                    unit="reqps",
                ),
                table(
                    "Columns by application",
                    "Who reads or writes which column; only columns that a rule or a lifecycle is about.",
                    gained("column_access_total", "column, application, access, outcome", TABLE) + " > 0",
                    names=["uses"],
                ),
                table(
                    "Classified columns",
                    "What became of access to them.",
                    gained("sensitive_access_total", "column, classification, outcome", TABLE) + " > 0",
                    names=["uses"],
                ),
            ],
        ),
        (
            "How fast it is",
            [
                graph("p50", "Time at the server by operation.", (p(0.5), "{{operation}}"), unit="s", width=6),
                graph(
                    "p95",
                    "Against the target.",
                    (p(0.95), "{{operation}}"),
                    (f"max(pgcovenant_table_latency_target_seconds{{{TABLE}}})", "target"),
                    unit="s",
                    width=6,
                ),
                graph("p99", "The slowest of a hundred.", (p(0.99), "{{operation}}"), unit="s", width=6),
                graph(
                    "p95 by scope",
                    "single: statements that name this table only. multi: joins, whose time is counted for each table.",
                    (quantile(0.95, "table_statement_duration_seconds", "scope", TABLE), "{{scope}}"),
                    unit="s",
                    width=6,
                ),
                graph(
                    "Seconds per second",
                    "How many sessions the server is busy with this table.",
                    (rate("table_statement_duration_seconds_sum", "operation", TABLE), "{{operation}}"),
                    unit="s",
                    stacked=True,
                ),
                graph(
                    "Time of the proxy, p95",
                    "Not part of the times above.",
                    (quantile(0.95, "table_overhead_seconds", "operation", TABLE), "{{operation}}"),
                    unit="s",
                ),
                graph(
                    "Waiting for locks",
                    "Sessions that wait for a lock on the table or a row of it.",
                    (total("lock_waiters", match=TABLE), "waiting"),
                ),
            ],
        ),
        (
            "How it is read",
            [
                graph(
                    "Share of scans that use an index",
                    "A fall is an index that is gone, or a plan that changed.",
                    (f"{SCANS[0]} / ({SCANS[0]} + {SCANS[1]} > 0)", "index"),
                    unit="percentunit",
                    share=True,
                ),
                graph(
                    "Rows by way of reading",
                    "Rows of sequential scans that grow with the table ask for an index.",
                    (rate("seq_rows_total", match=TABLE), "sequential"),
                    (rate("table_index_rows_total", match=TABLE), "index"),
                    unit="rowsps",
                ),
                graph(
                    "Sampled plans",
                    "How the planner chose to read it.",
                    (rate("plan_samples_total", "access_path", TABLE), "{{access_path}}"),
                    unit="ops",
                    stacked=True,
                ),
                graph(
                    "Scans by index",
                    "As the server counts them.",
                    (rate("index_scans_total", "indexrelname", TABLE), "{{indexrelname}}"),
                    unit="ops",
                ),
                graph(
                    "Rows by index",
                    "Many rows for few scans: the index does not select well.",
                    (rate("index_rows_total", "indexrelname", TABLE), "{{indexrelname}}"),
                    unit="rowsps",
                ),
                graph(
                    "Changes of plans",
                    "index_to_seq is the one to look at.",
                    (gained("plan_changes_total", "change", TABLE, "5m"), "{{change}}"),
                ),
                table(
                    "Indexes",
                    "unused: not scanned for so long while we watch. A plain index that is unused for weeks costs every write: "
                    "ask its owner, then drop it.",
                    f"max by ({INDEX}) (pgcovenant_index_size_bytes{{{TABLE}}})",
                    f"max by ({INDEX}) (pgcovenant_index_unused_seconds{{{TABLE}}})",
                    f"sum by ({INDEX}) (increase(pgcovenant_index_scans_total{{{TABLE}}}[$__range]))",
                    f"max by ({INDEX}, kind, valid) (pgcovenant_index_info{{{TABLE}}})",
                    names=["size", "unused", "scans", "info"],
                    units=["bytes", "s", "short", "short"],
                    width=16,
                    hide=("datname", "schemaname", "relname", "info"),
                ),
                table(
                    "Indexes that are gone",
                    "Within the last day.",
                    f"max by (indexrelname) (pgcovenant_index_dropped_timestamp_seconds{{{TABLE}}}) * 1000",
                    names=["gone"],
                    units=["dateTimeFromNow"],
                    width=8,
                ),
            ],
        ),
        (
            "How big it is",
            [
                graph(
                    "Size",
                    "The table and each index.",
                    (f"max by (relname) (pgcovenant_table_size_bytes{{{TABLE}}})", "{{relname}}"),
                    (f"max by (indexrelname) (pgcovenant_index_size_bytes{{{TABLE}}})", "{{indexrelname}}"),
                    unit="bytes",
                    width=12,
                    stacked=True,
                ),
                graph(
                    "Live rows",
                    "The server's estimate.",
                    (f"max(pgcovenant_table_rows_estimate{{{TABLE}}})", "rows"),
                    width=12,
                ),
            ],
        ),
    ],
    refresh="10s",
)
