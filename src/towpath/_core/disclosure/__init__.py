"""What others are shown: printable text, and faults whose reasons are for the log alone."""
