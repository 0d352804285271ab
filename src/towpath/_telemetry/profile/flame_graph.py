"""A flame graph of sampled stacks, as one SVG or HTML page that needs nothing else, and the same as speedscope's JSON.

The width of a box is the part of the samples in which its function was on the stack. Boxes that are too narrow to be seen are left out, so
that a picture has at most `MAX_BOXES`.
"""

import json
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

WIDTH: Final = 1200
ROW: Final = 17
MAX_BOXES: Final = 1_000
"""Boxes of a picture: 300 KiB at the most."""

_MAX_NAME: Final = 120
_CHARACTER: Final = 6.6
_MAX_ROWS: Final = 100
_HUES: Final = 50


@dataclass
class _Box:
    name: str
    count: int = 0
    inside: "dict[str, _Box]" = field(default_factory=dict[str, "_Box"])


def stacks_of(collapsed: str) -> dict[tuple[str, ...], int]:
    """The stacks of collapsed text, each from the outermost frame, with its count. Lines of another form are left out."""
    found: dict[tuple[str, ...], int] = {}
    for line in collapsed.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack and count.isdecimal():
            key = tuple(stack.split(";"))
            found[key] = found.get(key, 0) + int(count)
    return found


def flame_graph(stacks: dict[tuple[str, ...], int], title: str) -> str:
    """The picture as SVG."""
    top = _Box(f"all: {sum(stacks.values()):,} samples")
    for stack, count in stacks.items():
        box = top
        box.count += count
        for name in stack[:_MAX_ROWS]:
            box = box.inside.setdefault(name, _Box(name))
            box.count += count
    boxes: list[tuple[int, float, float, _Box]] = []  # row, left, width
    level = [(0.0, top)]
    row = 0
    while level:
        following: list[tuple[float, _Box]] = []
        for left, box in level:
            boxes.append((row, left, box.count * WIDTH / max(1, top.count), box))
            at = left
            for inner in sorted(box.inside.values(), key=lambda each: each.name):
                following.append((at, inner))
                at += inner.count * WIDTH / max(1, top.count)
        level = following
        row += 1
    boxes = sorted(boxes, key=lambda each: -each[2])[:MAX_BOXES]
    height = (1 + max(each[0] for each in boxes)) * ROW + 30
    drawn = "".join(_drawn(*each, top.count) for each in sorted(boxes, key=lambda each: (each[0], each[1])))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">'
        f'<rect width="100%" height="100%" fill="#fff"/><text x="4" y="16" font-size="13">{escape(title)}</text>{drawn}</svg>'
    )


def _drawn(row: int, left: float, width: float, box: _Box, total: int) -> str:
    hue = sum(box.name.encode()) % _HUES
    name = box.name[:_MAX_NAME]
    room = int((width - 4) / _CHARACTER)
    shown = "" if room < 3 else name if len(name) <= room else f"{name[: room - 2]}.."
    y = 24 + row * ROW
    text = f'<text x="{left + 2:.1f}" y="{y + 12}">{escape(shown)}</text>' if shown else ""
    share = 100 * box.count / max(1, total)
    return (
        f"<g><title>{escape(name)}: {box.count:,} samples, {share:.1f} %</title>"
        f'<rect x="{left:.1f}" y="{y}" width="{max(width - 0.5, 0.2):.1f}" height="{ROW - 1}" fill="hsl({hue},80%,70%)"/>{text}</g>'
    )


def page(svg: str, title: str) -> str:
    """The picture as an HTML page."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><body style="margin:0">{svg}</body></html>'
    )


def speedscope(stacks: dict[tuple[str, ...], int], title: str) -> str:
    """The stacks as https://www.speedscope.app reads them."""
    frames: dict[str, int] = {}
    samples = [[frames.setdefault(name, len(frames)) for name in stack] for stack in stacks]
    weights = list(stacks.values())
    profile: dict[str, Any] = {
        "type": "sampled",
        "name": title,
        "unit": "none",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }
    return json.dumps(
        {
            "$schema": "https://www.speedscope.app/file-format-schema.json",
            "shared": {"frames": [{"name": name} for name in frames]},
            "profiles": [profile],
            "name": title,
            "exporter": "towpath",
        }
    )
