"""The settings of checkout itself, `[settings]` of towpath.toml. What the server does with connections and calls is in `[service]` there."""

import msgspec
from towpath.settings import Seconds, Secret


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What may differ from one installation to the next."""

    key: Secret
    """The key that the shop's tokens are signed with. In production it is the variable TOWPATH_SETTINGS_KEY."""
    packing: Seconds = 2.0
    """How long an order is with the packers, and then with the carrier."""
    look: Seconds = 0.2
    """How often a watched order is looked at."""
