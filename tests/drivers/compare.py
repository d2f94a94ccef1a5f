"""What the checks of Python drivers have in common: scenarios that run directly and through the proxy.

A check is called with the two connection strings. Each scenario runs on both and returns what an application would see;
any difference is an error, and so is a scenario that fails on both. What a scenario writes is temporary or rolled back,
except where it cleans up after itself.
"""

import sys
import traceback

SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


def run(work, url):
    try:
        return True, work(url)
    except Exception:
        return False, traceback.format_exc()


def main(title):
    direct, proxied = sys.argv[1:3]
    failures = 0
    for work in SCENARIOS:
        expected, seen = run(work, direct), run(work, proxied)
        good = expected == seen and expected[0]
        failures += not good
        print(f"{'ok  ' if good else 'FAIL'} {work.__name__}")
        if not good:
            print(f"  direct:  {str(expected[1])[:1500]}\n  proxied: {str(seen[1])[:1500]}")
    print(f"{title}: {len(SCENARIOS) - failures} of {len(SCENARIOS)} scenarios are the same")
    sys.exit(1 if failures else 0)
