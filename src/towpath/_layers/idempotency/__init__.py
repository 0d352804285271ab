"""One effect for each idempotency key, however often a call with it is sent."""
