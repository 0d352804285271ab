"""The settings of catalogue itself, `[settings]` of towpath.toml. What the server does with connections and calls is in `[service]` there."""

import msgspec
from towpath.settings import Secret


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What may differ from one installation to the next."""

    database: str
    """Where PostgreSQL is. In production it is the variable TOWPATH_SETTINGS_DATABASE, since it may hold a password."""
    key: Secret
    """The key that the shop's tokens are signed with. In production it is the variable TOWPATH_SETTINGS_KEY."""
    pictures: str = "pictures"
    """The folder of the pictures, which all workers share."""
    max_picture: int = 50_000_000
    """The largest picture that is kept, in bytes."""
    currency: str = "EUR"
    """The currency of all prices."""
