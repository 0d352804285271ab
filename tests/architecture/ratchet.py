"""A limit with a table of the exceptions that existed when the limit came. The table can only shrink.

Each exception records its present size. A larger size fails. A smaller one fails too, until the table says it: what was won stays won.
"""

from collections.abc import Mapping


def departures(sizes: Mapping[str, int], limit: int, recorded: Mapping[str, int], unit: str) -> list[str]:
    """What to do about each thing whose size is above `limit` and not as recorded, and about each record that is out of date."""
    findings: list[str] = []
    for name, size in sizes.items():
        allowed = recorded.get(name, limit)
        if size > max(allowed, limit):
            findings.append(f"{name} has {size} {unit}, {max(allowed, limit)} is the maximum: split it by concept")
        elif limit < size < allowed:
            findings.append(f"{name} has {size} {unit} now: lower its record of {allowed}")
    findings += [f"{name} needs no exception any more: delete its record" for name in sorted(recorded) if sizes.get(name, 0) <= limit]
    return findings
