"""What dashboards are made of: queries that many panels share, panels, and their places."""

SOURCE = {"type": "prometheus", "uid": "pgcovenant-prometheus"}
DATABASE = 'datname=~"$datname"'
TABLE = 'datname=~"$datname",schemaname=~"$schemaname",relname=~"$relname"'
RELATION = "datname, schemaname, relname"
# Slots of standbys are of no database.
SLOTS = 'datname=~"$datname|"'
DENIED = DATABASE + ',decision="deny"'
UNEXPECTED = 'outcome="clear_unexpected"'
WIDTH = 24


def total(metric, by="", match=DATABASE):
    """A gauge, added up over all proxies."""
    grouping = f"sum by ({by}) " if by else "sum"
    return f"{grouping}(pgcovenant_{metric}{{{match}}})"


def rate(metric, by="", match=DATABASE):
    """A counter per second."""
    grouping = f"sum by ({by}) " if by else "sum"
    return f"{grouping}(rate(pgcovenant_{metric}{{{match}}}[$__rate_interval]))"


def gained(metric, by="", match=DATABASE, span="$__range"):
    """By how much a counter has grown over the range of time that is shown."""
    grouping = f"sum by ({by}) " if by else "sum"
    return f"{grouping}(increase(pgcovenant_{metric}{{{match}}}[{span}]))"


def quantile(share, metric, by="", match=DATABASE, span="$__rate_interval"):
    """A quantile of a histogram."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate(pgcovenant_{metric}_bucket{{{match}}}[{span}])))"


def grown(metric, by, match=DATABASE):
    """A counter that has grown within the last minute, also if that is how it began."""
    series = f"pgcovenant_{metric}{{{match}}}"
    return f"sum by ({by}) ({series} - ({series} offset 1m or {series} * 0)) > 0"


def appeared(metric, by, match=""):
    """Label values that were not there five minutes ago."""
    series = f"pgcovenant_{metric}{{{match}}}"
    return f"group by ({by}) ({series}) unless group by ({by}) ({series} offset 5m)"


def variable(name, label, query, **more):
    """A choice at the top of the page. Each lists what the ones before it leave."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "refresh": 2,
        "sort": 1,
        "query": {"query": query, "refId": name},
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        **more,
    }


def one(name, label, query):
    """A choice of exactly one."""
    return variable(name, label, query, includeAll=False, multi=False, allValue=None, current={})


DATNAME = variable("datname", "Database", "label_values(pgcovenant_statements_total, datname)")
APPLICATION = variable(
    "application", "Application", f"label_values(pgcovenant_statements_total{{{DATABASE}}}, application)"
)
INSTANCE = variable("instance", "Proxy", "label_values(pgcovenant_build_info, instance)")


def annotation(name, expr, colour, title, text="", value_is_time=False):
    """Something that happened, as a line through every graph. Times are given in seconds and wanted in milliseconds."""
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": True,
        "iconColor": colour,
        "expr": f"{expr} * 1000" if value_is_time else expr,
        "titleFormat": title,
        "textFormat": text,
        "step": "15s",
        "useValueForTime": value_is_time,
    }


CHANGES = [
    annotation("Versions of pgcovenant", appeared("build_info", "version"), "purple", "pgcovenant {{version}}"),
    annotation("Policies and contracts loaded", appeared("bundle_info", "digest"), "blue", "policies {{digest}}"),
    annotation(
        "DDL",
        grown("ddl_statements_total", "datname, command, action"),
        "orange",
        "{{command}} on {{datname}}",
        "{{action}}",
    ),
    annotation(
        "Schema versions",
        appeared("schema_version_info", "datname, tool, schema_version, state"),
        "orange",
        "{{datname}} at {{schema_version}}",
        "{{tool}}: {{state}}",
    ),
    annotation(
        "Indexes gone",
        f"max by ({RELATION}, indexrelname) (pgcovenant_index_dropped_timestamp_seconds{{{DATABASE}}})",
        "red",
        "{{indexrelname}} is gone",
        "{{datname}} {{schemaname}}.{{relname}}",
        value_is_time=True,
    ),
    annotation(
        "Plans that got worse",
        f"max by ({RELATION}) (pgcovenant_plan_regression_timestamp_seconds{{{DATABASE}}})",
        "red",
        "sequential scan of {{relname}}",
        "{{datname}} {{schemaname}}.{{relname}}",
        value_is_time=True,
    ),
    annotation(
        "New statements",
        grown("new_shapes_total", "datname"),
        "light-green",
        "new statements on {{datname}}",
        "An application may have been deployed.",
    ),
]


def to_table(label="{{schemaname}}.{{relname}}"):
    """A link from a row or series to the page of its table."""
    fields = "&".join(f"var-{name}=${{__field.labels.{name}}}" for name in ("datname", "schemaname", "relname"))
    return [{"title": "This table", "url": f"/d/pgcovenant-table?{fields}&${{__url_time_range}}"}]


def row_to_table():
    """The same from a row of a table panel."""
    fields = "&".join(f"var-{name}=${{__data.fields.{name}}}" for name in ("datname", "schemaname", "relname"))
    return [{"title": "This table", "url": f"/d/pgcovenant-table?{fields}&${{__url_time_range}}"}]


def panel(kind, title, about, queries, unit="short", width=8, height=8, **more):
    """`queries` are pairs of expression and legend; `about` says what to read from it and what to do."""
    defaults = {"unit": unit, **more.pop("defaults", {})}
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "width": width,
        "height": height,
        "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for number, (expr, legend) in enumerate(queries)
        ],
        **more,
    }


def graph(title, about, *queries, unit="short", width=8, height=8, stacked=False, links=None, share=False):
    """Lines over time."""
    custom = {
        "fillOpacity": 30 if stacked else 0,
        "showPoints": "never",
        "lineWidth": 1,
        "stacking": {"mode": "normal" if stacked else "none"},
    }
    defaults = {"min": 0, "custom": custom, **({"max": 1} if share else {}), **({"links": links} if links else {})}
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, about, queries, unit, width, height, defaults=defaults, options=options)


def number(title, about, expr, unit="short", width=4, good=None, bad=None, words=None, decimals=None):
    """One number, coloured: red from `bad` on if that is a bound above, or below `good` if that is a bound below."""
    steps = [{"color": "blue", "value": None}]
    if bad is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": bad}]
    if good is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": good}]
    defaults = {"thresholds": {"mode": "absolute", "steps": steps}, "color": {"mode": "thresholds"}, "noValue": "none"}
    if decimals is not None:
        defaults["decimals"] = decimals
    if words:
        options = {str(value): {"text": text, "index": index} for index, (value, text) in enumerate(words.items())}
        defaults["mappings"] = [{"type": "value", "options": options}]
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background", "graphMode": "none"}
    return panel("stat", title, about, [(expr, "")], unit, width, 4, defaults=defaults, options=options)


def table(title, about, *queries, unit="short", width=12, height=8, links=None, names=None, units=None, hide=()):
    """Rows of labels and values as they are now; several queries are joined by their labels, their values are called
    `names`."""
    names = names or ["Value"]
    result = panel(
        "table",
        title,
        about,
        [(expr, "") for expr in queries],
        unit,
        width,
        height,
        defaults={"links": links} if links else {},
        options={"showHeader": True, "cellHeight": "sm"},
    )
    for target in result["targets"]:
        target.update({"format": "table", "instant": True})
    columns = ["Value"] if len(queries) == 1 else [f"Value #{target['refId']}" for target in result["targets"]]
    renamed = dict(zip(columns, names))
    hidden = [column for column, name in renamed.items() if name in hide]
    excluded = {name: True for name in ("Time", "__name__", *hidden, *(name for name in hide if name not in names))}
    organize = {"id": "organize", "options": {"excludeByName": excluded, "renameByName": renamed}}
    result["transformations"] = [*([{"id": "merge", "options": {}}] if len(queries) > 1 else []), organize]
    for name, its in zip(names, units or []):
        result["fieldConfig"]["overrides"].append(
            {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": its}]}
        )
    return result


def dashboard(uid, title, about, variables, rows, refresh="30s", since="now-1h", annotations=CHANGES):
    """Lays panels out from left to right, row by row, and numbers them."""
    panels, y = [], 0
    for heading, members in rows:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": heading,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
            }
        )
        y, x, tallest = y + 1, 0, 0
        for member in members:
            place = dict(member)
            width, height = place.pop("width"), place.pop("height")
            if x + width > WIDTH:
                y, x, tallest = y + tallest, 0, 0
            panels.append({"id": len(panels) + 1, **place, "gridPos": {"x": x, "y": y, "w": width, "h": height}})
            x, tallest = x + width, max(tallest, height)
        y += tallest
    pages = {
        "type": "dashboards",
        "title": "pgcovenant",
        "tags": ["pgcovenant"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
    return {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["pgcovenant"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "timezone": "browser",
        "refresh": refresh,
        "time": {"from": since, "to": "now"},
        "graphTooltip": 1,
        "links": [pages],
        "templating": {"list": variables},
        "annotations": {"list": annotations},
        "panels": panels,
    }
