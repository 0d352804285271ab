"""Reads files of other tracing systems, whichever of the formats they have."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from towpath._telemetry.traces.foreign.jaeger import jaeger_spans
from towpath._telemetry.traces.foreign.otlp_json import otlp_spans
from towpath._telemetry.traces.foreign.span import ForeignTraceError, Span
from towpath._telemetry.traces.foreign.spans_to_trace import ForeignTrace, traces_of

_FORMATS: Final = "Jaeger's JSON (an object with data, or with spans) or OTLP's JSON (objects with resourceSpans, one or one in each line)"


def read_foreign(*paths: Path) -> list[ForeignTrace]:
    """The traces in files, or in the files `*.json` and `*.jsonl` of folders, as CRISP has them. A trace may be in several files. Raises
    ForeignTraceError that names the file and the place for one that cannot be read, and for one of another format."""
    spans: list[Span] = []
    for path in paths:
        for where, content in _contents(path):
            processes = max((span.process for span in spans), default=-1) + 1
            found = foreign_spans(content, where)
            for span in found:
                span.process += processes
            spans += found
    if not spans:
        raise ForeignTraceError(f"{', '.join(map(str, paths))}: there is no span in it")
    return traces_of(spans)


def _contents(path: Path) -> list[tuple[str, bytes]]:
    try:
        files = sorted(file for file in path.iterdir() if file.suffix in {".json", ".jsonl"}) if path.is_dir() else [path]
        contents = [(str(file), file.read_bytes()) for file in files]
    except OSError as error:
        raise ForeignTraceError(f"{path}: {error.strerror or error}; give a file or a folder of files") from None
    if not contents:
        raise ForeignTraceError(f"{path}: the folder has no file *.json or *.jsonl; give one with {_FORMATS}")
    return contents


def foreign_spans(content: bytes, where: str) -> list[Span]:
    """The spans in the text of a file. Raises ForeignTraceError that names the place `where`."""
    spans: list[Span] = []
    processes = 0
    for value, place in _documents(content, where):
        if not isinstance(value, dict):
            raise ForeignTraceError(f"{place} is no object; give {_FORMATS}")
        document = cast("dict[str, Any]", value)
        if "resourceSpans" in document:
            spans += otlp_spans(document, place, processes)
            processes = max((span.process for span in spans), default=-1) + 1
        elif "data" in document or "spans" in document:
            found = jaeger_spans(document, place)
            for span in found:
                span.process += processes
            spans += found
            processes = max((span.process for span in spans), default=-1) + 1
        else:
            raise ForeignTraceError(f"{place} has neither resourceSpans nor data nor spans; give {_FORMATS}")
    return spans


def _documents(content: bytes, where: str) -> Iterator[tuple[Any, str]]:
    """The documents of a file with their places: the whole, the items of a list, or the lines."""
    try:
        whole = _parsed(content)
    except ValueError as error:
        lines = [(number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
        if len(lines) < 2 or not content.lstrip().startswith(b"{"):
            raise ForeignTraceError(f"{where}: {error}; give {_FORMATS}") from None
        for number, line in lines:
            try:
                yield _parsed(line), f"{where}: line {number}"
            except ValueError as fault:
                raise ForeignTraceError(f"{where}: line {number}: {fault}; the file may have been cut off") from None
        return
    if isinstance(whole, list):
        for index, document in enumerate(cast("list[Any]", whole)):
            yield document, f"{where}: [{index}]"
    else:
        yield whole, where


def _parsed(text: bytes) -> Any:
    """The value of JSON. Raises ValueError for anything else, also for what is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
