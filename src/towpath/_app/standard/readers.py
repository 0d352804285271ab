"""Which callers a server shows what strangers should not see: its contracts, and the rows of its flight recorder."""

from towpath._core.context import Context
from towpath._core.propagation.trust import FORWARDED, Trust, is_believed


def is_reader(readers: Trust, ctx: Context) -> bool:
    """Whether the caller of `ctx` is one of `readers`, by its address or certificate and by what proxies say of it."""
    return is_believed(readers.belief(ctx.peer, ctx.caller), _forwarded(ctx))


def _forwarded(ctx: Context) -> bytes | None:
    """What proxies say of the caller behind them; None if they say nothing."""
    values = [str(value).encode("latin-1", "replace") for name in FORWARDED for value in ctx.metadata.get_all(name)]
    return b"\n".join(values) if values else None
