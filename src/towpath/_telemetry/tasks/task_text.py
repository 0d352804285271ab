"""The tree of tasks as lines of text, from what `Tree.told` gives: readable at 80 columns."""

from collections.abc import Iterator
from typing import Any, Final

from towpath._core.disclosure.printable import printable

MIN_WIDTH: Final = 40


def task_lines(tree: dict[str, Any], width: int = 80, *, unicode: bool = True) -> Iterator[str]:
    """The lines. Each is cut at `width` columns, 40 at least, but for those of a deadlock, which are left whole."""
    width = max(width, MIN_WIDTH)
    count = int(tree["count"])
    yield f"{count:,} {'task' if count == 1 else 'tasks'}"
    for ring in tree["deadlocks"]:
        yield f"DEADLOCK of {len(ring)} {'task' if len(ring) == 1 else 'tasks'}:"
        yield from (f"  {printable(str(link))}" for link in ring)
    for root in tree["tasks"]:
        yield from _entry(root, "", "", width, unicode=unicode)
    if tree["left_out"]:
        yield f"and {tree['left_out']:,} more that are not listed"


def _entry(node: dict[str, Any], first: str, rest: str, width: int, *, unicode: bool) -> Iterator[str]:
    more = int(node["count"]) - 1
    children: list[dict[str, Any]] = node["children"]
    name = f"{node['name']} {node['coroutine']}" + (f"  x {more + 1:,} like this" if more else "")
    if node["method"] and node["method"] != node["name"]:
        name += f"  for {node['method']}"
    yield _cut(first + name, width, unicode=unicode)
    bar = ("│  " if unicode else "|  ") if children else "   "
    places: list[dict[str, Any]] = node["at"]
    for place in places[-2:]:
        yield _cut(f"{rest}{bar}at {place['file']}:{place['line']} {place['source']}", width, unicode=unicode)
    holder = f", which {node['holder']} has" if node["holder"] else ""
    yield _cut(f"{rest}{bar}waits for {node['waits_for'] or 'something unknown'}{holder}", width, unicode=unicode)
    for index, child in enumerate(children):
        last = index == len(children) - 1
        branch = ("└─ " if last else "├─ ") if unicode else ("`- " if last else "|- ")
        stem = "   " if last else ("│  " if unicode else "|  ")
        yield from _entry(child, rest + branch, rest + stem, width, unicode=unicode)


def _cut(line: str, width: int, *, unicode: bool) -> str:
    line = printable(line)
    dots = "…" if unicode else "..."
    return line if len(line) <= width else line[: width - len(dots)] + dots
