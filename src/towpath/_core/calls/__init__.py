"""The shape of a call in code: awaited, blocking, streaming, and on the server in a thread."""
