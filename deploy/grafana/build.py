#!/usr/bin/env python3
"""Writes the dashboards of source/ to provisioning/dashboards/. With --check it writes nothing, and fails if a file is not what
it would write."""

import json
import pathlib
import sys

from source import debug, deprecations, executive, oncall, proxy, sensitive, table

FOLDER = pathlib.Path(__file__).resolve().parent / "provisioning" / "dashboards"
PAGES = [executive, oncall, debug, table, deprecations, sensitive, proxy]


def main():
    wanted = {page.PAGE["uid"].removeprefix("pgcovenant-") + ".json": page.PAGE for page in PAGES}
    texts = {name: json.dumps(page, indent=1, ensure_ascii=False) + "\n" for name, page in wanted.items()}
    present = {path.name for path in FOLDER.glob("*.json")}
    if "--check" in sys.argv:
        stale = sorted(present - texts.keys())
        stale += [
            name
            for name, text in texts.items()
            if name not in present or (FOLDER / name).read_text(encoding="utf-8") != text
        ]
        for name in stale:
            print(f"{FOLDER / name} is not what source/ says: run deploy/grafana/build.py", file=sys.stderr)
        return 1 if stale else 0
    for name in present - texts.keys():
        (FOLDER / name).unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
