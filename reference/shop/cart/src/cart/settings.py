"""The settings of cart itself, `[settings]` of towpath.toml. What the server does with connections and calls is in `[service]` there."""

import msgspec
from towpath.settings import Seconds, Secret


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What may differ from one installation to the next."""

    valkey: str
    """Where Valkey is, or Redis. In production it is the variable TOWPATH_SETTINGS_VALKEY, since it may hold a password."""
    key: Secret
    """The key that the shop's tokens are signed with. In production it is the variable TOWPATH_SETTINGS_KEY."""
    kept_for: Seconds = 30 * 86400.0
    """How long a cart is kept that nobody changes."""
