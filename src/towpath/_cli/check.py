"""`towpath check`: finds faults in the graph of a system's services, before any of them runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from towpath._contracts.graph import Finding, Graph

Format = Literal["text", "json"]


def check(
    paths: list[Path],
    /,
    *,
    format: Annotated[Format, Parameter(negative="")] = "text",  # noqa: A002 # the option is called --format
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    depth: int = 5,
    attempts: int = 9,
) -> int:
    """Check who calls whom, as service files declare it, and exit with status 1 if anything is found but notes.

    Parameters
    ----------
    paths
        A system file, or the service files of a system.
    format
        How findings are printed.
    as_json
        The same as --format json: one JSON object with findings, each with rule, severity, path, message, remedy and where.
    depth
        How many calls may wait for each other.
    attempts
        How many attempts one request may become at the end of a chain of calls that are tried again.
    """
    # Each command loads only what it needs.
    from datetime import UTC, datetime

    from towpath._app.system.service_graph import read_system
    from towpath._contracts import graph

    declared = read_system(paths)
    limits = graph.GraphLimits(depth=depth, attempts=attempts)
    findings = graph.apply(declared.waivers, graph.check(declared.graph, limits), datetime.now(UTC).date())
    if as_json or format == "json":
        print(json.dumps({"findings": [_fields(finding) for finding in findings]}, indent=2))
    elif findings:
        print("\n\n".join("\n".join(_lines(finding)) for finding in findings))
    else:
        print(_summary(declared.graph))
    return 1 if any(finding.severity is not graph.Severity.NOTE for finding in findings) else 0


def _lines(finding: "Finding") -> Iterator[str]:
    """The lines of a finding, wrapped on a terminal, with its severity in colour."""
    from towpath._cli import screen

    columns, first = screen.width(), True
    if columns is None:
        yield str(finding)
        return
    for line in str(finding).splitlines():
        text = line.lstrip()
        indent = line[: len(line) - len(text)]
        for part in screen.wrapped(text, columns, indent=indent, then=f"{indent}    "):
            severity, colon, rest = part.partition(":")
            code = {"error": screen.RED, "warning": screen.YELLOW}.get(severity, screen.CYAN)
            yield screen.painted(severity, code, colour=screen.coloured()) + colon + rest if first else part
            first = False


def _fields(finding: "Finding") -> dict[str, object]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "path": finding.path,
        "message": finding.message,
        "remedy": finding.remedy,
        "where": finding.where,
    }


def _summary(graph: "Graph") -> str:
    services = {step.service for step in graph.served}
    return f"{len(services)} services, {len(graph.served)} methods, {len(graph.calls)} calls: nothing found"
