"""The weather service: what the weather was at New York's airports, hour by hour."""
