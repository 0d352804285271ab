"""The metrics of several workers as those of one service.

Nothing is added up: each sample keeps its own series, with the label `worker`. A restarted worker begins at zero. Prometheus recognises a
restart within a series, so that `rate` counts on, but not in a sum.

The workers' expositions are merged as text, which takes a fraction of the time of reading and writing each sample anew (measured). So they
must be of `towpath._telemetry.exposition`: a family begins with its HELP, and a label's value has no raw line break.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

LABEL: Final = "worker"

_HELP: Final = "# HELP "

_PIECE: Final = 1 << 15
"""Characters of a family that are labelled at a time."""


class _Family(NamedTuple):
    head: str
    """Its HELP, TYPE and UNIT, of the first worker that has it."""
    parts: list[tuple[str, str, int, int]]
    """Of each worker that has it: its name, its exposition, and where in that the samples begin and end."""


def merged(expositions: Mapping[str, str]) -> Iterator[str]:
    """The `expositions` of workers in blocks, each family once with the samples of all workers. A label `worker` that a sample has already
    becomes `exported_worker`, as it would in Prometheus. The end mark of OpenMetrics is left out."""
    families: dict[str, _Family] = {}
    for worker, text in expositions.items():
        for name, start, body, end in _families(text):
            families.setdefault(name, _Family(text[start:body], [])).parts.append((worker, text, body, end))
    for family in families.values():
        yield family.head
        for worker, text, start, end in family.parts:
            for piece in _pieces(text, start, end):
                yield _labelled(piece, f'{LABEL}="{worker}"')


def _families(text: str) -> Iterator[tuple[str, int, int, int]]:
    """Of each family in `text`: its name, and where its head, its samples and the next family begin."""
    start = 0 if text.startswith(_HELP) else text.find(f"\n{_HELP}") + 1
    while text.startswith(_HELP, start):
        end = text.find(f"\n{_HELP}", start) + 1 or len(text)
        name_end = text.find(" ", start + len(_HELP), end)
        name = text[start + len(_HELP) : name_end if name_end > 0 else end].strip()
        body = start
        while text.startswith("# ", body) and body < end:
            body = text.find("\n", body, end) + 1 or end
        yield name, start, body, end
        start = end


def _pieces(text: str, start: int, end: int) -> Iterator[str]:
    """What is in `text` from `start` to `end`, in pieces of whole lines."""
    while start < end:
        after = text.find("\n", min(start + _PIECE, end - 1), end) + 1 or end
        yield text[start:after]
        start = after


def _labelled(samples: str, label: str) -> str:
    """The lines `samples` with one more label."""
    if f'{LABEL}="' in samples:
        samples = samples.replace(f',{LABEL}="', f',exported_{LABEL}="').replace(f'{{{LABEL}="', f'{{exported_{LABEL}="')
    lines: list[str] = []
    for line in samples.split("\n"):
        name, brace, rest = line.partition("{")
        if brace and " " not in name:
            lines.append(f"{name}{{{label}}}{rest[1:]}" if rest.startswith("}") else f"{name}{{{label},{rest}")
        elif line and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            lines.append(f"{name}{{{label}}} {rest}")
    lines.append("")
    return "\n".join(lines)
