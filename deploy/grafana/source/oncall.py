"""Within a minute: which table, which application, which change."""

from .kit import (
    APPLICATION,
    DATABASE,
    DATNAME,
    DENIED,
    RELATION,
    SLOTS,
    dashboard,
    gained,
    graph,
    grown,
    number,
    quantile,
    rate,
    row_to_table,
    table,
    to_table,
    total,
)

BOTH = DATABASE + ',application=~"$application"'

PAGE = dashboard(
    "pgcovenant-oncall",
    "pgcovenant: on call",
    "Start here when paged. From left to right: is it up, which table, which application, which change.",
    [DATNAME, APPLICATION],
    [
        (
            "Is it up?",
            [
                number(
                    "Proxies that answer",
                    "Fewer than usual: look at the pods or units that are missing.",
                    'sum(up{job="pgcovenant"})',
                    good=1,
                ),
                number(
                    "Database server",
                    "Down: clients get 57P03. The proxy's log says what fails; look at the server and the "
                    "network between.",
                    "min(pgcovenant_upstream_up)",
                    words={0: "down", 1: "up"},
                    good=1,
                ),
                number(
                    "Refused",
                    "Share of the statements that the proxy refuses.",
                    f"({rate('statements_total', match=DENIED)} or vector(0)) / {rate('statements_total')}",
                    "percentunit",
                    bad=0.05,
                    decimals=1,
                ),
                number(
                    "Errors",
                    "Share of the statements that end in an error, whoever raised it.",
                    f"({rate('errors_total')} or vector(0)) / {rate('statements_total')}",
                    "percentunit",
                    bad=0.05,
                    decimals=1,
                ),
                number(
                    "Waiting for locks",
                    "Sessions that wait for somebody else's lock. The table below says on what; "
                    "pg_blocking_pids() on the server says for whom.",
                    f"sum(pgcovenant_lock_waiters{{{DATABASE}}})",
                    bad=1,
                ),
                number(
                    "Policy files",
                    "Refused: the last good ones stay in force. Run `pgcovenant check` on the files.",
                    "min(pgcovenant_policy_last_reload_successful)",
                    words={0: "refused", 1: "in force"},
                    good=1,
                ),
                table(
                    "Alerts",
                    "What fires or is about to. Each alert links to its runbook.",
                    'max by (alertname, alertstate, severity, datname, relname, application, instance) (ALERTS{alertname=~"Pgcovenant.+"})',
                    width=24,
                    height=6,
                    hide=("Value",),
                ),
            ],
        ),
        (
            "Which table?",
            [
                table(
                    "Slowest tables",
                    "p95 over the last five minutes, beside what the contract promises. Click through to the table.",
                    f"topk(10, {quantile(0.95, 'table_statement_duration_seconds', RELATION, span='5m')})",
                    f"max by ({RELATION}) (pgcovenant_table_latency_target_seconds{{{DATABASE}}})",
                    f"sum by ({RELATION}) (rate(pgcovenant_table_statements_total{{{DATABASE}}}[5m]))",
                    names=["p95", "target", "statements/s"],
                    units=["s", "s", "reqps"],
                    links=row_to_table(),
                ),
                table(
                    "Tables that the server is busy with",
                    "Seconds of statements per second: 1 is one session all the time.",
                    f"topk(10, sum by ({RELATION}) (rate(pgcovenant_table_statement_duration_seconds_sum{{{DATABASE}}}[5m])))",
                    names=["busy"],
                    units=["s"],
                    links=row_to_table(),
                ),
                graph(
                    "p95 by table",
                    "A step up beside a line of the annotations is the change to look at.",
                    (
                        f"topk(10, {quantile(0.95, 'table_statement_duration_seconds', RELATION)})",
                        "{{schemaname}}.{{relname}}",
                    ),
                    unit="s",
                    width=12,
                    links=to_table(),
                ),
                graph(
                    "Rows read by sequential scans",
                    "A step up without more statements: an index is gone or is not used any more.",
                    (f"topk(10, {rate('seq_rows_total', RELATION)})", "{{schemaname}}.{{relname}}"),
                    width=6,
                    links=to_table(),
                ),
                graph(
                    "Waiting for locks",
                    "By table.",
                    (total("lock_waiters", RELATION), "{{schemaname}}.{{relname}}"),
                    width=6,
                    links=to_table(),
                ),
            ],
        ),
        (
            "Is the data as promised?",
            [
                table(
                    "Older than promised",
                    "Age of the newest row, beside what the contract promises. Nothing arrives: look at who writes the table.",
                    f"max by ({RELATION}) (pgcovenant_data_freshness_seconds{{{DATABASE}}})"
                    f" > min by ({RELATION}) (pgcovenant_data_freshness_target_seconds{{{DATABASE}}})",
                    names=["age"],
                    units=["s"],
                    width=8,
                    height=6,
                    links=row_to_table(),
                ),
                table(
                    "Rows without a partner",
                    "What they refer to is not there. Joins lose them; the runbook says how to find them.",
                    f"max by ({RELATION}, relationship) (pgcovenant_orphan_rows{{{DATABASE}}}) > 0",
                    names=["rows"],
                    width=8,
                    height=6,
                    links=row_to_table(),
                ),
                table(
                    "Consumers of changes that are gone or behind",
                    "Replication slots that nobody streams from, or that are further behind than their objective. The server keeps "
                    "all WAL for them: watch its disk.",
                    f"max by (datname, slot) (pgcovenant_replication_slot_lag_bytes{{{SLOTS}}}) > scalar(pgcovenant:cdc_lag_bytes:objective)"
                    f" or max by (datname, slot) (pgcovenant_replication_slot_lag_bytes{{{SLOTS}}})"
                    f" and on (datname, slot) max by (datname, slot) (pgcovenant_replication_slot_active{{{SLOTS}}}) == 0",
                    names=["behind"],
                    units=["bytes"],
                    width=8,
                    height=6,
                ),
            ],
        ),
        (
            "Which application?",
            [
                graph(
                    "Statements by application",
                    "Who asks for more, or less, than usual.",
                    (rate("statements_total", "application", BOTH), "{{application}}"),
                    unit="reqps",
                    stacked=True,
                ),
                graph(
                    "Errors by application and class",
                    "SQLSTATE classes: 08 connection, 23 constraint, 40 deadlock or "
                    "serialization, 42 wrong or refused SQL, 53 out of resources, 57 shut down or cancelled. Origin proxy: refused here.",
                    (
                        rate("errors_total", "application, sqlstate_class, origin", BOTH),
                        "{{application}} {{sqlstate_class}} ({{origin}})",
                    ),
                    unit="reqps",
                ),
                graph(
                    "Errors by table and class",
                    "Tables that the failing statements name. A new class beside a line of the annotations is the change to "
                    "look at.",
                    (
                        f"topk(10, {rate('table_errors_total', RELATION + ', sqlstate_class, origin')})",
                        "{{schemaname}}.{{relname}} {{sqlstate_class}} ({{origin}})",
                    ),
                    unit="reqps",
                    links=to_table(),
                ),
                graph(
                    "Refusals by rule",
                    "none: no single rule decided, as for a table that no contract has. `pgcovenant explain` "
                    "shows why a statement is refused.",
                    (rate("refusals_total", "rule, sqlstate"), "{{rule}} {{sqlstate}}"),
                    unit="reqps",
                ),
                graph(
                    "Sessions by application",
                    "An application that holds ever more sessions leaks them.",
                    (total("client_connections", "application", BOTH), "{{application}}"),
                    stacked=True,
                ),
                graph(
                    "Sessions at the server",
                    "By what they are doing; compare with max_connections. Idle in transaction: `pgcovenant top --sessions` says "
                    "who holds them open.",
                    (total("server_connections", "datname, state"), "{{datname}} {{state}}"),
                    stacked=True,
                ),
                graph(
                    "Sessions around the proxy",
                    "Neither policies nor metrics see them. The proxy's log names user, address and application of each.",
                    (f"max by (datname) (pgcovenant_bypass_sessions{{{DATABASE}}})", "{{datname}}"),
                ),
                graph(
                    "Connections that came to nothing",
                    "By reason: wrong passwords, limits, an unreachable server.",
                    ("sum by (reason) (rate(pgcovenant_connection_failures_total[$__rate_interval]))", "{{reason}}"),
                    unit="reqps",
                ),
            ],
        ),
        (
            "Which change?",
            [
                table(
                    "Indexes that are gone",
                    "Dropped within the last day. Statements that used them scan whole tables.",
                    f"max by ({RELATION}, indexrelname) (pgcovenant_index_dropped_timestamp_seconds{{{DATABASE}}}) * 1000",
                    names=["gone since"],
                    units=["dateTimeFromNow"],
                    links=row_to_table(),
                    width=8,
                ),
                table(
                    "Plans that got worse",
                    "A statement turned from an index to a sequential scan and got slower. Both plans are at "
                    "/api/v1/plans.",
                    f"max by ({RELATION}) (pgcovenant_plan_regression_timestamp_seconds{{{DATABASE}}}) * 1000",
                    names=["since"],
                    units=["dateTimeFromNow"],
                    links=row_to_table(),
                    width=8,
                ),
                table(
                    "Differences from the contracts",
                    "What `pgcovenant drift` tells in full.",
                    f"max by (datname, relname, kind, severity) (pgcovenant_drift_items{{{DATABASE}}}) > 0",
                    names=["items"],
                    width=8,
                ),
                graph(
                    "Changes",
                    "How many of which kind: files, structure, indexes, plans, migrations, the server. "
                    "`pgcovenant changes` says which.",
                    (grown("changes_total", "kind", match='datname=~"$datname|"'), "{{kind}}"),
                ),
                graph(
                    "DDL",
                    "Changes of structure by command, and whether they were let through.",
                    (grown("ddl_statements_total", "datname, command, action"), "{{datname}} {{command}} {{action}}"),
                ),
                graph(
                    "New statements",
                    "Statements never seen before under these contracts: what a deployed application brings.",
                    (gained("new_shapes_total", "datname", span="5m"), "{{datname}}"),
                ),
                table(
                    "Policies in force",
                    "Several versions of one policy: a proxy has not loaded the files that others have.",
                    "count by (policy, version) (pgcovenant_policy_info)",
                    "max by (policy, version) (pgcovenant_policy_info) * on () group_left () "
                    "max(pgcovenant_policy_last_reload_timestamp_seconds) * 1000",
                    names=["proxies", "loaded"],
                    units=["short", "dateTimeFromNow"],
                    width=24,
                ),
            ],
        ),
    ],
    refresh="10s",
    since="now-30m",
)
