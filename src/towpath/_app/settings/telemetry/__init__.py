"""`[telemetry]` of the service file: what is recorded, counted, traced and logged of calls, one module for each part."""
