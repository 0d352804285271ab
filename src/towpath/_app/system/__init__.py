"""Several services together: the system file that starts them, and the graph of their calls."""
