"""Who reads classified data, what they get to see, and whether that is on record."""

from .kit import (
    APPLICATION,
    DATABASE,
    DATNAME,
    RELATION,
    UNEXPECTED,
    dashboard,
    gained,
    graph,
    number,
    rate,
    row_to_table,
    table,
    variable,
)

CLASSIFICATION = variable(
    "classification", "Classification", f"label_values(pgcovenant_sensitive_access_total{{{DATABASE}}}, classification)"
)
CLASSIFIED = DATABASE + ',classification=~"$classification"'
APPLICATIONS = DATABASE + ',application=~"$application"'
UNPLANNED = CLASSIFIED + "," + UNEXPECTED

PAGE = dashboard(
    "pgcovenant-sensitive",
    "pgcovenant: sensitive data",
    "Access to classified and protected columns.",
    [DATNAME, CLASSIFICATION, APPLICATION],
    [
        (
            "At a glance",
            [
                number(
                    "Read in clear, unplanned",
                    "Classified columns about which no policy decides. Write a rule, or declare who may.",
                    f"{gained('sensitive_access_total', match=UNPLANNED)} or vector(0)",
                    bad=1,
                    width=6,
                    decimals=0,
                ),
                number(
                    "Masked",
                    "Shown in part or not at all.",
                    gained("sensitive_access_total", match=CLASSIFIED + ',outcome="masked"'),
                    width=6,
                    decimals=0,
                ),
                number(
                    "Refused",
                    "Statements that wanted what they must not see.",
                    gained("sensitive_access_total", match=CLASSIFIED + ',outcome="denied"'),
                    width=6,
                    decimals=0,
                ),
                number(
                    "Audit",
                    "Cannot be written: what happens now is not on record, or statements are refused, as configured.",
                    "min(pgcovenant_audit_writable)",
                    words={0: "not writable", 1: "written"},
                    good=1,
                    width=6,
                ),
            ],
        ),
        (
            "What became of it",
            [
                graph(
                    "By outcome",
                    "clear_allowed: a rule or the owner says so. would_mask, would_deny: a rule in shadow mode.",
                    (rate("sensitive_access_total", "outcome", CLASSIFIED), "{{outcome}}"),
                    unit="ops",
                    stacked=True,
                    width=12,
                ),
                graph(
                    "By classification",
                    "Load on each class of data.",
                    (rate("sensitive_access_total", "classification", CLASSIFIED), "{{classification}}"),
                    unit="ops",
                    stacked=True,
                    width=12,
                ),
                table(
                    "By column",
                    "All that was asked for, and what was given.",
                    gained("sensitive_access_total", RELATION + ", column, classification, outcome", CLASSIFIED)
                    + " > 0",
                    names=["uses"],
                    links=row_to_table(),
                ),
                table(
                    "Read in clear, unplanned",
                    "The gaps, by column.",
                    gained("sensitive_access_total", RELATION + ", column, classification", UNPLANNED) + " > 0",
                    names=["uses"],
                    links=row_to_table(),
                ),
            ],
        ),
        (
            "Who",
            [
                table(
                    "Columns by application",
                    "Columns that a rule or a lifecycle is about.",
                    gained("column_access_total", RELATION + ", column, application, access, outcome", APPLICATIONS)
                    + " > 0",
                    names=["uses"],
                    links=row_to_table(),
                ),
                graph(
                    "Applications",
                    "Who came for protected columns.",
                    (rate("column_access_total", "application", APPLICATIONS), "{{application}}"),
                    unit="ops",
                    stacked=True,
                    width=12,
                ),
                graph(
                    "Refusals by rule",
                    "A rule that refuses more than before: a new application, or somebody who tries.",
                    (rate("refusals_total", "rule, sqlstate"), "{{rule}} {{sqlstate}}"),
                    unit="reqps",
                    width=12,
                ),
                graph(
                    "What rules in shadow mode would do",
                    "Who would be hit if they were enforced.",
                    (
                        "sum by (rule, action) (rate(pgcovenant_shadow_findings_total[$__rate_interval]))",
                        "{{rule}} {{action}}",
                    ),
                    unit="ops",
                    width=12,
                ),
            ],
        ),
        (
            "Ways around, and the record",
            [
                table(
                    "Roles that get around the proxy",
                    "Grants that let somebody read protected columns at the server itself. "
                    "`pgcovenant drift` names roles and says what to revoke.",
                    f'max by (datname, relname, severity) (pgcovenant_drift_items{{{DATABASE},kind="grant_bypass"}})',
                    names=["items"],
                    width=8,
                ),
                graph(
                    "Audit records",
                    "dropped and failed are lost; refused: statements that were not run because they could not be recorded.",
                    ("sum by (result) (rate(pgcovenant_audit_events_total[$__rate_interval]))", "{{result}}"),
                    unit="ops",
                ),
                graph(
                    "Writes of governed sessions",
                    "By table and result.",
                    (rate("write_checks_total", "relname, result"), "{{relname}} {{result}}"),
                    unit="reqps",
                ),
            ],
        ),
    ],
    refresh="1m",
    since="now-24h",
)
