"""From an HTTP method and a path to their binding, in one walk over the segments of the path.

Where several templates match, a literal segment is preferred to `*` and `*` to `**`, from left to right. A binding to the request's own
method is preferred to one to every method. A path is decoded segment by segment, so that `%2F` separates nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar
from urllib.parse import unquote_to_bytes

from towpath._core.errors import Code, RpcError
from towpath._core.http_bindings import REST, STAR, HttpBinding

T = TypeVar("T")

_MOST_SEGMENTS: Final = 64
"""A deeper path matches nothing. No API has such paths, and any caller can send them to cost work."""


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """The target of a request, and the path's variables as pairs of a field's path and its text."""

    target: T
    variables: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NoMatch:
    """No binding matches; `allowed` are the HTTP methods for which one would, sorted."""

    allowed: tuple[str, ...]


@dataclass(slots=True)
class _Node(Generic[T]):
    """The common part of some templates up to a segment. `ends` are the templates that end here, by verb and by HTTP method."""

    literals: "dict[str, _Node[T]]" = field(default_factory=dict)
    star: "_Node[T] | None" = None
    rest: "_Node[T] | None" = None
    ends: dict[str, dict[str, tuple[HttpBinding, T]]] = field(default_factory=dict)


class Router(Generic[T]):
    """Every binding of a server, each with its target."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._verbs: list[str] = []

    def add(self, binding: HttpBinding, target: T) -> None:
        """Lead requests that `binding` matches to `target`. The first of two of one shape counts."""
        node = self._root
        for segment in binding.template.segments:
            if segment == STAR:
                node.star = node.star or _Node()
                node = node.star
            elif segment == REST:
                node.rest = node.rest or _Node()
                node = node.rest
            else:
                node = node.literals.setdefault(_decoded(segment), _Node())
        verb = _decoded(binding.template.verb)
        if verb and verb not in self._verbs:
            self._verbs.append(verb)
            self._verbs.sort(key=len, reverse=True)
        node.ends.setdefault(verb, {}).setdefault(binding.method, (binding, target))

    def match(self, method: str, path: str) -> Match[T] | NoMatch:
        """The target of `method` at `path`, which is as it came, without its query. Raises RpcError for a path that is not UTF-8."""
        raw = path.removeprefix("/").split("/")
        allowed: set[str] = set()
        if len(raw) <= _MOST_SEGMENTS:
            for segments, verb in self._readings(raw):
                decoded = [_decoded(segment) for segment in segments]
                for node in _ends(self._root, decoded, 0):
                    found = node.ends.get(verb)
                    if found is None:
                        continue
                    bound = found.get(method) or found.get(STAR)
                    if bound is not None:
                        binding, target = bound
                        return Match(target, tuple(_variables(binding, segments, decoded)))
                    allowed.update(found)
        return NoMatch(tuple(sorted(allowed)))

    def _readings(self, raw: list[str]) -> Iterator[tuple[list[str], str]]:
        """The segments and the verb that a path may mean: its last segment ends in a verb of a template, the longest first, or in none."""
        last = raw[-1]
        if ":" in last:
            for verb in self._verbs:
                # As the path has it, a verb may be percent-encoded; its colons are not.
                at = _nth_colon_from_the_end(last, verb.count(":") + 1)
                if at > 0 and _decoded(last[at + 1 :]) == verb:
                    yield [*raw[:-1], last[:at]], verb
        yield raw, ""


def _nth_colon_from_the_end(text: str, count: int) -> int:
    at = len(text)
    while count and at > 0:
        at = text.rfind(":", 0, at)
        count -= 1
    return at


def _ends(node: _Node[T], segments: list[str], at: int) -> Iterator[_Node[T]]:
    """The nodes at which matching templates end, the preferred first. The templates and the segments of the path bound the nodes that it
    visits."""
    if at == len(segments):
        yield node
    else:
        segment = segments[at]
        literal = node.literals.get(segment)
        if literal is not None:
            yield from _ends(literal, segments, at + 1)
        if node.star is not None and segment:
            yield from _ends(node.star, segments, at + 1)
    if node.rest is not None:
        for end in range(at, len(segments) + 1):  # templates that go on behind `**` are more specific than the one that ends there
            if end > at and not segments[end - 1]:
                break
            yield from _ends(node.rest, segments, end)


def _variables(binding: HttpBinding, raw: list[str], decoded: list[str]) -> Iterator[tuple[str, str]]:
    for variable in binding.template.variables:
        if variable.single:
            yield variable.field, decoded[variable.start]
        else:
            # Within several segments a `%2F` stays as it is, or it would look like a separator.
            yield variable.field, "/".join(_decoded(segment, slash=False) for segment in raw[variable.start : variable.stop])


def _decoded(segment: str, *, slash: bool = True) -> str:
    if "%" not in segment and segment.isascii():
        return segment
    if not slash:
        segment = segment.replace("%2F", "%252F").replace("%2f", "%252f")
    try:
        return unquote_to_bytes(segment.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise RpcError(Code.INVALID_ARGUMENT, "the path is not UTF-8, percent-encoded") from None
