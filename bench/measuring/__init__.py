"""One measurement each: throughput and latency, memory, imports, neighbours."""
