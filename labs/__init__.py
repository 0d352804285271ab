"""Experiments: each answers one engineering question with measured figures, beside the published claim that it follows."""
