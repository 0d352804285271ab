"""Spans for a collector: written from rows of the flight recorder, and exported over OTLP (ADR 0045)."""
