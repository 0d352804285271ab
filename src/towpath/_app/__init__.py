"""The golden path: the transport with the default stack around it, configured from a file and the environment, in a process that starts,
says when it is ready, and stops without losing a call.

This file imports nothing, since a command must not load modules that only a service needs. `towpath` exports the names that applications
use.
"""
