"""What a process tells operators: the service of towpath's admin contract, and the socket at which tools of the same user find it."""
