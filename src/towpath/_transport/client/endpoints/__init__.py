"""The endpoints of a target: where they are, the connections to them, and which of them are healthy."""
