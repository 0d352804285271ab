"""The golden path: the transport with the default stack around it, configured from a file and the environment, as a process that starts,
says when it is ready, and stops without losing a call.

Nothing is imported here: `towpath` offers what an application needs, and a command must not load what only a service does.
"""
