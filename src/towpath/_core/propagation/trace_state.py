"""The `tracestate` header: what each tracing system on the way wants to be told of the trace (W3C Trace Context, section 3.3).

It is a list of members `key=value`, of which towpath passes on what it does not know. Where a `tracestate` comes in several fields they are
one list. A malformed one is dropped whole, and a long one loses whole members.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

_MEMBER: Final = re.compile(
    r"(?:[a-z0-9][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_BLANKS: Final = " \t"
_MAX_MEMBERS: Final = 32
_MAX_LENGTH: Final = 512
"""Characters that are passed on. The specification asks for so many at least."""
_LONG_MEMBER: Final = 128
_STATES_KNOWN: Final = 64
_OPENTELEMETRY: Final = "ot"


@lru_cache(_STATES_KNOWN)
def accepted(state: str) -> str:
    """The part of a received `tracestate` that is passed on: all of it if it has at most 512 characters.

    A longer one loses its members of more than 128 characters and then its last ones, in both cases from the end and no more than it has
    to. One that has more than 32 members, two members of one key, or a malformed member, is dropped.
    """
    members = [member for piece in state.split(",") if (member := piece.strip(_BLANKS))]
    if len(members) > _MAX_MEMBERS or not all(map(_MEMBER.fullmatch, members)):
        return ""
    if len({member.partition("=")[0] for member in members}) < len(members):
        return ""
    return state if len(state) <= _MAX_LENGTH else joined(members)


def joined(members: Sequence[str]) -> str:
    """The well-formed `members` as a `tracestate`, without those that 512 characters have no room for."""
    excess = sum(map(len, members)) + len(members) - 1 - _MAX_LENGTH
    kept = list(members)
    for shortest in (_LONG_MEMBER + 1, 1):
        for place in range(len(kept) - 1, -1, -1):
            if excess > 0 and len(kept[place]) >= shortest:
                excess -= len(kept.pop(place)) + 1
    return ",".join(kept)


def of_opentelemetry(state: str) -> dict[str, str]:
    """The values of OpenTelemetry's member in a `tracestate` that is accepted, by their keys (such as `th` and `rv`)."""
    for member in state.split(","):
        key, _, value = member.strip(_BLANKS).partition("=")
        if key == _OPENTELEMETRY:
            pairs = (pair.partition(":") for pair in value.split(";"))
            return {name: text for name, colon, text in pairs if colon}
    return {}


def with_opentelemetry(state: str, values: Mapping[str, str]) -> str:
    """The accepted `state` with these values as OpenTelemetry's member, which comes first; without such a member if there are none."""
    others = [member for piece in state.split(",") if (member := piece.strip(_BLANKS)) and member.partition("=")[0] != _OPENTELEMETRY]
    if not values:
        return ",".join(others)
    own = ";".join(f"{key}:{value}" for key, value in values.items())
    return joined([f"{_OPENTELEMETRY}={own}", *others[: _MAX_MEMBERS - 1]])
