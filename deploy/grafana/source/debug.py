"""Where the time goes and why a statement ended as it did."""

from .kit import (
    APPLICATION,
    DATABASE,
    DATNAME,
    INSTANCE,
    dashboard,
    graph,
    number,
    quantile,
    rate,
    table,
    total,
    variable,
)

OPERATION = variable("operation", "Operation", f"label_values(pgcovenant_statements_total{{{DATABASE}}}, operation)")
ALL = DATABASE + ',application=~"$application",operation=~"$operation"'
TIMED = DATABASE + ',operation=~"$operation"'
PROXY = 'instance=~"$instance"'


def stages(share):
    return quantile(share, "overhead_seconds", "stage", PROXY)


PAGE = dashboard(
    "pgcovenant-debug",
    "pgcovenant: debug",
    "Per database, operation and application; the proxy's own time by stage.",
    [DATNAME, APPLICATION, OPERATION, INSTANCE],
    [
        (
            "Statements",
            [
                graph(
                    "By operation",
                    "What is asked.",
                    (rate("statements_total", "operation", ALL), "{{operation}}"),
                    unit="reqps",
                    stacked=True,
                ),
                graph(
                    "By decision",
                    "allow: as it was written. mask, rewrite: other SQL was sent. deny: refused.",
                    (rate("statements_total", "decision", ALL), "{{decision}}"),
                    unit="reqps",
                    stacked=True,
                ),
                graph(
                    "By application",
                    "Who asks.",
                    (rate("statements_total", "application", ALL), "{{application}}"),
                    unit="reqps",
                    stacked=True,
                ),
                graph(
                    "Time at the server, p50",
                    "From forwarding to completion, by operation.",
                    (quantile(0.5, "statement_duration_seconds", "operation", TIMED), "{{operation}}"),
                    unit="s",
                ),
                graph(
                    "Time at the server, p95",
                    "As above.",
                    (quantile(0.95, "statement_duration_seconds", "operation", TIMED), "{{operation}}"),
                    unit="s",
                ),
                graph(
                    "Time at the server, p99",
                    "As above.",
                    (quantile(0.99, "statement_duration_seconds", "operation", TIMED), "{{operation}}"),
                    unit="s",
                ),
            ],
        ),
        (
            "Time of the proxy itself",
            [
                graph(
                    "Overhead by stage, p50",
                    "check is all of it for one text; the others are parts of it for texts seen for the first " "time.",
                    (stages(0.5), "{{stage}}"),
                    unit="s",
                ),
                graph(
                    "Overhead by stage, p99",
                    "check above a millisecond: look for texts that are new every time, below.",
                    (stages(0.99), "{{stage}}"),
                    unit="s",
                ),
                graph(
                    "Verdicts",
                    "cached: known text. analysed: seen for the first time. Many analysed: applications write values into "
                    "their SQL; let them use parameters.",
                    (f"sum by (result) (rate(pgcovenant_analysis_total{{{PROXY}}}[$__rate_interval]))", "{{result}}"),
                    unit="reqps",
                    stacked=True,
                ),
                graph(
                    "Overhead per table, p95",
                    "Tables whose statements are costly to check: wide ones, or with many rules.",
                    (
                        quantile(0.95, "table_overhead_seconds", "schemaname, relname, operation", TIMED),
                        "{{schemaname}}.{{relname}} {{operation}}",
                    ),
                    unit="s",
                    width=12,
                ),
                graph(
                    "Share of texts known before",
                    "Of all that was judged.",
                    (
                        f'sum(rate(pgcovenant_analysis_total{{{PROXY},result="cached"}}[$__rate_interval]))'
                        f" / sum(rate(pgcovenant_analysis_total{{{PROXY}}}[$__rate_interval]))",
                        "known",
                    ),
                    unit="percentunit",
                    width=12,
                    share=True,
                ),
            ],
        ),
        (
            "What went wrong",
            [
                graph(
                    "Errors by class and origin",
                    "Origin server: the statement itself failed. Origin proxy: refused, or the "
                    "server was not there.",
                    (
                        rate("errors_total", "sqlstate_class, origin", DATABASE + ',application=~"$application"'),
                        "{{sqlstate_class}} ({{origin}})",
                    ),
                    unit="reqps",
                ),
                graph(
                    "Statements that could not be analysed",
                    "By reason and whether they passed. Usage of columns is not known for " "them.",
                    (rate("unanalyzable_statements_total", "reason, action"), "{{reason}} {{action}}"),
                    unit="reqps",
                ),
                graph(
                    "What rules in shadow mode would do",
                    "Before a rule is enforced, this is who would be hit.",
                    (
                        "sum by (rule, action) (rate(pgcovenant_shadow_findings_total[$__rate_interval]))",
                        "{{rule}} {{action}}",
                    ),
                    unit="ops",
                ),
                graph(
                    "Plans that were not had",
                    "Samples without a plan, by reason. role or function: the service account may not; see "
                    "the documentation of plans.",
                    (rate("plan_sample_failures_total", "reason"), "{{reason}}"),
                    unit="ops",
                    width=12,
                ),
                graph(
                    "Plans sampled",
                    "How sampled statements read their tables.",
                    (rate("plan_samples_total", "access_path"), "{{access_path}}"),
                    unit="ops",
                    stacked=True,
                    width=12,
                ),
            ],
        ),
        (
            "Bounds",
            [
                graph(
                    "Values of labels",
                    "Distinct values that a label has; at its limit (`labels` in the configuration) new ones are "
                    "counted as __other__.",
                    (f"max by (label) (pgcovenant_label_values{{{PROXY}}})", "{{label}}"),
                ),
                table(
                    "Labels that overflowed",
                    "Raise the limit if the values are real, or let the application stop making names.",
                    f"sum by (label) (increase(pgcovenant_label_overflow_total{{{PROXY}}}[$__range]))",
                    width=8,
                ),
                graph("Statement shapes", "That are remembered.", (total("shapes", "datname"), "{{datname}}")),
                number(
                    "Shapes evicted",
                    "Forgotten to stay within bounds; numbers of rare shapes are then too low.",
                    f"sum(increase(pgcovenant_shapes_evicted_total{{{PROXY}}}[$__range]))",
                    bad=1,
                    width=8,
                    decimals=0,
                ),
                number(
                    "Uses merged",
                    "Uses of columns that were counted for the application __other__.",
                    f"sum(increase(pgcovenant_usage_merged_total{{{PROXY}}}[$__range]))",
                    bad=1,
                    width=8,
                    decimals=0,
                ),
                number(
                    "Series of pgcovenant",
                    "What Prometheus stores for all proxies.",
                    'count({__name__=~"pgcovenant_.+"})',
                    width=8,
                ),
            ],
        ),
    ],
    refresh="10s",
)
