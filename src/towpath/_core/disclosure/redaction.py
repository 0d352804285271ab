"""The one choke point for what towpath writes of texts and metadata into logs, rows, spans and pages: secrets are replaced.

Nobody can tell every secret in a text that somebody else wrote. What is recognised is the forms in which secrets get into logs: values
behind the names of credentials (`authorization: ...`, `"password": "..."`, `?access_token=...`), credentials of HTTP (`Bearer ...`), JSON
web tokens, passwords in addresses, private keys in PEM, tokens with the prefix of a well-known issuer, and the fields that contracts mark
with `debug_redact` (`towpath._core.disclosure.marked_fields`).

A text is searched for a few dozen short words. Only behind one of them a pattern is tried, and no part of a text is looked at twice. So
the time is in proportion to the text, also to a hostile one.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

REDACTED: Final = "[redacted]"
"""What stands in the place of a secret."""

_SEPARATOR: Final = r"(?:\\{0,4}[\"']?\s{0,4}[:=]|\\{0,4}[\"'],)\s{0,4}(?:b(?=[\"']))?"
"""What stands between a name and its value: in a header field, a query, JSON, protobuf's text, `repr` of a mapping or of a pair."""

_KEY: Final = "|".join(f"(?<={word})|(?<={word}[-_])" for word in ("api", "access", "private"))
_TOKEN: Final = "|".join(f"(?<={word})" for word in ("[-_]", "access", "auth", "refresh", "session", "csrf", "bearer"))

_NAMES: Final = (
    ("authorization", "authorization"),
    ("cookie", "cookie"),
    ("passw", "passw(?:or)?d"),
    ("passphrase", "passphrase"),
    ("secret", "secret"),
    ("key", f"(?:{_KEY})key"),
    ("session", "session[-_]?id"),
    ("credential", "credentials?"),
    ("token", rf"(?:{_TOKEN})token|(?<![a-z0-9])token(?=[\"'=\\]|\Z)"),
)
"""The names of credentials, each behind a part of it that is searched for. A longer name may end in one, as `db_password` does."""

_TOKENS: Final = (
    ("bearer", r"\bbearer\s{1,4}(?=[\w.~+/=-]{6})", r"[\w.~+/=-]*+"),
    ("negotiate", r"\bnegotiate\s{1,4}(?=[\w.~+/=-]{6})", r"[\w.~+/=-]*+"),
    ("basic", r"\bbasic\s{1,4}(?=[a-z+/]{0,64}(?-i:[0-9=+/]|[a-z][A-Z])[\w+/=-]{4})", r"[\w+/=-]*+"),
    ("eyj", r"(?<![a-z0-9])(?-i:(?=eyJ))", r"[\w-]{11,}+(?:\.[\w-]*+){0,4}"),
    ("://", r"://[^\s:/@?#\"'\\]{0,256}:", r"[^\s/@\"']{1,1024}(?=@)"),
    ("gh", r"(?<![a-z0-9])(?-i:(?=gh[pousr]_))", r"\w{20,}+"),
    ("github_pat_", r"(?<![a-z0-9])", r"\w{30,}+"),
    ("glpat-", r"(?<![a-z0-9])", r"[\w-]{20,}+"),
    ("xox", r"(?<![a-z0-9])(?-i:(?=xox[abeprs]-))", r"[\w-]{15,}+"),
    ("akia", r"(?<![a-z0-9])(?-i:(?=AKIA))", r"[a-z0-9]{20}"),
    ("aiza", r"(?<![a-z0-9])(?-i:(?=AIza))", r"[\w-]{35,}+"),
    ("sk_", r"(?<![a-z0-9])(?-i:(?=sk_(?:live|test)_))", r"\w{18,}+"),
    ("sk-", r"(?<![a-z0-9])(?-i:(?=sk-))", r"[\w-]{23,}+"),
    ("-----begin", r"(?=-----begin [a-z0-9 ]{0,40}private key-----)", r"(?:(?!-----end)[\s\S])*+(?:-----end [a-z0-9 ]{0,40}-----)?"),
)
"""What is a secret without a name: what is searched for, what comes before the secret, and the secret."""

_RULES: Final = (
    *((hint, re.compile(f"(?:{name}){_SEPARATOR}", re.IGNORECASE), None) for hint, name in _NAMES),
    *((hint, re.compile(before, re.IGNORECASE), re.compile(secret, re.IGNORECASE)) for hint, before, secret in _TOKENS),
)
_Rule = tuple[str, re.Pattern[str], re.Pattern[str] | None]

_SECRET_NAME: Final = re.compile(rf"(?:{'|'.join(name for _, name in _NAMES)})\Z", re.IGNORECASE)
_WHOLE_LINE: Final = re.compile(r"(?:authorization|cookie)[:=]", re.IGNORECASE)
"""A header field as HTTP writes it: all that follows in the line is its value."""

_REST_OF_LINE: Final = re.compile(r"[^\r\n\"']*+")
_PLAIN_VALUE: Final = re.compile(r"[^\s,;&)}\]>\"']*+")
_QUOTE: Final = re.compile(r"\\{0,4}[\"']")
_BRACKETS: Final = re.compile(r"[{}\[\]]|\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'", re.DOTALL)


class _Marked:
    """The names of the fields that contracts of this process mark, and the rules that find their values in a text."""

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self.rules: tuple[_Rule, ...] = _RULES

    def add(self, names: Iterable[str]) -> None:
        more = self.names.union(names)
        if more != self.names:
            self.names = more
            # A field whose value is a message has no colon in protobuf's text.
            ends = rf"(?!\w)(?:{_SEPARATOR}|\s{{0,4}}(?={{))"
            own = ((name.lower(), re.compile(rf"(?<!\w){re.escape(name)}{ends}", re.IGNORECASE), None) for name in sorted(more))
            self.rules = (*_RULES, *own)


_marked: Final = _Marked()


def mark(names: Iterable[str]) -> None:
    """Take the values of the fields with these names for secrets from now on, wherever a text of this process has them."""
    _marked.add(names)


def is_secret(name: str) -> bool:
    """Whether `name` is that of a credential, or of a field that `mark` was told."""
    return name in _marked.names or _is_credential(name)


@lru_cache(1024)
def _is_credential(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def redacted(text: str) -> str:
    """`text` with `[redacted]` in place of each secret that is recognised."""
    lower = text.lower()
    found = [rule for rule in _marked.rules if rule[0] in lower]
    if not found:
        return text
    if len(lower) != len(text):  # "\u0130" alone has two characters in lower case
        lower = text.replace("\u0130", "I").lower()
    parts: list[str] = []
    at = 0
    for place, (_, before, secret) in sorted(_places(lower, found), key=_first):
        if place < at:
            continue
        known = before.match(text, place)
        if known is None:
            continue
        start = known.end()
        end = _end_of_value(text, known) if secret is None else _end_of(secret, text, start)
        if end > start:
            parts += text[at:start], REDACTED
            at = end
    return "".join((*parts, text[at:])) if parts else text


def shown_metadata(pairs: Iterable[tuple[str, str | bytes]], allowed: Iterable[str]) -> dict[str, str]:
    """Of metadata, those with the names in `allowed`, as texts; the last value of a name. A credential is shown in no case."""
    names = frozenset(allowed)
    return {name: redacted(_text(value)) for name, value in pairs if name in names and not is_secret(name)}


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def _first(found: tuple[int, _Rule]) -> int:
    return found[0]


def _places(lower: str, rules: Iterable[_Rule]) -> Iterator[tuple[int, _Rule]]:
    for rule in rules:
        hint = rule[0]
        place = lower.find(hint)
        while place >= 0:
            yield place, rule
            place = lower.find(hint, place + len(hint))


def _end_of(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return start if found is None else found.end()


def _end_of_value(text: str, name: re.Match[str]) -> int:
    """Where the value ends that stands behind `name`: at its closing quote or bracket, at the end of the line of a header field, or where a
    plain word ends."""
    start = name.end()
    quote = _QUOTE.match(text, start)
    if quote is not None:
        return _end_of_quoted(text, quote.end(), quote[0])
    if text.startswith(("{", "["), start):
        return _end_of_brackets(text, start)
    return _end_of(_REST_OF_LINE if _WHOLE_LINE.match(name[0]) else _PLAIN_VALUE, text, start)


def _end_of_quoted(text: str, at: int, quote: str) -> int:
    while (end := text.find(quote, at)) >= 0:
        slashes = end
        while slashes > at and text[slashes - 1] == "\\":
            slashes -= 1
        if len(quote) > 1 or (end - slashes) % 2 == 0:
            return end + len(quote)
        at = end + 1
    return len(text)


def _end_of_brackets(text: str, start: int) -> int:
    depth = 0
    for found in _BRACKETS.finditer(text, start):
        depth += (found[0] in "{[") - (found[0] in "}]")
        if depth == 0:
            return found.end()
    return len(text)
