"""The facts that a server adds to a received call: when it came, and what was decided about it so far."""


class ServerCallInfo:
    """The life of one received call before its handler runs. The transport makes it, and early rejection and admission write to it."""

    __slots__ = (
        "admitted",
        "arrived",
        "chosen_from",
        "flush_alone",
        "handler_began",
        "handler_ended",
        "kept",
        "reason",
        "serial",
        "tracestate",
    )

    serial: int
    """The call's number in this process. It is set, as the following ones are, only while calls are recorded."""

    handler_began: float
    """When the handler was called, where layers around it may have waited; not set for others."""

    handler_ended: float
    """When it returned."""

    reason: str
    """The role that rejected the call, and why, such as "quota/RATE_LIMIT"; not set unless one has."""

    kept: bool | None
    """Whether the call is kept, as slow or failed or since a call is that was made for it; None before that is decided."""

    def __init__(self, arrived: float) -> None:
        self.arrived = arrived
        """When the call's head was read, in seconds of the clock."""
        self.admitted = False
        """Whether the call was admitted as it arrived."""
        self.chosen_from = 0.0
        """The time, in seconds of the clock, from which the wait of a queued call is measured; 0 for a call that was not queued."""
        self.tracestate = ""
        """The raw `tracestate` that came, which is parsed with the trace; empty without one."""
        self.flush_alone = False
        """Whether the answer need not wait to be written together with others, since few calls begin in a turn of the loop."""

    def postponed(self, seconds: float) -> None:
        """The call has waited for so long for its turn to have an answer. It counts as come, and chosen, so much later: how long clients
        take to read says nothing of how much the server has to do."""
        self.arrived += seconds
        if self.chosen_from:
            self.chosen_from += seconds
