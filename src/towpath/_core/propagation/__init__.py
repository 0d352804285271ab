"""What a call hands on to every call made on its behalf: the table of fields, the trace, the criticality."""
