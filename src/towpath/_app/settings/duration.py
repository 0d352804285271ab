"""Durations in configuration: the JSON form of google.protobuf.Duration, `"0.5s"`, as gRPC's service config has them."""

import re

from towpath._core.errors import SetupError

_FORM = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?s", re.ASCII)


def parse_duration(text: str, where: str, *, zero: bool = False) -> float:
    """The seconds in `text`. Raises SetupError that names the place `where` if `text` is not a duration, or is zero without `zero`, which
    says that zero means "not at all"."""
    if not _FORM.fullmatch(text):
        raise SetupError(f"{where}: {text!r} is not a duration; write seconds with a final s, such as '2s' or '0.25s'")
    seconds = float(text[:-1])
    if seconds == 0 and not zero:
        raise SetupError(f"{where}: a duration of zero lets nothing happen; write one above 0s, or leave the setting out")
    return seconds
