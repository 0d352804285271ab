"""The facts that a server adds to a received call: when it came, and what was decided about it so far."""


class ServerCallInfo:
    """The life of one received call before its handler runs. The transport makes it, and early rejection and admission write to it."""

    __slots__ = ("admitted", "arrived", "chosen_from", "flush_alone")

    def __init__(self, arrived: float) -> None:
        self.arrived = arrived
        """When the call's head was read, in seconds of the clock."""
        self.admitted = False
        """Whether the call was admitted as it arrived."""
        self.chosen_from = 0.0
        """The time, in seconds of the clock, from which the wait of a queued call is measured; 0 for a call that was not queued."""
        self.flush_alone = False
        """Whether the answer need not wait to be written together with others, since few calls begin in a turn of the loop."""

    def postponed(self, seconds: float) -> None:
        """The call has waited for so long for its turn to have an answer. It counts as come, and chosen, so much later: how long clients
        take to read says nothing of how much the server has to do."""
        self.arrived += seconds
        if self.chosen_from:
            self.chosen_from += seconds
