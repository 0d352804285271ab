"""Traces that others recorded, as spans: Jaeger's JSON, which is also CRISP's input, and OTLP's JSON."""
