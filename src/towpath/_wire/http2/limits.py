"""The limits that a connection sets its peer, with defaults that suit RPC. The connection enforces each of them."""

from dataclasses import dataclass

from towpath._wire.http2.frames import DEFAULT_MAX_FRAME_SIZE, DEFAULT_WINDOW, LARGEST_MAX_FRAME_SIZE, MAX_WINDOW, Setting


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one connection. Sizes are in bytes."""

    max_concurrent_streams: int = 256
    """Streams that a peer may have open at once."""
    stream_window: int = 256 * 1024
    """What a peer may send on one stream before it is read."""
    connection_window: int = 4 * 1024 * 1024
    """What a peer may have on the way on all streams together."""
    max_frame_size: int = DEFAULT_MAX_FRAME_SIZE
    """The largest payload of a frame (SETTINGS_MAX_FRAME_SIZE)."""
    max_header_list: int = 16 * 1024
    """Names, values and 32 for each field of a header list, as RFC 7541, section 4.1, counts them."""
    max_header_block: int = 64 * 1024
    """The bytes in which a header list may come."""
    max_continuations: int = 8
    """The CONTINUATION frames in which a header list may come."""
    max_table: int = 4096
    """The HPACK tables of both directions."""
    reset_burst: int = 1000
    """Calls that a client may take back at once before they are answered; `towpath._wire.http2.resets` says which count."""
    resets_per_second: float = 100.0
    """Calls that a client may take back per second, on average, before they are answered."""
    overhead_burst: int = 10_000
    """Frames that a peer may send at once beside what its calls need; `towpath._wire.http2.overhead` says which count."""
    overhead_per_second: float = 1000.0
    """Frames that a peer may send per second, on average, beside what its calls need."""

    def __post_init__(self) -> None:
        """Raises ValueError for values that HTTP/2 cannot express."""
        if not DEFAULT_MAX_FRAME_SIZE <= self.max_frame_size <= LARGEST_MAX_FRAME_SIZE:
            raise ValueError(
                f"max_frame_size is {self.max_frame_size}; RFC 9113 allows {DEFAULT_MAX_FRAME_SIZE} to {LARGEST_MAX_FRAME_SIZE}"
            )
        # A peer may fill the protocol's own window before it hears of a smaller one, and nothing makes the connection's smaller.
        for name in ("stream_window", "connection_window"):
            if not DEFAULT_WINDOW <= getattr(self, name) <= MAX_WINDOW:
                raise ValueError(f"{name} is {getattr(self, name)}; give {DEFAULT_WINDOW} to {MAX_WINDOW}")
        for burst, rate in (("reset_burst", "resets_per_second"), ("overhead_burst", "overhead_per_second")):
            if getattr(self, burst) < 1 or not getattr(self, rate) >= 0:
                raise ValueError(f"{burst} is {getattr(self, burst)} and {rate} {getattr(self, rate)}; give 1 and 0 or more")

    def settings(self) -> list[tuple[Setting, int]]:
        """The limits as SETTINGS, where HTTP/2 has a setting for them."""
        return [
            (Setting.HEADER_TABLE_SIZE, self.max_table),
            (Setting.MAX_CONCURRENT_STREAMS, self.max_concurrent_streams),
            (Setting.INITIAL_WINDOW_SIZE, self.stream_window),
            (Setting.MAX_FRAME_SIZE, self.max_frame_size),
            (Setting.MAX_HEADER_LIST_SIZE, self.max_header_list),
        ]


DEFAULT_LIMITS = Limits()
"""The limits of a connection for which none are given."""
