"""Service files and what may stand in them: each table read, checked, and refused with its file, line and remedy."""
