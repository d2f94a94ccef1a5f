"""The proxy itself: sessions, its own time, files, certificates, audit, traces."""

from .kit import CHANGES, INSTANCE, dashboard, graph, number, quantile, table

ME = 'instance=~"$instance"'


def rate(metric, by):
    return f"sum by ({by}) (rate(pgcovenant_{metric}{{{ME}}}[$__rate_interval]))"


def own(metric, by="instance"):
    return f"sum by ({by}) (pgcovenant_{metric}{{{ME}}})"


def age(metric):
    return f"time() - min(pgcovenant_{metric}{{{ME}}})"


PAGE = dashboard(
    "pgcovenant-proxy",
    "pgcovenant: proxy",
    "The processes of pgcovenant, one line each.",
    [INSTANCE],
    [
        (
            "Now",
            [
                number(
                    "Proxies that answer",
                    "Compare with how many there should be.",
                    f'sum(up{{job="pgcovenant",{ME}}})',
                    good=1,
                    width=3,
                ),
                number(
                    "Server",
                    "Whether each can reach the database server.",
                    f"min(pgcovenant_upstream_up{{{ME}}})",
                    words={0: "down", 1: "up"},
                    good=1,
                    width=3,
                ),
                number(
                    "Policies",
                    "Refused: `pgcovenant check` says where and why.",
                    f"min(pgcovenant_policy_last_reload_successful{{{ME}}})",
                    words={0: "refused", 1: "in force"},
                    good=1,
                    width=3,
                ),
                number(
                    "Catalogs",
                    "Cannot be read: the last ones stay in force, changes of the schema are not seen. Look at the service account.",
                    f"min(pgcovenant_catalog_last_refresh_successful{{{ME}}})",
                    words={0: "stale", 1: "read"},
                    good=1,
                    width=3,
                ),
                number(
                    "Certificates",
                    "Refused: the last good ones stay in force until they expire.",
                    f"min(pgcovenant_tls_last_reload_successful{{{ME}}})",
                    words={0: "refused", 1: "in force"},
                    good=1,
                    width=3,
                ),
                number(
                    "Certificate expires in",
                    "New files are taken over by themselves.",
                    f"min(pgcovenant_tls_certificate_expiry_timestamp_seconds{{{ME}}}) - time()",
                    "s",
                    good=7 * 86400,
                    width=3,
                ),
                number(
                    "Audit",
                    "Whether records can be written.",
                    f"min(pgcovenant_audit_writable{{{ME}}})",
                    words={0: "not writable", 1: "written"},
                    good=1,
                    width=3,
                ),
                number(
                    "Bundles in force",
                    "More than one: a proxy has other files than the rest.",
                    f"count(group by (digest) (pgcovenant_bundle_info{{{ME}}}))",
                    bad=2,
                    width=3,
                ),
            ],
        ),
        (
            "Sessions",
            [
                graph(
                    "Sessions of clients", "Against limits.connections.", (own("client_connections"), "{{instance}}")
                ),
                graph(
                    "Sessions at the server",
                    "As many as clients have, and the proxy's own.",
                    (own("server_connections"), "{{instance}}"),
                ),
                graph(
                    "What sessions are doing",
                    "In the words of pg_stat_activity.",
                    (f"sum by (state) (pgcovenant_server_connections{{{ME}}})", "{{state}}"),
                    stacked=True,
                ),
                graph(
                    "Sessions around the proxy",
                    "As each proxy sees them; a replica that is not told of the others counts their sessions.",
                    (f"sum by (instance, datname) (pgcovenant_bypass_sessions{{{ME}}})", "{{instance}} {{datname}}"),
                ),
                graph(
                    "New sessions",
                    "Many short ones: the application has no pool.",
                    (rate("sessions_total", "instance"), "{{instance}}"),
                    unit="reqps",
                ),
                graph(
                    "Connections that came to nothing",
                    "By reason.",
                    (rate("connection_failures_total", "reason"), "{{reason}}"),
                    unit="reqps",
                    width=12,
                ),
                graph(
                    "Statements",
                    "Whether load is spread evenly.",
                    (rate("statements_total", "instance"), "{{instance}}"),
                    unit="reqps",
                    width=12,
                ),
            ],
        ),
        (
            "Its own time",
            [
                graph(
                    "Check, p99",
                    "Above a millisecond for long: see the page for debugging.",
                    (quantile(0.99, "overhead_seconds", "instance", ME + ',stage="check"'), "{{instance}}"),
                    unit="s",
                ),
                graph(
                    "Seconds of checks per second",
                    "Near to a core's second: add a proxy.",
                    (
                        f'sum by (instance) (rate(pgcovenant_overhead_seconds_sum{{{ME},stage="check"}}[$__rate_interval]))',
                        "{{instance}}",
                    ),
                    unit="s",
                ),
                graph(
                    "Verdicts",
                    "Texts known before cost next to nothing.",
                    (rate("analysis_total", "result"), "{{result}}"),
                    unit="reqps",
                    stacked=True,
                ),
            ],
        ),
        (
            "Files and catalogs",
            [
                table(
                    "Policies",
                    "Version and number of proxies.",
                    f"count by (policy, version) (pgcovenant_policy_info{{{ME}}})",
                    names=["proxies"],
                    width=8,
                ),
                table(
                    "Bundles",
                    "All policy and contract files in force, as one digest.",
                    f"count by (digest) (pgcovenant_bundle_info{{{ME}}})",
                    names=["proxies"],
                    width=8,
                ),
                table(
                    "Programs",
                    "Versions that run.",
                    f"count by (version) (pgcovenant_build_info{{{ME}}})",
                    names=["proxies"],
                    width=8,
                ),
                graph(
                    "Loads of policies",
                    "By result.",
                    (rate("policy_reloads_total", "result"), "{{result}}"),
                    unit="ops",
                    width=6,
                ),
                graph(
                    "Loads of certificates",
                    "By result.",
                    (rate("tls_reloads_total", "result"), "{{result}}"),
                    unit="ops",
                    width=6,
                ),
                graph(
                    "Readings of catalogs",
                    "By result.",
                    (rate("catalog_refreshes_total", "datname, result"), "{{datname}} {{result}}"),
                    unit="ops",
                    width=6,
                ),
                graph(
                    "Time of a reading, p95",
                    "Long ones load the server; raise service.refresh.",
                    (quantile(0.95, "catalog_refresh_duration_seconds", "instance", ME), "{{instance}}"),
                    unit="s",
                    width=6,
                ),
                number(
                    "Policies loaded",
                    "Time since the last load.",
                    age("policy_last_reload_timestamp_seconds"),
                    "s",
                    width=8,
                ),
                number(
                    "Drift looked at",
                    "Time since the slowest proxy compared database and contracts.",
                    age("drift_last_check_timestamp_seconds"),
                    "s",
                    width=8,
                    bad=600,
                ),
                number(
                    "Epoch",
                    "Grows with every change of policy or catalog.",
                    f"max(pgcovenant_policy_epoch{{{ME}}})",
                    width=8,
                ),
            ],
        ),
        (
            "Audit, traces, usage",
            [
                graph(
                    "Audit records",
                    "dropped and failed are lost.",
                    (rate("audit_events_total", "result"), "{{result}}"),
                    unit="ops",
                    width=6,
                ),
                graph(
                    "Audit queue",
                    "Grows: the disk is slower than the load.",
                    (own("audit_queue_length"), "{{instance}}"),
                    width=6,
                ),
                number(
                    "Audit last written",
                    "Time since the last record; long on an idle system.",
                    age("audit_last_write_timestamp_seconds"),
                    "s",
                    width=6,
                ),
                graph(
                    "Spans",
                    "dropped: the collector is slow. failed: it cannot be reached.",
                    (rate("spans_total", "result"), "{{result}}"),
                    unit="ops",
                    width=6,
                ),
                graph(
                    "Usage",
                    "Writing the record of usage, by result.",
                    (rate("usage_flushes_total", "result"), "{{result}}"),
                    unit="ops",
                    width=12,
                ),
                graph("Usage that waits", "Counts in memory.", (own("usage_pending"), "{{instance}}"), width=12),
            ],
        ),
    ],
    refresh="10s",
    annotations=[one for one in CHANGES if one["name"] in ("Versions of pgcovenant", "Policies and contracts loaded")],
)
