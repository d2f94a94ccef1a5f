"""Whether the promises about the data are kept, for those who own them."""

from .kit import DATABASE, DATNAME, RELATION, UNEXPECTED, dashboard, gained, graph, number, quantile, rate, table, total

WITHIN_TARGET = (
    f"{quantile(0.95, 'table_statement_duration_seconds', RELATION, span='$__range')}"
    f" <= on ({RELATION}) max by ({RELATION}) (pgcovenant_table_latency_target_seconds{{{DATABASE}}})"
)
MEASURED = f"{gained('table_statement_duration_seconds_count', RELATION)} > 0"
STALE = (
    f"max by ({RELATION}) (pgcovenant_data_freshness_seconds{{{DATABASE}}})"
    f" > min by ({RELATION}) (pgcovenant_data_freshness_target_seconds{{{DATABASE}}})"
)
ORPHANED = f"pgcovenant_orphan_rows{{{DATABASE}}} > 0"

PAGE = dashboard(
    "pgcovenant-executive",
    "pgcovenant: promises",
    "Contracts, protection, quality of service and retirement at a glance.",
    [DATNAME],
    [
        (
            "Are the promises kept?",
            [
                number(
                    "Contracts in force",
                    "Contracts that govern a database now.",
                    "count(group by (contract) (pgcovenant_contract_info))",
                ),
                number(
                    "Broken promises",
                    "Differences between contract and database that break what was promised. The owner of "
                    "the contract decides: `pgcovenant drift` says what to do.",
                    f'sum(max by (datname, relname, kind) (pgcovenant_drift_items{{{DATABASE},severity="breaking"}})) or vector(0)',
                    bad=1,
                ),
                number(
                    "Database reachable",
                    "Share of the time in which the proxies could reach the database server.",
                    "avg(avg_over_time(pgcovenant_upstream_up[$__range]))",
                    "percentunit",
                    good=0.999,
                    decimals=2,
                ),
                number(
                    "Statements without error",
                    "Share of the statements that ended without an error of the server or the proxy.",
                    f"1 - (({gained('errors_total')} or vector(0)) / {gained('statements_total')})",
                    "percentunit",
                    good=0.99,
                    decimals=2,
                ),
                number(
                    "Tables within their target",
                    "Share of the tables used whose p95 is within the latency that their contract "
                    "promises, or 200 ms where it says nothing. The page of the table shows why not.",
                    f"(count({WITHIN_TARGET}) or vector(0)) / count({MEASURED})",
                    "percentunit",
                    good=0.95,
                    decimals=0,
                ),
                number(
                    "Tables beyond their promise",
                    "Tables whose newest row is older than promised, or whose rows refer to what is not there. The page for "
                    "those on call names them.",
                    f"count(group by ({RELATION}) ({STALE}) or group by ({RELATION}) ({ORPHANED})) or vector(0)",
                    bad=1,
                    decimals=0,
                ),
                number(
                    "Sensitive data in clear, unplanned",
                    "Reads of classified columns about which no policy decides. Each is a "
                    "gap: write a rule, or declare who may read it.",
                    f"{gained('sensitive_access_total', match=DATABASE + ',' + UNEXPECTED)} or vector(0)",
                    bad=1,
                    decimals=0,
                ),
            ],
        ),
        (
            "How much is it used?",
            [
                graph(
                    "Statements per second",
                    "Load by database.",
                    (rate("statements_total", "datname"), "{{datname}}"),
                    unit="reqps",
                ),
                graph(
                    "Applications",
                    "Load by application; who depends on the data.",
                    (rate("statements_total", "application"), "{{application}}"),
                    unit="reqps",
                    stacked=True,
                ),
                graph(
                    "Response time",
                    "Time at the server, 95 of 100 statements are faster.",
                    (quantile(0.95, "statement_duration_seconds", "datname"), "{{datname}}"),
                    unit="s",
                ),
            ],
        ),
        (
            "Is sensitive data protected?",
            [
                graph(
                    "What became of access to classified columns",
                    "clear_unexpected should be nothing.",
                    (rate("sensitive_access_total", "outcome"), "{{outcome}}"),
                    unit="ops",
                    stacked=True,
                    width=12,
                ),
                graph(
                    "Refused statements",
                    "By rule; an application that is refused often needs a talk, or a rule does.",
                    (rate("refusals_total", "rule"), "{{rule}}"),
                    unit="reqps",
                    width=12,
                ),
            ],
        ),
        (
            "What is on its way out?",
            [
                table(
                    "Deprecated columns and tables",
                    "What ends when. The page of deprecations says who is in the way.",
                    f"max by ({RELATION}, column, phase, sunset) (pgcovenant_deprecated_column_info{{{DATABASE}}})",
                    hide=("Value",),
                ),
                table(
                    "Contracts",
                    "Who owns what is in force.",
                    "max by (contract, contract_version, team, status) (pgcovenant_contract_info)",
                    hide=("Value",),
                ),
            ],
        ),
        (
            "How does the database differ from its contracts?",
            [
                graph(
                    "Differences by severity",
                    "breaking: a promise is false. risky: something is open or unknown.",
                    (
                        f"sum by (severity) (max by (datname, relname, kind, severity) (pgcovenant_drift_items{{{DATABASE}}}))",
                        "{{severity}}",
                    ),
                    width=12,
                ),
                graph(
                    "Sessions",
                    "Clients that are logged in.",
                    (total("client_connections", "datname"), "{{datname}}"),
                    width=12,
                ),
            ],
        ),
    ],
    refresh="1m",
    since="now-24h",
)
