"""The search service: asks flights, airports and weather at once and joins what they answer."""
