"""ASGI applications that a server serves beside its methods, below a path of their own."""
