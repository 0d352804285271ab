"""gRPC over HTTP/2 without IO: framing, status, metadata, deadlines and the request context as header fields."""
