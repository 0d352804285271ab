"""towpath's admin contract, `towpath.admin.v1`, as code: what operators' tools ask a running process (ADR 0051). Private."""
