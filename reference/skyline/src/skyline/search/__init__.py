"""The search service: asks flights, airports and weather at once, then for the fares, and joins what they answer."""
