"""One effect for each idempotency key, whatever is sent twice."""
