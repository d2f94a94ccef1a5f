"""What is on its way out, who is in the way, and whether the evidence is complete."""

from .kit import APPLICATION, DATABASE, DATNAME, RELATION, dashboard, gained, graph, number, rate, row_to_table, table

COLUMN = RELATION + ", column"
BOTH = DATABASE + ',application=~"$application"'
PAIR = COLUMN + ", replacement"

PAGE = dashboard(
    "pgcovenant-deprecations",
    "pgcovenant: deprecations",
    "Before a column is dropped: nobody uses it, its replacement has the same values, and nothing was missed.",
    [DATNAME, APPLICATION],
    [
        (
            "What ends when",
            [
                table(
                    "Columns and tables",
                    "Phase and planned date; an empty column means the table.",
                    f"max by ({COLUMN}, phase, sunset) (pgcovenant_deprecated_column_info{{{DATABASE}}})",
                    f"max by ({COLUMN}) (pgcovenant_deprecated_column_sunset_timestamp_seconds{{{DATABASE}}}) * 1000",
                    f"sum by ({COLUMN}) (increase(pgcovenant_deprecated_access_total{{{DATABASE}}}[$__range]))",
                    f"max by ({COLUMN}) (pgcovenant_deprecated_column_last_access_timestamp_seconds{{{DATABASE}}}) * 1000",
                    names=["info", "ends", "uses", "last used"],
                    units=["short", "dateTimeFromNow", "short", "dateTimeFromNow"],
                    hide=("info",),
                    width=24,
                    links=row_to_table(),
                ),
                table(
                    "Safe to drop",
                    "1: for 92 days usage was recorded without a gap, and nobody has used it. 0: that cannot be said. "
                    "Nothing: no usage is kept. What comes around the proxy is not recorded.",
                    f"min by ({COLUMN}) (pgcovenant_deprecated_column_safe_to_drop{{{DATABASE}}})",
                    names=["safe to drop"],
                    width=24,
                    links=row_to_table(),
                ),
            ],
        ),
        (
            "Who is in the way",
            [
                table(
                    "Applications that use them",
                    "Talk to these teams. `pgcovenant usage --readiness` names the statements.",
                    gained("deprecated_access_total", COLUMN + ", application, access", BOTH) + " > 0",
                    names=["uses"],
                ),
                table(
                    "Last use by application",
                    "Who has been silent for long may still come back at the end of the quarter.",
                    f"max by ({COLUMN}, application) (pgcovenant_deprecated_column_last_access_timestamp_seconds{{{BOTH}}}) * 1000",
                    names=["last used"],
                    units=["dateTimeFromNow"],
                ),
                graph(
                    "Uses by application",
                    "Should fall to nothing before the sunset.",
                    (
                        rate("deprecated_access_total", "relname, column, application", BOTH),
                        "{{relname}}.{{column}} {{application}}",
                    ),
                    unit="ops",
                    width=12,
                ),
                graph(
                    "Uses by kind",
                    "star: SELECT * names it without meaning it.",
                    (rate("deprecated_access_total", "access", BOTH), "{{access}}"),
                    unit="ops",
                    stacked=True,
                    width=12,
                ),
            ],
        ),
        (
            "Is the replacement ready",
            [
                graph(
                    "Rows that differ",
                    "Somebody writes one of the two without the other.",
                    (
                        f"max by ({PAIR}) (pgcovenant_divergent_rows{{{DATABASE}}})",
                        "{{relname}}.{{column}} / {{replacement}}",
                    ),
                ),
                graph(
                    "Backfill",
                    "missing: rows whose replacement has no value yet.",
                    (
                        f"max by ({PAIR}, state) (pgcovenant_backfill_rows{{{DATABASE}}})",
                        "{{relname}}.{{replacement}} {{state}}",
                    ),
                    stacked=True,
                ),
                table(
                    "Comparisons",
                    "When each was last compared, and how much of the table was read.",
                    f"max by ({PAIR}) (pgcovenant_divergence_last_check_timestamp_seconds{{{DATABASE}}}) * 1000",
                    f"max by ({PAIR}) (pgcovenant_divergence_sampled_ratio{{{DATABASE}}})",
                    names=["compared", "share"],
                    units=["dateTimeFromNow", "percentunit"],
                    width=8,
                ),
            ],
        ),
        (
            "Is the evidence complete",
            [
                number(
                    "Statements not analysed",
                    "Their columns are not known: while there are any that touch the table, nobody can say that "
                    "it is unused.",
                    f"({gained('unanalyzable_statements_total')} or vector(0)) / {gained('statements_total')}",
                    "percentunit",
                    bad=0.001,
                    width=6,
                    decimals=2,
                ),
                number(
                    "Usage last written",
                    "Older than a few minutes: the store cannot be written; usage waits in memory.",
                    "time() - min(pgcovenant_usage_last_flush_timestamp_seconds)",
                    "s",
                    bad=300,
                    width=6,
                ),
                number(
                    "Usage that waits",
                    "Counts that are not in the store yet.",
                    "sum(pgcovenant_usage_pending)",
                    width=6,
                ),
                number(
                    "Uses of unknown applications",
                    "Counted as __other__: there are more applications than are kept apart.",
                    "sum(increase(pgcovenant_usage_merged_total[$__range]))",
                    bad=1,
                    width=6,
                    decimals=0,
                ),
                graph(
                    "Writing usage",
                    "By result.",
                    ("sum by (result) (rate(pgcovenant_usage_flushes_total[$__rate_interval]))", "{{result}}"),
                    unit="ops",
                    width=24,
                    height=6,
                ),
            ],
        ),
    ],
    refresh="1m",
    since="now-7d",
)
