"""What `towpath explain` shows: the layers as a table, and the limits of a server and its targets."""
