"""Commands about a process that runs: what it waits for, what blocked it, and what it computes."""
