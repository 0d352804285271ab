"""A report as files that a person and a program can read: `report.md`, `figures.json`."""

import json
from pathlib import Path

from labs.report import Finding, Report

PLOT = "plot.png"


def write(report: Report, folder: Path) -> None:
    """Write both files into `folder`, and make the folder if it is missing. `labs.plot` draws the picture that the text shows."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(text(report))
    raw = {
        "title": report.title,
        "findings": [
            {"what": each.what, "expected": each.expected, "measured": each.measured, "holds": each.holds} for each in report.findings
        ],
        "figures": report.figures,
    }
    (folder / "figures.json").write_text(json.dumps(raw, indent=1, allow_nan=False) + "\n")


def text(report: Report) -> str:
    """The report in Markdown."""
    lines = [
        f"# {report.title}",
        "",
        report.question,
        "",
        f"> {report.claim.text}",
        ">",
        f"> {report.claim.source}",
        "",
        report.setup,
        "",
        "| | expected | measured | |",
        "|---|---|---|---|",
        *(f"| {each.what} | {each.expected} | {each.measured} | {verdict(each)} |" for each in report.findings),
        "",
        f"![{report.title}]({PLOT})",
        "",
    ]
    return "\n".join(lines)


def verdict(finding: Finding) -> str:
    """One word for a table."""
    return "holds" if finding.holds else "MISSED"
