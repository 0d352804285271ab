"""Experiments: each answers one engineering question with measured figures, and sets them beside a published claim."""
