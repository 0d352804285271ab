"""What is known of the reason of a decision or an error."""

from typing import NamedTuple

from towpath._core.errors import Code


class Reason(NamedTuple):
    """One reason of one role."""

    role: str
    """The policy or limit that decides, as in `Decision.role`; empty for an error without a decision."""
    name: str
    """The word."""
    code: Code | None
    """The code of the error that the caller gets; None where the call goes on, or where a connection and no call is concerned."""
    when: str
    """When it occurs."""
    remedy: str
    """What to do about it."""
