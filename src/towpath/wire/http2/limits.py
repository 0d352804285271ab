"""What a connection allows its peer, with defaults that suit RPC. The connection enforces each of them."""

from dataclasses import dataclass

from towpath.wire.http2.frames import DEFAULT_MAX_FRAME_SIZE, DEFAULT_WINDOW, LARGEST_MAX_FRAME_SIZE, MAX_WINDOW, Setting


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Sizes are in bytes.

    `max_concurrent_streams` (256) bounds what a peer may have open at once. `stream_window` (256 KiB) bounds what one stream may send
    before it is read, `connection_window` (4 MiB) what all of them may have on the way. `max_header_list` (16 KiB) counts names,
    values and 32 a field, as RFC 7541 section 4.1 does; `max_header_block` (64 KiB) and `max_continuations` (8) bound the bytes and
    frames in which a list may come. `max_table` (4 KiB) bounds the HPACK tables of both directions. `reset_burst` (1,000) and
    `resets_per_second` (100) bound how many calls a client may take back before they are answered; `towpath.wire.http2.resets` says which
    of them count. `settings_burst` (1,000) and `settings_per_second` (100) bound how many frames of SETTINGS and GOAWAY a peer may
    send, acknowledgements included.
    """

    max_concurrent_streams: int = 256
    stream_window: int = 256 * 1024
    connection_window: int = 4 * 1024 * 1024
    max_frame_size: int = DEFAULT_MAX_FRAME_SIZE
    max_header_list: int = 16 * 1024
    max_header_block: int = 64 * 1024
    max_continuations: int = 8
    max_table: int = 4096
    reset_burst: int = 1000
    resets_per_second: float = 100.0
    settings_burst: int = 1000
    settings_per_second: float = 100.0

    def __post_init__(self) -> None:
        """Raises ValueError for what HTTP/2 cannot express."""
        if not DEFAULT_MAX_FRAME_SIZE <= self.max_frame_size <= LARGEST_MAX_FRAME_SIZE:
            raise ValueError(
                f"max_frame_size is {self.max_frame_size}; RFC 9113 allows {DEFAULT_MAX_FRAME_SIZE} to {LARGEST_MAX_FRAME_SIZE}"
            )
        # A peer may fill the protocol's own window before it hears of a smaller one, and nothing makes the connection's smaller.
        for name in ("stream_window", "connection_window"):
            if not DEFAULT_WINDOW <= getattr(self, name) <= MAX_WINDOW:
                raise ValueError(f"{name} is {getattr(self, name)}; give {DEFAULT_WINDOW} to {MAX_WINDOW}")
        for burst, rate in (("reset_burst", "resets_per_second"), ("settings_burst", "settings_per_second")):
            if getattr(self, burst) < 1 or not getattr(self, rate) >= 0:
                raise ValueError(f"{burst} is {getattr(self, burst)} and {rate} {getattr(self, rate)}; give 1 and 0 or more")

    def settings(self) -> list[tuple[Setting, int]]:
        """The limits as SETTINGS, where HTTP/2 has one."""
        return [
            (Setting.HEADER_TABLE_SIZE, self.max_table),
            (Setting.MAX_CONCURRENT_STREAMS, self.max_concurrent_streams),
            (Setting.INITIAL_WINDOW_SIZE, self.stream_window),
            (Setting.MAX_FRAME_SIZE, self.max_frame_size),
            (Setting.MAX_HEADER_LIST_SIZE, self.max_header_list),
        ]


DEFAULT_LIMITS = Limits()
