"""What a server knows of a received call beside what the call says of itself: when it came, and what was decided of it so far."""


class ServerCallInfo:
    """The life of one received call before its handler runs. The transport makes it, and early rejection and admission write to it."""

    __slots__ = ("admitted", "arrived", "chosen_from", "flush_alone")

    def __init__(self, arrived: float) -> None:
        self.arrived = arrived
        """When the call's head was read, in seconds of the clock."""
        self.admitted = False
        """Whether the call was admitted as it arrived."""
        self.chosen_from = 0.0
        """Since when the call waited before it was chosen to begin; 0 for a call that did not wait."""
        self.flush_alone = False
        """Whether so few calls begin in a turn of the loop that the answer need not wait for others to be written with."""
